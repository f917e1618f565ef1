"""What a call draws its new things from: chance, or its `Idempotency-Key`, so that none is twice.

A call that is repeated makes the same ids and the same secrets again. It finds in the directory
what an earlier try made, though its answer was lost (the process was killed, the cache forgot), and
two processes that work on equal calls at once write the same row.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import orjson

from streams.domain.ids import DIGEST_CHARACTERS

REMEMBERED_SECONDS = 86_400
"""How long an `Idempotency-Key` holds."""
SEED_BYTES = 32


class Made(Protocol):
    """A row that knows since when it is there."""

    @property
    def created_at(self) -> datetime: ...


M = TypeVar("M", bound=Made)


@dataclass(frozen=True, slots=True)
class Seed:
    """256 bits that ids and secrets are derived from; whoever has it knows the secrets."""

    value: bytes

    def __repr__(self) -> str:
        return "Seed(...)"

    def new_id(self, prefix: str) -> str:
        """The id of the new thing of this kind."""
        return f"{prefix}_{self._derived(f'id {prefix}').hex()[:DIGEST_CHARACTERS]}"

    def secret(self, purpose: str) -> bytes:
        """32 bytes that nobody can tell from chance."""
        return self._derived(f"secret {purpose}")

    def _derived(self, purpose: str) -> bytes:
        return hmac.digest(self.value, purpose.encode(), hashlib.sha256)


@dataclass(frozen=True, slots=True)
class Origin:
    """The seeds of a call, and the time at which it came first.

    A seed holds for the calls of one day, so a key means something new after it. An earlier try may
    have come yesterday, which the second seed stands for.
    """

    at: datetime
    seeds: tuple[Seed, ...]

    def find(self, prefix: str, row_of: Callable[[str], M | None]) -> tuple[Seed, M | None]:
        """What an earlier try made, with its seed; else None, and the seed to make it from."""
        for seed in self.seeds:
            row = row_of(seed.new_id(prefix))
            if row is not None and self.at - row.created_at < timedelta(seconds=REMEMBERED_SECONDS):
                return seed, row
        return self.seeds[0], None


def by_chance(at: datetime) -> Origin:
    """The origin of a call without a key: like no other."""
    return Origin(at, (Seed(secrets.token_bytes(SEED_BYTES)),))


def by_key(master: bytes, call: tuple[str, ...], at: datetime) -> Origin:
    """The origin of a call with a key; `call` is all that makes it the same call again.

    The seeds come from the master key, as all that must be told again: who has that one can open
    every sealed secret as well.
    """
    days = (at.date(), at.date() - timedelta(days=1))
    named = (orjson.dumps([*call, day.isoformat()]) for day in days)
    return Origin(at, tuple(Seed(hmac.digest(master, name, hashlib.sha256)) for name in named))
