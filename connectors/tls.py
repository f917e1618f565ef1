"""Whose certificates are believed: a TLS context from the file of an authority, or the system's."""

from __future__ import annotations

import ssl

from streams.domain.errors import Unavailable


def context_by(ca_file: str | None, *, whose: str) -> ssl.SSLContext:
    """A context that verifies certificates and names; `whose` authority it is, in a message.

    Raises:
        Unavailable: the file is no use; the message names it and says what it must be.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        text = f"{whose} authority cannot be read from {ca_file}: {why(error)}"
        raise Unavailable(f"{text}; name a file in PEM that this user may read") from error


def why(error: OSError) -> str:
    """What the system says of a file, or what OpenSSL means."""
    if not isinstance(error, ssl.SSLError):
        return error.strerror or str(error)
    if error.reason:
        return error.reason.replace("_", " ").lower()
    return "one of them is not in PEM, or the key is locked by a password"
