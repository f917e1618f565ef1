"""Makes the connections of webhooks: guarded, watched, and kept in bounds."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.abc import AbstractResolver

from connectors.address_guard import GuardedResolver, guarded_socket
from connectors.stages import Stage, WatchedHandshake, stages_under_way

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

CONNECTIONS_MAX = 2_048
"""Connections in use; the delivery lanes need far fewer, and pings have the same limit."""
KEPT_HOSTS_MAX = 1_024
KEPT_PER_HOST_MAX = 16
"""Idle connections for the next delivery; a burst opens more, and closes them again."""
KEEP_ALIVE_SECONDS = 30.0


class WebhookConnector(aiohttp.TCPConnector):
    """The connections to all endpoints.

    The client bounds those in use, but not those it keeps: that is added here.
    """

    def __init__(
        self,
        *,
        resolver: AbstractResolver,
        allow_private: bool,
        ssl_context: ssl.SSLContext | None,
        connections_max: int,
        kept_hosts_max: int,
    ) -> None:
        self._allow_private = allow_private
        self._kept_hosts_max = kept_hosts_max
        super().__init__(
            limit=connections_max,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            # The resolver remembers for itself; each connection passes the guard again.
            use_dns_cache=False,
            resolver=GuardedResolver(resolver, allow_private=allow_private),
            socket_factory=self._make_socket,
            ssl=watched(ssl_context or ssl.create_default_context()),
        )

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # aiohttp's signature
    ) -> Connection:
        """A new or a kept connection, as the client wants it."""
        connection = await super().connect(req, traces, timeout)
        stages = stages_under_way()
        transport = connection.transport
        peer = transport.get_extra_info("peername") if transport is not None else None
        if peer:
            stages.address = str(peer[0])
        stages.enter(Stage.FIRST_BYTE)
        return connection

    def _make_socket(self, info: tuple[Any, ...]) -> socket.socket:
        made = guarded_socket(info, allow_private=self._allow_private)
        stages = stages_under_way()
        stages.address = str(info[4][0])
        stages.enter(Stage.CONNECT)
        return made

    def _release(
        self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False
    ) -> None:
        kept = self._conns.get(key)
        is_full = (
            len(kept) >= KEPT_PER_HOST_MAX if kept else len(self._conns) >= self._kept_hosts_max
        )
        super()._release(key, protocol, should_close=should_close or is_full)


def watched(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context, whose handshakes are seen; HTTP/1.1 is all that it offers."""
    context.sslobject_class = WatchedHandshake
    context.set_alpn_protocols(["http/1.1"])
    return context
