"""`Idempotency-Key`: the same key and body answer the first answer again, for a day."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import orjson

from api.call import Answer
from api.errors import Problem
from api.origin import REMEMBERED_SECONDS, Origin, by_key
from api.ports import Cache
from connectors.sealing import Sealer
from streams.clock import Clock
from streams.domain.errors import CorruptState, Unavailable

KEY = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,254}")
PURPOSE = "idempotency"
SERVER_ERROR = 500

logger = logging.getLogger(__name__)

Make = Callable[[Origin], Awaitable[Answer]]


class Idempotency:
    """Remembers final answers; a repeat that comes while the first is worked on waits for it.

    A call claims its key before it does anything, and its answer takes the claim's place. Whoever
    finds a claim without an answer (the first process was killed, or another is at work) makes the
    call again, from the same origin: what the first one made is found and not made twice.
    """

    def __init__(self, *, cache: Cache, sealer: Sealer, clock: Clock) -> None:
        self._cache, self._sealer, self._clock = cache, sealer, clock
        self._master = sealer.derive(PURPOSE)
        self._running: dict[str, asyncio.Event] = {}

    async def once(self, *, owner: str, scope: str, key: str, body: bytes, make: Make) -> Answer:
        """The remembered answer, or the answer that is made now; 409 for another body.

        Keys count within an owner and a scope; what is remembered is the owner's share.
        """
        if not KEY.fullmatch(key):
            raise Problem(400, "Idempotency-Key must be 1 to 255 printable ASCII characters")
        name = f"idempotency {hashlib.sha256(f'{owner} {scope} {key}'.encode()).hexdigest()}"
        while (running := self._running.get(name)) is not None:
            await running.wait()
        # Nothing is awaited between the last look and this: of several that waited one goes on.
        done = self._running[name] = asyncio.Event()
        try:
            digest = hashlib.sha256(body).hexdigest()
            known = await self._claimed(name, digest, owner)
            if "status" in known:
                return _answer(known)
            at = datetime.fromisoformat(known["at"])
            origin = by_key(self._master, (owner, scope, key, digest), at)
            return await self._made(name, known, owner, make, origin)
        finally:
            del self._running[name]
            done.set()

    async def _claimed(self, name: str, digest: str, owner: str) -> dict[str, Any]:
        """The claim or the answer of the first call, or the claim that is made now."""
        own = {"digest": digest, "at": self._clock().isoformat()}
        sealed = self._sealed(name, own)
        kept = await self._cache.claim(name, sealed, seconds=REMEMBERED_SECONDS, owner=owner)
        if kept is None:
            return own
        try:
            # Sealed, because the first answer may show a secret that is kept nowhere else.
            known: dict[str, Any] = orjson.loads(self._sealer.unseal(kept.decode(), name))
        except CorruptState as error:
            logger.warning("a kept answer is forgotten: %s", error)
            return own
        if known["digest"] != digest:
            raise Problem(409, "this Idempotency-Key was used with another body")
        return known

    async def _made(
        self, name: str, claim: dict[str, Any], owner: str, make: Make, origin: Origin
    ) -> Answer:
        try:
            made = await make(origin)
        except Problem as problem:
            # What was refused has made nothing, and may come again in a better shape.
            if problem.status < SERVER_ERROR:
                await self._keep(name, b"", owner, seconds=0)
            raise
        kept = {
            "digest": claim["digest"],
            "status": made.status,
            "body": base64.b64encode(made.body).decode(),
            "content_type": made.content_type,
            "headers": dict(made.headers),
        }
        await self._keep(name, self._sealed(name, kept), owner, seconds=REMEMBERED_SECONDS)
        return made

    def _sealed(self, name: str, kept: dict[str, Any]) -> bytes:
        return self._sealer.seal(orjson.dumps(kept), name).encode()

    async def _keep(self, name: str, value: bytes, owner: str, *, seconds: float) -> None:
        try:
            await self._cache.put(name, value, seconds=seconds, owner=owner)
        except Unavailable as error:
            # It is done already: the answer is worth more than a repeat of it.
            logger.warning("an answer is not kept for its Idempotency-Key: %s", error)


def _answer(known: dict[str, Any]) -> Answer:
    return Answer(
        status=known["status"],
        body=base64.b64decode(known["body"]),
        content_type=known["content_type"],
        headers={**known["headers"], "Idempotent-Replayed": "true"},
    )
