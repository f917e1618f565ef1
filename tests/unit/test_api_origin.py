"""What is drawn from an `Idempotency-Key`: the same again for a day, and nothing that tells it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from api.origin import Origin, by_chance, by_key
from tests.builders import NOW

CALL = ("mer_1", "POST /v1/endpoints", "key", "digest")
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass
class Row:
    created_at: datetime


def origin(at: datetime = NOW, *, master: bytes = b"m" * 32, **changes: str) -> Origin:
    named = dict(zip(("owner", "scope", "key", "digest"), CALL, strict=True))
    return by_key(master, tuple({**named, **changes}.values()), at)


def test_the_same_call_draws_the_same_and_any_other_another() -> None:
    seeds = [
        origin().seeds[0],
        origin(owner="mer_2").seeds[0],
        origin(scope="POST /v1/merchants").seeds[0],
        origin(key="other").seeds[0],
        origin(digest="other").seeds[0],
        origin(owner="mer_1 POST", scope="/v1/endpoints").seeds[0],
        origin(master=b"n" * 32).seeds[0],
        by_chance(NOW).seeds[0],
        by_chance(NOW).seeds[0],
    ]

    assert origin().seeds == origin().seeds
    assert len(set(seeds)) == len(seeds)


def test_ids_and_secrets_of_a_seed_tell_nothing_of_each_other() -> None:
    seed = origin().seeds[0]

    drawn = {seed.new_id("a")[2:], seed.new_id("b")[2:], seed.secret("a").hex()[:32]}

    assert len(drawn) == 3
    assert re.fullmatch(r"mer_[0-9a-f]{32}", seed.new_id("mer"))
    assert len(seed.secret("a")) == 32
    assert seed.value.hex() not in repr(seed)


@pytest.mark.parametrize(
    ("made_at", "hours", "is_found"),
    [
        (MIDNIGHT, 0, True),
        (MIDNIGHT, 23.9, True),
        (MIDNIGHT, 24, False),
        (MIDNIGHT + timedelta(hours=23), 23.9, True),
        (MIDNIGHT + timedelta(hours=23), 24, False),
        (MIDNIGHT + timedelta(hours=23), 48, False),
    ],
)
def test_what_was_made_is_found_for_a_day(
    made_at: datetime, hours: float, *, is_found: bool
) -> None:
    first, _ = origin(made_at).find("ep", lambda _: None)
    rows = {first.new_id("ep"): Row(made_at)}

    seed, found = origin(made_at + timedelta(hours=hours)).find("ep", rows.get)

    assert found == (rows[first.new_id("ep")] if is_found else None)
    assert (seed == first) is is_found
