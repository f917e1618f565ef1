"""Why a Redis does not answer: a port with TLS and one without say nothing clear of each other."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

from redis.exceptions import AuthenticationError, ResponseError

PORT = 6379
TRY_SECONDS_MAX = 1.0
UNKNOWN = ("local issuer", "self-signed", "self signed")
"""OpenSSL's words for an authority that nobody told it of."""
AUTHORITY = "the file that SSL_CERT_FILE names must be there and hold the authority that signed it"
"""The URL of a Redis names no file of its own, and what OpenSSL cannot find it does not tell."""
ANSWERS = (b"+", b"-")
"""How Redis begins an answer to a ping, or its refusal of one who gave no password."""


async def reason_of(error: BaseException, url: str) -> str:
    """What was most likely wrong when a Redis did not answer; the password is not in it.

    The port is spoken to in the other way: with TLS if the URL has none, and without if it has.
    """
    if isinstance(error, AuthenticationError | ResponseError):
        return str(error)  # it answered
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORT
    with_tls = parts.scheme == "rediss"
    try:
        async with asyncio.timeout(TRY_SECONDS_MAX):
            is_other = await (_speaks_plainly if with_tls else _speaks_tls)(host, port)
    except (OSError, TimeoutError):
        is_other = False
    if not is_other:
        told = str(error) or "no answer in time"
        return f"{told}; {AUTHORITY}" if any(each in told for each in UNKNOWN) else told
    if with_tls:
        told = "speaks no TLS, so there was no handshake: it is for redis://, not rediss://"
    else:
        told = "speaks TLS only: it is for rediss://, not redis://"
    return f"port {port} of {host} {told}"


async def _speaks_plainly(host: str, port: int) -> bool:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"PING\r\n")
        return (await reader.read(1)) in ANSWERS
    finally:
        writer.close()


async def _speaks_tls(host: str, port: int) -> bool:
    """Nothing is told to it, so it need not prove who it is."""
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(host, port, ssl=anyone)
    writer.close()
    return True
