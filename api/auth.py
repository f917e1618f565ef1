"""Who calls: keys compared as hashes in constant time, calls and failures within limits."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress

from aiohttp import web

from api.call import Caller, Who
from api.directory import Directory
from api.errors import Problem, come_back
from api.ports import ApiPorts
from streams.messages import KeySet

KEY_PREFIX = "ksk_"
AUTHORIZATION_CHARACTERS_MAX = 512
ADMIN = Caller(key_id="admin")
NOBODY = Caller(key_id="")
MISSING = {
    Who.MERCHANT: "this call needs a merchant's key",
    Who.ADMIN: "this call needs the admin key",
}


def key_text(secret: bytes) -> str:
    """A key for a merchant: 256 bits that nobody can guess, shown once."""
    return KEY_PREFIX + base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def hash_key(key: str) -> str:
    """What is kept of a key. It has full entropy, so one round of SHA-256 is enough."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


class Gatekeeper:
    """Recognises callers and turns away those who come too often."""

    def __init__(self, *, ports: ApiPorts, directory: Directory) -> None:
        self._cache, self._limits = ports.cache, ports.limits
        self._admin_key_hash = ports.admin_key_hash
        self._directory = directory

    async def recognise(self, request: web.Request, who: Who) -> Caller:
        """The caller of a route, or 401; 429 when calls or failures are too many."""
        if who in {Who.ANYONE, Who.PROVIDER}:
            return NOBODY
        key_hash = _presented(request)
        caller = self._admin(key_hash) if who is Who.ADMIN else await self._merchant(key_hash)
        if caller is None:
            raise await self._refusal(request, MISSING[who])
        await self._count(caller)
        return caller

    def is_operator(self, request: web.Request) -> bool:
        """Whether a caller may see the inside: on the loopback, or with the admin key."""
        if self._admin(_presented(request)) is not None:
            return True
        # A proxy on this machine speaks for someone else, and says so.
        forwarded = {"Forwarded", "X-Forwarded-For", "X-Real-IP"} & set(request.headers)
        return not forwarded and is_loopback(request.remote)

    def _admin(self, key_hash: str) -> Caller | None:
        return ADMIN if hmac.compare_digest(key_hash, self._admin_key_hash) else None

    async def _merchant(self, key_hash: str) -> Caller | None:
        key = self._known(key_hash)
        if key is None and key_hash:
            # It may have been made a moment ago by another process.
            await self._directory.catch_up()
            key = self._known(key_hash)
        return Caller(key_id=key.key_id, merchant_id=key.merchant_id) if key else None

    def _known(self, key_hash: str) -> KeySet | None:
        key = self._directory.key_with_hash(key_hash)
        return key if key and hmac.compare_digest(key.key_hash, key_hash) else None

    async def _refusal(self, request: web.Request, detail: str) -> Problem:
        wait_seconds = await self._cache.take(
            f"failures {request.remote}",
            per_second=self._limits.failures_per_second,
            burst=self._limits.failures_burst,
        )
        if wait_seconds:
            return come_back(429, "too many failed authentications from this address", wait_seconds)
        return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="keshikomi"'})

    async def _count(self, caller: Caller) -> None:
        wait_seconds = await self._cache.take(
            f"calls {caller.key_id}",
            per_second=self._limits.requests_per_second,
            burst=self._limits.requests_burst,
        )
        if wait_seconds:
            raise come_back(429, "too many calls with this key", wait_seconds)


def is_loopback(address: str | None) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False


def _presented(request: web.Request) -> str:
    given = request.headers.get("Authorization", "")[:AUTHORIZATION_CHARACTERS_MAX]
    scheme, _, key = given.partition(" ")
    return hash_key(key.strip()) if scheme.lower() == "bearer" and key.strip() else ""
