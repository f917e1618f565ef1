"""Makes the connections of webhooks, guarded and watched, and keeps some for the next ones."""

from __future__ import annotations

import asyncio
import socket
import ssl
from functools import partial
from typing import Any

from aiohappyeyeballs import AddrInfoType, start_connection
from aiohttp.abc import AbstractResolver

from connectors.address_guard import GuardedResolver, guarded_socket
from connectors.exchanging import Connection
from connectors.requesting import Server
from connectors.stages import Stage, Stages
from connectors.urls import is_an_address
from streams.clock import monotonic_seconds

CONNECTIONS_MAX = 2_048
"""Connections in use; the delivery lanes need far fewer, and pings have the same limit."""
KEPT_HOSTS_MAX = 1_024
KEPT_PER_HOST_MAX = 64
"""Idle connections for the next deliveries: as many as one endpoint may have at a time, since a
connection costs more than the request that goes through it."""
KEPT_LONG_MAX = 16
"""So many of them stay; what a burst opened beyond them goes soon after it."""
KEEP_ALIVE_SECONDS = 30.0
BURST_SECONDS = 3.0
CONNECTION_SECONDS_MAX = 300.0
"""None is kept again that is older, however busy: its host may have another address by now."""
NEXT_ADDRESS_SECONDS = 0.25
"""RFC 8305: a host with several addresses is tried at the next one meanwhile."""


class Connections:
    """The connections to all endpoints: those in use and those that are kept are bounded."""

    def __init__(
        self,
        *,
        resolver: AbstractResolver,
        allow_private: bool,
        ssl_context: ssl.SSLContext | None,
        connections_max: int,
        kept_hosts_max: int,
    ) -> None:
        self._resolver = GuardedResolver(resolver, allow_private=allow_private)
        self._allow_private = allow_private
        self._tls = ssl_context or ssl.create_default_context()
        self._tls.set_alpn_protocols(["http/1.1"])
        self._kept_hosts_max = kept_hosts_max
        self._places = asyncio.Semaphore(connections_max)
        self._kept: dict[Server, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_full(self) -> bool:
        """Whether whoever wants a place has to wait for one."""
        return self._places.locked()

    async def place(self, stages: Stages) -> None:
        """Wait for a place among the connections in use; `free` gives it back."""
        if self.is_full:
            stages.enter(Stage.WAITING)
        await self._places.acquire()

    def kept(self, server: Server, stages: Stages) -> Connection | None:
        """The connection to a server that was used last, if any is kept."""
        kept = self._kept.get(server)
        while kept:
            connection = kept.pop()
            if not kept:
                del self._kept[server]
            if connection.is_open:
                stages.address = connection.address
                return connection
        return None

    async def open(self, server: Server, stages: Stages) -> Connection:
        """A new connection; raises `OSError`, and `AddressNotAllowed` where it must not go."""
        addresses = await self._addresses(server, stages)
        made = await self._connected(addresses, stages)
        if server.is_tls:
            stages.enter(Stage.TLS)
        try:
            stages.address = str(made.getpeername()[0])
            _, connection = await asyncio.get_running_loop().create_connection(
                partial(Connection, self._open.discard),
                sock=made,
                ssl=self._tls if server.is_tls else None,
                server_hostname=server.host.rstrip(".") if server.is_tls else None,
            )
        except BaseException:
            made.close()
            raise
        connection.address, connection.opened_at = stages.address, monotonic_seconds()
        if connection.is_open:
            self._open.add(connection)
        return connection

    def free(self) -> None:
        """Somebody else may have the place."""
        self._places.release()

    def keep(self, server: Server, connection: Connection) -> None:
        """Keep a connection for the next request, if it is good for one and there is room."""
        now = monotonic_seconds()
        if not connection.is_open or now - connection.opened_at >= CONNECTION_SECONDS_MAX:
            connection.abort()
            return
        kept = self._kept.get(server)
        if kept is None:
            if len(self._kept) >= self._kept_hosts_max:
                connection.abort()
                return
            kept = self._kept[server] = []
        elif len(kept) >= KEPT_PER_HOST_MAX:
            connection.abort()
            return
        connection.kept_since = now
        kept.append(connection)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BURST_SECONDS, self._tidy)

    def close(self) -> None:
        """End every connection."""
        if self._timer is not None:
            self._timer.cancel()
        self._kept.clear()
        for connection in list(self._open):
            connection.abort()

    def _tidy(self) -> None:
        """Let go of what was not needed for long; the latest stand last."""
        self._timer, now = None, monotonic_seconds()
        for server, kept in list(self._kept.items()):
            stays = [
                connection
                for place, connection in enumerate(reversed(kept))
                if connection.is_open and now - connection.kept_since < _seconds_of(place)
            ]
            for connection in set(kept).difference(stays):
                connection.abort()
            if stays:
                kept[:] = reversed(stays)
            else:
                del self._kept[server]
        if self._kept:
            self._timer = asyncio.get_running_loop().call_later(BURST_SECONDS, self._tidy)

    async def _connected(self, addresses: list[AddrInfoType], stages: Stages) -> socket.socket:
        try:
            return await start_connection(
                addresses,
                happy_eyeballs_delay=NEXT_ADDRESS_SECONDS,
                socket_factory=partial(self._make_socket, stages),
            )
        except RuntimeError as failure:  # so uvloop calls some faults of a socket
            raise OSError(str(failure)) from failure

    async def _addresses(self, server: Server, stages: Stages) -> list[AddrInfoType]:
        if is_an_address(server.host):
            return [_address(server.host, server.port)]
        stages.enter(Stage.DNS)
        found = await self._resolver.resolve(server.host, server.port, socket.AF_UNSPEC)
        return [_address(each["host"], each["port"]) for each in found]

    def _make_socket(self, stages: Stages, info: tuple[Any, ...]) -> socket.socket:
        made = guarded_socket(info, allow_private=self._allow_private)
        stages.address = str(info[4][0])
        stages.enter(Stage.CONNECT)
        return made


def _seconds_of(place: int) -> float:
    return KEEP_ALIVE_SECONDS if place < KEPT_LONG_MAX else BURST_SECONDS


def _address(host: str, port: int) -> AddrInfoType:
    if ":" in host:
        return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))
