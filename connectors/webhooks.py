"""Sends signed webhooks by Standard Webhooks 1.0.0 and says what became of each."""

from __future__ import annotations

import asyncio
import base64
import binascii
import errno
import hmac
import math
import re
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from types import SimpleNamespace

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from connectors.address_guard import (
    AddressNotAllowed,
    GuardedResolver,
    SystemResolver,
    guarded_socket,
    parse_url,
)
from streams.clock import Clock, monotonic_seconds
from streams.domain.delivery import RETRY_AFTER_SECONDS_MAX, SUCCESS, Attempt
from streams.domain.errors import Malformed

SECRET_PREFIX = "whsec_"  # noqa: S105  # the public mark of a secret, not a secret
SECRET_BYTES = 32

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
ANSWER_SECONDS_MAX = 2.0
"""How long the rest of an answer may take once its status is known."""
ANSWER_BYTES_MAX = 16 * 1024
KEPT_BYTES_MAX = 1024
KEEP_ALIVE_SECONDS = 30.0
DNS_CACHE_SECONDS = 30
STALE_SECONDS_MAX = 1.0
"""A kept connection that breaks so soon was closed by the receiver before it saw the request."""
HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}
RETRY_AFTER_DIGITS_MAX = 9
REASON_CHARACTERS_MAX = 60


def parse_secret(text: str) -> bytes:
    """The bytes of a `whsec_...` secret; raises `Malformed`, which never shows it."""
    if not text.startswith(SECRET_PREFIX):
        raise Malformed(f"a signing secret begins with {SECRET_PREFIX}")
    try:
        secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("the signing secret is not base64") from None
    if len(secret) != SECRET_BYTES:
        raise Malformed(f"a signing secret has {SECRET_BYTES} bytes")
    return secret


def format_secret(secret: bytes) -> str:
    """A signing secret as text, as merchants see it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def sign(secret: bytes, webhook_id: str, timestamp_seconds: int, body: bytes) -> str:
    """The signature `v1,<base64>` of one attempt."""
    signed = b"%s.%d.%s" % (webhook_id.encode(), timestamp_seconds, body)
    return "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()


def _signed_headers(
    secrets: Sequence[bytes], webhook_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(key, webhook_id, timestamp, body) for key in secrets),
    }


def parse_retry_after(text: str | None, now: datetime) -> int | None:
    """Seconds from `now`, whichever form was sent, within a day; None when it says nothing."""
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        digits = text.lstrip("0")[: RETRY_AFTER_DIGITS_MAX + 1]
        return min(int(digits or "0"), RETRY_AFTER_SECONDS_MAX)
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        wait_seconds = math.ceil((moment - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None  # not a date, as far as the standard library's lenient reader can tell
    return min(max(wait_seconds, 0), RETRY_AFTER_SECONDS_MAX)


def _watch_reuse() -> aiohttp.TraceConfig:
    async def reused(_session: object, context: SimpleNamespace, _parameters: object) -> None:
        context.trace_request_ctx.is_reused = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(reused)
    return trace


class WebhookSender:
    """One HTTP client for every endpoint; how many run at a time is for the caller to limit."""

    def __init__(
        self,
        *,
        clock: Clock,
        version: str,
        allow_private: bool = False,
        connect_seconds: float = CONNECT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
        answer_seconds: float = ANSWER_SECONDS_MAX,
        resolver: AbstractResolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._clock = clock
        self._agent = f"keshikomi/{version}"
        self._allow_private = allow_private
        self._answer_seconds = answer_seconds
        self._timeout = aiohttp.ClientTimeout(
            total=total_seconds, connect=connect_seconds, ceil_threshold=math.inf
        )
        self._resolver = resolver
        self._ssl = ssl_context
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the client; it belongs to the running event loop."""
        inner = self._resolver or SystemResolver()
        self._resolver = GuardedResolver(inner, allow_private=self._allow_private)
        connector = aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            ttl_dns_cache=DNS_CACHE_SECONDS,
            resolver=self._resolver,
            socket_factory=partial(guarded_socket, allow_private=self._allow_private),
            ssl=self._ssl or True,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # a small answer must not become a large one
            read_bufsize=ANSWER_BYTES_MAX,
            timeout=self._timeout,
            trust_env=False,
            trace_configs=[_watch_reuse()],
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()

    async def send(
        self,
        *,
        url: str,
        secrets: Sequence[bytes],
        webhook_id: str,
        body: bytes,
        traceparent: str | None,
        number: int,
    ) -> Attempt:
        """Make one attempt; whatever the network or the receiver does becomes part of it."""
        at = self._clock()
        begun = monotonic_seconds()
        signed = _signed_headers(secrets, webhook_id, int(at.timestamp()), body)
        headers = {**HEADERS, "user-agent": self._agent, **signed}
        if traceparent:
            headers["traceparent"] = traceparent
        status_code = error = retry_after_seconds = None
        answer = ""
        try:
            target = parse_url(url, allow_private=self._allow_private)
            status_code, answer, retry_after = await self._post(target, headers, body)
            if status_code not in SUCCESS:
                retry_after_seconds = parse_retry_after(retry_after, self._clock())
        except Malformed:
            error = "address_not_allowed"
        except (aiohttp.ClientError, OSError, TimeoutError) as failure:
            error = name_failure(failure)
        return Attempt(
            number=number,
            at=at,
            duration_ms=int((monotonic_seconds() - begun) * 1_000),
            status_code=status_code,
            error=error,
            answer=answer,
            retry_after_seconds=retry_after_seconds,
        )

    async def _post(
        self, url: URL, headers: dict[str, str], body: bytes
    ) -> tuple[int, str, str | None]:
        way = SimpleNamespace(is_reused=False)
        begun = monotonic_seconds()
        try:
            return await self._request(url, headers, body, way)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if not way.is_reused or monotonic_seconds() - begun > STALE_SECONDS_MAX:
                raise
        # The receiver let go of an idle connection just then, which is nobody's failure; should
        # it have read the request after all, it knows the repeat by its id.
        return await self._request(url, headers, body, way)

    async def _request(
        self, url: URL, headers: dict[str, str], body: bytes, way: SimpleNamespace
    ) -> tuple[int, str, str | None]:
        assert self._session is not None, "start() comes first"
        async with self._session.post(
            url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=way
        ) as response:
            answer = await self._read(response)
            return response.status, answer, response.headers.get("retry-after")

    async def _read(self, response: aiohttp.ClientResponse) -> str:
        """The beginning of an answer; one that is long or slow loses its connection instead."""
        content = response.content
        data = bytearray()
        try:
            async with asyncio.timeout(self._answer_seconds):
                while len(data) < ANSWER_BYTES_MAX:
                    chunk = await content.read(ANSWER_BYTES_MAX - len(data))
                    if not chunk:
                        break
                    data += chunk
        except (aiohttp.ClientError, OSError, TimeoutError):
            response.close()  # the status is known, and it alone decides
        if not content.at_eof():
            response.close()
        # NUL is text nowhere: some stores of history refuse it.
        return data[:KEPT_BYTES_MAX].decode("utf-8", "replace").replace("\x00", "\ufffd")


# --- short and stable words for what went wrong ---------------------------------------------------

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
DNS_WORDS = {
    socket.EAI_NONAME: "not_found",
    socket.EAI_NODATA: "not_found",
    socket.EAI_AGAIN: "no_answer",
}


KIND_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ConnectionTimeoutError, "connect_timeout"),
    (TimeoutError, "timeout"),
    (aiohttp.ServerDisconnectedError, "connection_closed"),
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
    return ERRNO_WORDS.get(getattr(cause, "errno", None) or 0, "connection_failed")


def _tls_words(error: BaseException) -> str:
    reason = getattr(error, "verify_message", None) or getattr(error, "reason", None) or "failed"
    words = re.sub(r"[^a-z0-9]+", "_", str(reason).lower()).strip("_")
    return f"tls: {words[:REASON_CHARACTERS_MAX]}"
