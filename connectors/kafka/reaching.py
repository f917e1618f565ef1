"""Tries a cluster before a client is made for it, and says in one sentence why it cannot be used.

A client of aiokafka logs an error for each broker, and raises another that names no reason.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import defaultdict
from collections.abc import Awaitable
from dataclasses import replace
from typing import NamedTuple

from aiokafka.errors import (  # type: ignore[import-untyped]  # it ships no types
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import (  # type: ignore[import-untyped]  # it ships no types
    MetadataRequest,
)

from connectors.kafka.broken import Connection
from connectors.kafka.connection import KafkaConnection
from streams.domain.errors import Unavailable

REACH_SECONDS_MAX = 3.0
"""How long a broker may take to let us in; all are tried at the same time."""
FAREWELL_SECONDS_MAX = 1.0

OTHER_NAME_CODES = frozenset({62, 64})
"""OpenSSL's words for a certificate that is good, for another host name or another address."""


class Tried(NamedTuple):
    """One broker, and why it cannot be used; no reason when it let us in."""

    server: str
    reason: str


async def reached(connection: KafkaConnection) -> KafkaConnection:
    """The same connection by the one broker that let us in first; a client learns of the others.

    A client that is given several asks them one after the other, and one that hangs for long.

    Raises:
        Unavailable: none did within `REACH_SECONDS_MAX`, or a file that the connection names is
            no use. It says what to look at; neither the password nor the key is in it.
    """
    context = connection.ssl_context()
    tries = [
        asyncio.ensure_future(_try(connection, server, context)) for server in connection.servers
    ]
    servers_by_reason: dict[str, list[str]] = defaultdict(list)
    try:
        for each in asyncio.as_completed(tries):
            tried = await each
            if not tried.reason:
                return replace(connection, servers=(tried.server,))
            servers_by_reason[tried.reason].append(tried.server)
    finally:
        for one in tries:
            one.cancel()
        await asyncio.gather(*tries, return_exceptions=True)
    told = (f"{' and '.join(servers)} {reason}" for reason, servers in servers_by_reason.items())
    raise Unavailable(f"Kafka at {'; Kafka at '.join(told)}")


async def _try(connection: KafkaConnection, server: str, context: ssl.SSLContext | None) -> Tried:
    host, _, port = server.rpartition(":")
    options = {**connection.access_options(), "ssl_context": context}
    client = Connection(host.strip("[]"), int(port), **options)
    reason = ""
    try:
        async with asyncio.timeout(REACH_SECONDS_MAX):
            await client.connect()
            # A broker that wants a user says so only when it is asked for something.
            await client.send(MetadataRequest([]))
    except TimeoutError:
        reason = f"did not answer within {REACH_SECONDS_MAX:.0f} s"
    except (KafkaError, OSError, ValueError) as error:
        reason = _reason(connection, error)
    finally:
        client.close()
    protocol = client._protocol  # noqa: SLF001  # nothing else tells whether it was ever connected
    if protocol is not None:
        # How it ended was told above; asyncio would log once more that nobody asked.
        ended = protocol._get_close_waiter(None)  # noqa: SLF001  # its writer is gone by now
        await farewell(asyncio.gather(ended, return_exceptions=True))
    return Tried(server, reason)


async def farewell(ending: Awaitable[object]) -> None:
    """Wait for a client to end, but not for long; how it ends is nobody's concern any more.

    With TLS it waits for the broker's own farewell, which now and then does not come: 30 s. And a
    consumer of aiokafka 0.14 that is stopped before its tasks have begun raises `CancelledError`,
    which would end whoever waits for it here as if he had been told to.
    """
    task = asyncio.ensure_future(ending)
    try:
        await asyncio.wait([task], timeout=FAREWELL_SECONDS_MAX)
    finally:
        if not task.done():
            task.cancel()
        elif not task.cancelled():
            task.exception()  # else asyncio says that nobody asked


def _reason(connection: KafkaConnection, error: BaseException) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            reason = _reason_of_a_certificate(error)
        case SaslAuthenticationFailed():
            reason = f"refuses the user {connection.username!r} with this password"
            reason += f" and {connection.mechanism}"
        case UnsupportedSaslMechanismError():
            reason = f"lets nobody sign in by {connection.mechanism}; choose another mechanism"
        case IllegalSaslStateError():
            reason = "lets nobody sign in at this port: name no user, or another port"
        case socket.gaierror():
            reason = f"is not found: {error.strerror}"
        case ConnectionRefusedError():
            reason = "refuses connections: nothing listens there"
        case KafkaError() | OSError():
            reason = _reason_of_a_hang_up(connection, error)
        case _:
            reason = f"does not prove that it knows the password: {error}"
    return reason


def _reason_of_a_certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in OTHER_NAME_CODES:
        return f"shows a certificate for another name: {error.verify_message}"
    text = "shows a certificate that cannot be verified; name the authority that signed it"
    return f"{text}: {error.verify_message}"


def _reason_of_a_hang_up(connection: KafkaConnection, error: BaseException) -> str:
    """A broker that does not like how it is spoken to closes the connection, seldom with a word."""
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLError) and "ALERT" in (cause.reason or ""):
        if connection.certificate_file is None:
            return f"wants a certificate of ours ({cause.reason})"
        return f"does not accept our certificate {connection.certificate_file} ({cause.reason})"
    guesses = ["it may want no TLS" if connection.tls else "it may want TLS"]
    if connection.username is None:
        guesses.append("or a user with a password")
    return f"closes the connection: {', '.join(guesses)} ({type(cause).__name__})"
