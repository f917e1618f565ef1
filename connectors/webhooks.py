"""Sends signed webhooks by Standard Webhooks 1.0.0 and says what became of each."""

from __future__ import annotations

import asyncio
import errno
import math
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from connectors.address_guard import AddressNotAllowed, parse_url
from connectors.answering import kept_text, read_released_at
from connectors.connecting import CONNECTIONS_MAX, KEPT_HOSTS_MAX, WebhookConnector
from connectors.dns import Resolver
from connectors.signing import signed_headers
from connectors.stages import Stage, Stages, watch_connections
from streams.clock import Clock, monotonic_seconds
from streams.domain.delivery import RETRY_AFTER_SECONDS_MAX, SUCCESS, Attempt, Target
from streams.domain.errors import Malformed

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
ANSWER_SECONDS_MAX = 2.0
"""How long the rest of an answer may take once its status is known."""
ANSWER_BYTES_MAX = 16 * 1024
STALE_SECONDS_MAX = 1.0
"""A kept connection that breaks so soon was closed by the receiver before it saw the request."""
HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}
RETRY_AFTER_DIGITS_MAX = 9
REASON_CHARACTERS_MAX = 60

Request = Callable[[], Awaitable[tuple[int, bytes, str | None]]]
"""Posts once: status, the beginning of the answer, and `Retry-After`."""


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


class _Outcome(NamedTuple):
    status_code: int | None = None
    error: str | None = None
    answer: str = ""
    retry_after_seconds: int | None = None
    released_at: datetime | None = None


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
        connections_max: int = CONNECTIONS_MAX,
        kept_hosts_max: int = KEPT_HOSTS_MAX,
    ) -> None:
        self._clock = clock
        self._agent = f"keshikomi/{version}"
        self._allow_private = allow_private
        self._answer_seconds = answer_seconds
        self._connect_seconds, self._total_seconds = connect_seconds, total_seconds
        self._resolver = resolver
        self._ssl = ssl_context
        self._connections_max, self._kept_hosts_max = connections_max, kept_hosts_max
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the client; it belongs to the running event loop."""
        self._resolver = self._resolver or Resolver()
        connector = WebhookConnector(
            resolver=self._resolver,
            allow_private=self._allow_private,
            ssl_context=self._ssl,
            connections_max=self._connections_max,
            kept_hosts_max=self._kept_hosts_max,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # a small answer must not become a large one
            read_bufsize=ANSWER_BYTES_MAX,
            trust_env=False,
            trace_configs=[watch_connections()],
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
        target: Target,
        webhook_id: str,
        body: bytes,
        traceparent: str | None,
        number: int,
    ) -> Attempt:
        """Make one attempt; whatever the network or the receiver does becomes part of it."""
        at = self._clock()
        headers = self._headers(target, webhook_id, body, at)
        if traceparent:
            headers["traceparent"] = traceparent
        with Stages() as stages:
            outcome = await self._outcome(target, headers, body, stages)
        return Attempt(
            number=number,
            at=at,
            duration_ms=stages.total_ms,
            status_code=outcome.status_code,
            error=outcome.error,
            answer=outcome.answer,
            retry_after_seconds=outcome.retry_after_seconds,
            address=stages.address,
            waiting_ms=stages.took_ms(Stage.WAITING),
            dns_ms=stages.took_ms(Stage.DNS),
            connect_ms=stages.took_ms(Stage.CONNECT),
            tls_ms=stages.took_ms(Stage.TLS),
            first_byte_ms=stages.took_ms(Stage.FIRST_BYTE),
            released_at=outcome.released_at,
        )

    async def _outcome(
        self, target: Target, headers: dict[str, str], body: bytes, stages: Stages
    ) -> _Outcome:
        try:
            url = parse_url(target.url, allow_private=self._allow_private)
            limits = self._timeout_of(target)
            request = partial(self._request, url, headers, body, limits, stages)
            status_code, data, retry_after = await self._post(request, stages)
        except Malformed:
            return _Outcome(error="address_not_allowed")
        except (aiohttp.ClientError, OSError, TimeoutError) as failure:
            return _Outcome(error=name_failure(failure))
        answer = kept_text(data)
        if status_code in SUCCESS:
            return _Outcome(status_code, answer=answer, released_at=read_released_at(data))
        wait_seconds = parse_retry_after(retry_after, self._clock())
        return _Outcome(status_code, answer=answer, retry_after_seconds=wait_seconds)

    def _headers(
        self, target: Target, webhook_id: str, body: bytes, at: datetime
    ) -> dict[str, str]:
        signed = signed_headers(target.keys, webhook_id, int(at.timestamp()), body)
        # Ours come last: of names that differ in their case alone, the client sends the last one.
        return {**target.headers, **HEADERS, "user-agent": self._agent, **signed}

    def _timeout_of(self, target: Target) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            total=target.timeout_seconds or self._total_seconds,
            connect=self._connect_seconds,
            ceil_threshold=math.inf,
        )

    async def _post(self, request: Request, stages: Stages) -> tuple[int, bytes, str | None]:
        begun = monotonic_seconds()
        try:
            return await request()
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if not stages.is_reused or monotonic_seconds() - begun > STALE_SECONDS_MAX:
                raise
        # The receiver let go of an idle connection just then, which is nobody's failure; should
        # it have read the request after all, it knows the repeat by its id.
        return await request()

    async def _request(
        self,
        url: URL,
        headers: dict[str, str],
        body: bytes,
        limits: aiohttp.ClientTimeout,
        stages: Stages,
    ) -> tuple[int, bytes, str | None]:
        assert self._session is not None, "start() comes first"
        async with self._session.post(
            url,
            data=body,
            headers=headers,
            timeout=limits,
            allow_redirects=False,
        ) as response:
            stages.enter(None)
            answer = await self._read(response)
            return response.status, answer, response.headers.get("retry-after")

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
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
        return bytes(data)


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
