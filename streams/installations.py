"""The installation that one log and one history are of: its id, and a canary under its key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

KEY = b"installation"
"""The key of the record in the directory, beside ids, which all have a prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A record of the directory: whoever has the installation's master key can open `sealed`.

    The first id that the directory ever held is the installation's. A later record of the same id
    is the same installation under a newer key, if it names what held until then: a topic has no
    compare-and-set, so of several that replace the same record the first one holds.
    """

    installation_id: str
    sealed: str
    made_at: datetime
    replaces: str = ""
    """What was sealed before, of the same installation; empty in its first record."""
    type: Literal["installation"] = "installation"

    def follows(self, other: Installation) -> bool:
        """Whether this holds from here on, where the other one held."""
        return self.installation_id == other.installation_id and self.replaces == other.sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """That a history is of an installation from now on, unless it is another's."""

    installation_id: str
    begins: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """By topic and partition: what stands before these offsets counts as stored, though it is not,
    since the log has it no more."""


class Installed(Protocol):
    """Part of `streams.ports.History`."""

    async def installation(self, claim: Claim | None = None) -> str:
        """The id of the installation that this history is of, after the claim; empty if nobody's.

        Of several claims the first one holds, and one that does not changes nothing.
        """
        ...
