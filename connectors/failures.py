"""Says in short and stable words why a webhook had no answer."""

from __future__ import annotations

import errno
import re
import socket
import ssl

import aiohttp

from connectors.address_guard import AddressNotAllowed

REASON_CHARACTERS_MAX = 60


class ConnectTimeout(TimeoutError):
    """No connection could be made in time."""


class ClosedByPeer(ConnectionError):
    """The receiver ended the connection before it answered."""


class NotHttp(OSError):
    """What came is no answer of HTTP."""


ERRNO_WORDS = {
    errno.ECONNREFUSED: "connection_refused",
    errno.ECONNRESET: "connection_reset",
    errno.EPIPE: "connection_reset",
    errno.ECONNABORTED: "connection_reset",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
    errno.ETIMEDOUT: "connect_timeout",
    errno.EMFILE: "out_of_sockets",
    errno.ENFILE: "out_of_sockets",
}
ERRNO_NAMED = re.compile(r"\[Errno (\d{1,6})\]")
DNS_WORDS = {
    socket.EAI_NONAME: "not_found",
    socket.EAI_NODATA: "not_found",
    socket.EAI_AGAIN: "no_answer",
}
# Those of aiohttp are for `keshikomi certify`, which sends by it.
KIND_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectTimeout, "connect_timeout"),
    (aiohttp.ConnectionTimeoutError, "connect_timeout"),
    (TimeoutError, "timeout"),
    (ClosedByPeer, "connection_closed"),
    (aiohttp.ServerDisconnectedError, "connection_closed"),
    (NotHttp, "answer_not_http"),
    (aiohttp.ClientResponseError, "answer_not_http"),
    (aiohttp.ClientPayloadError, "answer_not_http"),
)


def name_failure(failure: BaseException) -> str:
    """One failure in short and stable words, for people and for counting."""
    cause = getattr(failure, "os_error", None) or failure
    if isinstance(cause, AddressNotAllowed):
        return "address_not_allowed"
    certificate_error = getattr(failure, "certificate_error", None)
    if certificate_error or isinstance(cause, ssl.SSLError):
        return _tls_words(certificate_error or cause)
    if isinstance(cause, socket.gaierror):
        return f"dns: {DNS_WORDS.get(cause.errno or 0, 'failed')}"
    for kind, words in KIND_WORDS:
        if isinstance(failure, kind):
            return words
    return ERRNO_WORDS.get(_errno_of(cause), "connection_failed")


def _errno_of(cause: BaseException) -> int:
    """The system's number of a fault; the last one where a host's addresses failed differently.

    aiohappyeyeballs says these in one text: of a host with IPv6 and IPv4, the one of IPv4.
    """
    number = getattr(cause, "errno", None)
    named = ERRNO_NAMED.findall(str(cause)) if number is None else []
    return number or int(named[-1] if named else 0)


def _tls_words(error: BaseException) -> str:
    reason = getattr(error, "verify_message", None) or getattr(error, "reason", None) or "failed"
    words = re.sub(r"[^a-z0-9]+", "_", str(reason).lower()).strip("_")
    return f"tls: {words[:REASON_CHARACTERS_MAX]}"
