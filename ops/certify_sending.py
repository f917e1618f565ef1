"""Sends the requests of `keshikomi certify`, behind the same address guard as every webhook."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import aiohttp
from yarl import URL

from connectors.address_guard import GuardedResolver, guarded_socket
from connectors.dns import Resolver
from connectors.exchanging import ANSWER_BYTES_MAX
from connectors.failures import name_failure
from connectors.requesting import HEADERS
from connectors.webhooks import ANSWER_SECONDS_MAX, CONNECT_SECONDS, TOTAL_SECONDS
from streams.clock import monotonic_seconds

PIECES = 5
"""A slow body comes in so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent; the headers are those of the signature, and secret until they are old."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes
    is_slow: bool = False
    is_read: bool = False
    """Whether what is answered is read, as far as the product reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: a status or, without one, the failure in a word; and after how long.

    `seconds` count to the status, of a slow body from its last piece on; `text` is the beginning
    of an answer that was to be read.
    """

    status: int | None = None
    failure: str = ""
    seconds: float
    text: bytes = b""


class Sender:
    """One receiver, and a connection of its own for each request."""

    def __init__(self, http: aiohttp.ClientSession, url: URL, slow_seconds: float) -> None:
        self._http, self._url, self._slow_seconds = http, url, slow_seconds

    async def send(self, request: Request) -> Answer:
        """Send one request; whatever the receiver does becomes the answer."""
        body = _Body(request.body, self._slow_seconds / PIECES if request.is_slow else 0.0)
        length = {"content-length": str(len(request.body))}
        try:
            async with self._http.post(
                self._url,
                data=body.pieces() if request.is_slow else request.body,
                headers={**HEADERS, **length, **request.headers},
                allow_redirects=False,
            ) as response:
                seconds = monotonic_seconds() - body.done_at
                text = await _beginning(response) if request.is_read else b""
                response.close()  # the status alone decides
                return Answer(status=response.status, seconds=seconds, text=text)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            failure = name_failure(error)
            return Answer(failure=failure, seconds=monotonic_seconds() - body.done_at)


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    text = bytearray()
    with suppress(aiohttp.ClientError, OSError, TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            while chunk := await response.content.read(ANSWER_BYTES_MAX - len(text)):
                text += chunk
    return bytes(text)


class _Body:
    """A body that is sent in pieces, and knows when the last one went."""

    def __init__(self, body: bytes, pause_seconds: float) -> None:
        self._body, self._pause_seconds = body, pause_seconds
        self.done_at = monotonic_seconds()

    async def pieces(self) -> AsyncIterator[bytes]:
        size = max(1, math.ceil(len(self._body) / PIECES))
        for start in range(0, len(self._body), size):
            await asyncio.sleep(self._pause_seconds)
            self.done_at = monotonic_seconds()
            yield self._body[start : start + size]


@asynccontextmanager
async def sender_to(url: URL, *, allow_private: bool, slow_seconds: float) -> AsyncIterator[Sender]:
    """A sender to a URL that `address_guard.parse_url` has let pass."""
    resolver = GuardedResolver(Resolver(), allow_private=allow_private)
    connector = aiohttp.TCPConnector(
        force_close=True,
        resolver=resolver,
        socket_factory=partial(guarded_socket, allow_private=allow_private),
    )
    timeout = aiohttp.ClientTimeout(
        total=TOTAL_SECONDS + slow_seconds, connect=CONNECT_SECONDS, ceil_threshold=math.inf
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=timeout,
        trust_env=False,
        headers={"user-agent": "keshikomi-certify"},
    ) as http:
        try:
            yield Sender(http, url, slow_seconds)
        finally:
            await resolver.close()
