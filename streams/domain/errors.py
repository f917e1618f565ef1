"""Every error that the product names, sorted by whose fault it is."""

from __future__ import annotations


class KeshikomiError(Exception):
    """An error with a stable code, for logs, quarantine rows and problem documents."""

    code = "error"


class RemoteError(KeshikomiError):
    """Someone outside sent us something that cannot be used; the evidence is kept."""

    code = "remote"


class Malformed(RemoteError):
    """The content cannot be read; the message says where and why, never the content itself.

    `faults` names every place that is wrong (a JSON pointer, or "line 3, column 8") with what is
    wrong there, where the reader could tell them apart.
    """

    code = "malformed"

    def __init__(self, message: str = "", *, faults: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


class NotAuthentic(RemoteError):
    """The sender did not prove who they are."""

    code = "not_authentic"


class OverLimit(RemoteError):
    """A named limit would be passed; the message names it."""

    code = "over_limit"


class UnknownInvoice(RemoteError):
    """A notice or a command names an invoice that is not known here."""

    code = "unknown_invoice"


class Unavailable(KeshikomiError):
    """An engine cannot be reached or cannot take more now; trying later may help."""

    code = "unavailable"


class Conflict(RemoteError):
    """The request is valid but contradicts what was registered before."""

    code = "conflict"


class CorruptState(KeshikomiError):
    """Bytes that we wrote ourselves cannot be read: our bug, never the caller's."""

    code = "corrupt_state"


class Sealed(CorruptState):
    """A secret of ours does not open: it was sealed under a master key that is not known here."""

    code = "sealed"


class NotOurs(KeshikomiError):
    """An engine holds another installation's data, or lost ours; nothing may be written there."""

    code = "not_ours"
