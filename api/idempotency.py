"""`Idempotency-Key`: the same key and body answer the first answer again, for a day."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable

import orjson

from api.call import Answer
from api.errors import Problem, come_back
from api.ports import Cache
from connectors.sealing import Sealer
from streams.domain.errors import CorruptState, Unavailable

REMEMBERED_SECONDS = 86_400
KEY = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,254}")

logger = logging.getLogger(__name__)


class Idempotency:
    """Remembers final answers; a repeat that comes while the first is worked on waits for it."""

    def __init__(self, *, cache: Cache, sealer: Sealer) -> None:
        self._cache, self._sealer = cache, sealer
        self._running: dict[str, asyncio.Event] = {}

    async def once(
        self,
        *,
        owner: str,
        scope: str,
        key: str,
        body: bytes,
        make: Callable[[], Awaitable[Answer]],
    ) -> Answer:
        """The remembered answer, or the answer that is made now; 409 for another body.

        Keys count within an owner and a scope; what is remembered is the owner's share.
        """
        if not KEY.fullmatch(key):
            raise Problem(400, "Idempotency-Key must be 1 to 255 printable ASCII characters")
        name = f"idempotency {hashlib.sha256(f'{owner} {scope} {key}'.encode()).hexdigest()}"
        digest = hashlib.sha256(body).hexdigest()
        while (running := self._running.get(name)) is not None:
            await running.wait()
        remembered = await self._remembered(name, digest)
        if remembered is not None:
            return remembered
        if name in self._running:
            raise come_back(409, "a request with this Idempotency-Key is being worked on")
        done = self._running[name] = asyncio.Event()
        try:
            made = await make()
            await self._remember(name, digest, made, owner)
        finally:
            del self._running[name]
            done.set()
        return made

    async def _remembered(self, name: str, digest: str) -> Answer | None:
        kept = await self._cache.get(name)
        if kept is None:
            return None
        try:
            # Sealed, because the first answer may show a secret that is kept nowhere else.
            known = orjson.loads(self._sealer.unseal(kept.decode(), name))
        except CorruptState as error:
            logger.warning("a kept answer is forgotten: %s", error)
            return None
        if known["digest"] != digest:
            raise Problem(409, "this Idempotency-Key was used with another body")
        return Answer(
            status=known["status"],
            body=base64.b64decode(known["body"]),
            content_type=known["content_type"],
            headers={**known["headers"], "Idempotent-Replayed": "true"},
        )

    async def _remember(self, name: str, digest: str, made: Answer, owner: str) -> None:
        kept = orjson.dumps(
            {
                "digest": digest,
                "status": made.status,
                "body": base64.b64encode(made.body).decode(),
                "content_type": made.content_type,
                "headers": dict(made.headers),
            }
        )
        sealed = self._sealer.seal(kept, name).encode()
        try:
            await self._cache.put(name, sealed, seconds=REMEMBERED_SECONDS, owner=owner)
        except Unavailable as error:
            # It is done already: the answer is worth more than a repeat of it.
            logger.warning("an answer is not kept for its Idempotency-Key: %s", error)
