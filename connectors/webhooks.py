"""Sends signed webhooks by Standard Webhooks 1.0.0 and says what became of each."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Awaitable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple, TypeVar

from aiohttp.abc import AbstractResolver

from connectors.answering import kept_text, read_released_at
from connectors.connecting import CONNECTIONS_MAX, KEPT_HOSTS_MAX, Connections
from connectors.dns import Resolver
from connectors.exchanging import Answer, Connection
from connectors.failures import ConnectTimeout, name_failure
from connectors.requesting import HEADERS, Server, place_of, request_bytes
from connectors.signing import signed_headers
from connectors.stages import Stage, Stages
from streams.clock import Clock, monotonic_seconds
from streams.domain.delivery import RETRY_AFTER_SECONDS_MAX, SUCCESS, Attempt, Target
from streams.domain.errors import Malformed

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
ANSWER_SECONDS_MAX = 2.0
"""How long the rest of an answer may take once its status is known."""
STALE_SECONDS_MAX = 1.0
"""A kept connection that breaks so soon was closed by the receiver before it saw the request."""
RETRY_AFTER_DIGITS_MAX = 9

T = TypeVar("T")


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
        self._always = {**HEADERS, "user-agent": f"keshikomi/{version}"}
        self._allow_private = allow_private
        self._answer_seconds = answer_seconds
        self._connect_seconds, self._total_seconds = connect_seconds, total_seconds
        self._resolver = resolver
        self._ssl = ssl_context
        self._connections_max, self._kept_hosts_max = connections_max, kept_hosts_max
        self._connections: Connections | None = None

    async def start(self) -> None:
        """Open the client; it belongs to the running event loop."""
        self._resolver = self._resolver or Resolver()
        self._connections = Connections(
            resolver=self._resolver,
            allow_private=self._allow_private,
            ssl_context=self._ssl,
            connections_max=self._connections_max,
            kept_hosts_max=self._kept_hosts_max,
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._connections is not None:
            self._connections.close()
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
        at, stages = self._clock(), Stages()
        ours = signed_headers(target.keys, webhook_id, int(at.timestamp()), body)
        if traceparent:
            ours["traceparent"] = traceparent
        outcome = await self._outcome(target, ours, body, stages)
        return Attempt(
            number=number,
            at=at,
            duration_ms=stages.end(),
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
        self, target: Target, ours: dict[str, str], body: bytes, stages: Stages
    ) -> _Outcome:
        try:
            place = place_of(target.url, allow_private=self._allow_private)
        except Malformed:
            return _Outcome(error="address_not_allowed")
        total_seconds = target.timeout_seconds or self._total_seconds
        try:
            request = request_bytes(place, target.headers, {**self._always, **ours}, body)
            answer = await self._post(place.server, request, total_seconds, stages)
        except Malformed:
            return _Outcome(error="header_not_allowed")
        except OSError as failure:  # time-outs and the faults of TLS are some, too
            return _Outcome(error=name_failure(failure))
        status_code, data, retry_after = answer
        text = kept_text(data)
        if status_code in SUCCESS:
            return _Outcome(status_code, answer=text, released_at=read_released_at(data))
        wait_seconds = parse_retry_after(retry_after, self._clock())
        return _Outcome(status_code, answer=text, retry_after_seconds=wait_seconds)

    async def _post(
        self, server: Server, request: bytes, total_seconds: float, stages: Stages
    ) -> Answer:
        connections = self._connections
        assert connections is not None, "start() comes first"
        if connections.is_full:
            await self._in_time(connections.place(stages), total_seconds, stages)
        else:
            await connections.place(stages)
        try:
            connection, answer = connections.kept(server, stages), None
            if connection is not None:
                answer = await self._unless_stale(connection, request, total_seconds, stages)
            if connection is None or answer is None:
                opening = connections.open(server, stages)
                connection = await self._in_time(opening, total_seconds, stages)
                answer = await self._exchange(connection, request, total_seconds, stages)
            connections.keep(server, connection)
            return answer
        finally:
            connections.free()

    async def _unless_stale(
        self, connection: Connection, request: bytes, total_seconds: float, stages: Stages
    ) -> Answer | None:
        """What is answered over a kept connection; None where the receiver let go of it just then.

        That is nobody's failure; should the receiver have read the request after all, it knows the
        repeat by its id.
        """
        begun = monotonic_seconds()
        try:
            return await self._exchange(connection, request, total_seconds, stages)
        except ConnectionError:
            if connection.has_heard or monotonic_seconds() - begun > STALE_SECONDS_MAX:
                raise
            return None

    async def _exchange(
        self, connection: Connection, request: bytes, total_seconds: float, stages: Stages
    ) -> Answer:
        stages.enter(Stage.FIRST_BYTE)
        return await connection.exchange(
            request,
            seconds=stages.left(total_seconds),
            answer_seconds=self._answer_seconds,
            stages=stages,
        )

    async def _in_time(self, work: Awaitable[T], total_seconds: float, stages: Stages) -> T:
        """What comes before the request, within the time for connecting and that for all."""
        try:
            async with asyncio.timeout(stages.left(min(self._connect_seconds, total_seconds))):
                return await work
        except TimeoutError:
            if stages.left(total_seconds) > 0:
                raise ConnectTimeout from None
            raise
