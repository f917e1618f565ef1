"""Says how long each stage of one attempt took, and to which address it went."""

from __future__ import annotations

import ssl
from contextvars import ContextVar, Token
from enum import StrEnum
from types import TracebackType
from typing import Self

import aiohttp

from streams.clock import monotonic_seconds


class Stage(StrEnum):
    """What an attempt waits for, in this order; a kept connection has the last one alone."""

    WAITING = "waiting"  # for a place among the connections
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    FIRST_BYTE = "first_byte"  # sending, and until the head of the answer is there


class Stages:
    """The stages of the attempt that is made inside `with`; of a repeated one the sum.

    The stage in which an attempt fails lasts until then.
    """

    def __init__(self) -> None:
        self.address: str | None = None
        """Where the latest connection goes or was tried to."""
        self.is_reused = False
        """Whether a kept connection was tried."""
        self._begun = self._since = self._ended = monotonic_seconds()
        self._stage: Stage | None = None
        self._seconds: dict[Stage, float] = {}
        self._token: Token[Stages | None] | None = None

    def __enter__(self) -> Self:
        self._token = _UNDER_WAY.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.enter(None)
        self._ended = self._since
        assert self._token is not None
        _UNDER_WAY.reset(self._token)

    @property
    def total_ms(self) -> int:
        """The whole attempt in milliseconds, once it is over."""
        return int((self._ended - self._begun) * 1_000)

    def enter(self, stage: Stage | None) -> None:
        """Begin a stage, which ends the one before; None begins what is no stage."""
        now = monotonic_seconds()
        if self._stage is not None:
            self._seconds[self._stage] = self.seconds(self._stage) + now - self._since
        self._stage, self._since = stage, now
        if stage is not None:
            self._seconds.setdefault(stage, 0.0)

    def seconds(self, stage: Stage) -> float:
        """How long a stage took until the latest change of stages."""
        return self._seconds.get(stage, 0.0)

    def took_ms(self, stage: Stage) -> int | None:
        """The milliseconds of a stage; None when there was none."""
        return int(self.seconds(stage) * 1_000) if stage in self._seconds else None


_UNDER_WAY: ContextVar[Stages | None] = ContextVar("stages", default=None)


def stages_under_way() -> Stages:
    """Those of the attempt that is being made here; outside of one they go nowhere."""
    return _UNDER_WAY.get() or Stages()


def watch_connections() -> aiohttp.TraceConfig:
    """What the HTTP client itself says of its stages."""

    async def queued(*_: object) -> None:
        stages_under_way().enter(Stage.WAITING)

    async def asked(*_: object) -> None:
        stages_under_way().enter(Stage.DNS)

    async def over(*_: object) -> None:
        stages_under_way().enter(None)

    async def reused(*_: object) -> None:
        stages_under_way().is_reused = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_queued_start.append(queued)
    trace.on_connection_queued_end.append(over)
    trace.on_dns_resolvehost_start.append(asked)
    trace.on_dns_resolvehost_end.append(over)
    trace.on_connection_reuseconn.append(reused)
    return trace


class WatchedHandshake(ssl.SSLObject):
    """One side of a TLS connection that says when its handshake begins.

    It is where TLS can be told from connecting: the client reports both as one.
    """

    def do_handshake(self) -> None:
        stages_under_way().enter(Stage.TLS)
        super().do_handshake()
