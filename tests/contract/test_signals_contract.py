"""What every live feed owes those who wait: they hear of it, in whatever process they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from connectors.signals.bells import BellSignals
from connectors.signals.redis import PENDING_MAX, RedisSignals
from streams.hints import Signals
from tests.conftest import Eventually
from tests.real_engines import fresh_name

Make = Callable[[], Signals]
CALL_SECONDS = 30.0


@pytest.fixture(params=["bells", "redis"])
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    """A feed for each process that there would be."""
    opened: list[Signals] = []
    prefix = fresh_name("signals")

    def made() -> Signals:
        if request.param == "bells":
            opened.append(BellSignals(tmp_path / "signals"))
        else:
            url = request.getfixturevalue("redis_server").url
            opened.append(RedisSignals(url, prefix=prefix, call_seconds_max=CALL_SECONDS))
        return opened[-1]

    yield made
    for each in opened:
        await each.close()


class Ear:
    """What was heard in one process."""

    def __init__(self, signals: Signals) -> None:
        self.heard: list[frozenset[str] | None] = []
        self.signals = signals
        signals.listen(self.heard.append)

    def knows_of(self, *subjects: str) -> bool:
        """Whether there is reason to look at all of these."""
        told = self.heard
        return None in told or set(subjects) <= {one for each in told if each for one in each}


async def listening(signals: Signals, eventually: Eventually) -> Ear:
    """An ear that has forgotten what it was told at the beginning."""
    ear = Ear(signals)
    await eventually(lambda: signals.is_live)
    ear.heard.clear()
    return ear


async def test_every_process_hears_what_one_says(make: Make, eventually: Eventually) -> None:
    ears = [await listening(make(), eventually) for _ in range(3)]

    make().publish({"inv_a", "mer_b"})

    await eventually(lambda: all(ear.knows_of("inv_a", "mer_b") for ear in ears))


async def test_who_says_it_hears_it_too(make: Make, eventually: Eventually) -> None:
    ear = await listening(make(), eventually)

    ear.signals.publish(["inv_a"])

    await eventually(lambda: ear.knows_of("inv_a"))


async def test_all_who_listen_in_a_process_hear_it(make: Make, eventually: Eventually) -> None:
    one = await listening(make(), eventually)
    other = Ear(one.signals)

    make().publish(["inv_a"])

    await eventually(lambda: one.knows_of("inv_a") and other.knows_of("inv_a"))


async def test_nothing_is_said_when_nothing_is_new(make: Make, eventually: Eventually) -> None:
    ear = await listening(make(), eventually)
    speaker = make()

    speaker.publish([])
    speaker.publish(["inv_a"])

    await eventually(lambda: ear.knows_of("inv_a"))
    assert len(ear.heard) == 1


async def test_much_at_once_is_heard(make: Make, eventually: Eventually) -> None:
    ear = await listening(make(), eventually)
    speaker = make()
    subjects = [f"inv_{number}" for number in range(PENDING_MAX - 1)]

    for start in range(0, len(subjects), 100):
        speaker.publish(subjects[start : start + 100])
    await eventually(lambda: ear.knows_of(*subjects))
    ear.heard.clear()
    speaker.publish([*subjects, "inv_one", "inv_more"])

    await eventually(lambda: None in ear.heard)


async def test_a_feed_that_nobody_listens_to_is_not_live_and_takes_what_is_said(
    make: Make, eventually: Eventually
) -> None:
    speaker = make()

    speaker.publish(["inv_a"])
    assert not speaker.is_live
    ear = await listening(make(), eventually)
    speaker.publish(["inv_b"])

    await eventually(lambda: ear.knows_of("inv_b"))


async def test_what_is_closed_is_heard_no_more_and_others_go_on(
    make: Make, eventually: Eventually
) -> None:
    gone, here = await listening(make(), eventually), await listening(make(), eventually)
    speaker = make()

    await gone.signals.close()
    speaker.publish(["inv_a"])

    await eventually(lambda: here.knows_of("inv_a"))
    assert gone.heard == []
    assert not gone.signals.is_live
