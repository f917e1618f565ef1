"""A load says what was refused in it, and who did not get what he waited for or wanted to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from loadtests.arrivals import NOTHING, Checked
from loadtests.crediting import faults_of_answers, faults_of_readers, faults_of_shops
from loadtests.results import Result
from loadtests.truth import faults
from loadtests.verify import Event
from loadtests.world import World
from tests.unit.test_load_crediting import (
    ALL_WELL,
    NOW,
    REGISTERED,
    SCHEDULE,
    WAITED,
    a_house,
    a_result,
)

# --- what was answered


def test_what_was_refused_and_taken_in_the_end_is_no_fault() -> None:
    refused = [
        a_result(number=place, status=status, is_good=False)
        for place, status in enumerate((503, 200, 0))
    ]

    assert list(faults_of_answers(SCHEDULE, [*ALL_WELL, *refused])) == []


@pytest.mark.parametrize(
    ("changed", "faults"),
    [
        ({3: 500}, ["notice: 1 were answered 500", "1 of 3 notices were never taken"]),
        ({4: 503}, ["1 of 3 notices were never taken"]),
        ({3: 200}, ["1 of 3 notices were never taken"]),
        ({0: 500}, ["invoice: 1 were answered 500", "1 of 1 invoices were never registered"]),
        ({0: 200}, ["invoice: 1 were answered 200", "1 of 1 invoices were never registered"]),
        (
            {2: 503, 3: 429, 4: 0},
            ["3 of 3 notices were never taken", "no notice of generic was ever taken"],
        ),
    ],
)
def test_what_was_refused_for_ever_or_without_a_way_on_is_named(
    changed: dict[int, int], faults: list[str]
) -> None:
    results = [
        replace(each, status=changed[place], is_good=False) if place in changed else each
        for place, each in enumerate(ALL_WELL)
    ]

    assert list(faults_of_answers(SCHEDULE, results)) == faults


class Nobody:
    """A world in which nobody was to be told anything."""

    def __init__(self, untaken: int) -> None:
        self.untaken = untaken
        self.client = SimpleNamespace(curt=0)
        self.product = self
        self.arrivals: list[Checked] = []

    async def quiet(self) -> None: ...

    async def new_arrivals(self) -> None: ...

    async def audit(self) -> Mapping[str, Any]:
        return {"exit_status": 0, "counts": {"accepted": 0}}


async def test_notices_that_were_never_taken_are_a_fault_unless_capacity_is_looked_for() -> None:
    some, none = cast("World", Nobody(3)), cast("World", Nobody(0))

    assert await faults(some, []) == ["3 notices were never taken"]
    assert await faults(some, [], refusals_allowed=True) == await faults(none, []) == []


# --- who waited and read


def test_a_shop_that_waited_in_vain_is_named() -> None:
    in_vain = replace(WAITED, is_good=False)
    refused = [a_result(number=place, status=503, is_good=False) for place in range(3)]

    def found(results: list[Result]) -> list[str]:
        return list(faults_of_shops({0: a_house(results)}, SCHEDULE, results))

    def not_waited(results: list[Result]) -> list[str]:
        return found([each for each in results if each.what != "wait"])

    assert found(ALL_WELL) == []
    assert not_waited(ALL_WELL) == ["no shop waited for payment 0, whose invoice was registered"]
    assert not_waited([replace(REGISTERED, status=503, is_good=False), a_result()]) == []
    assert found([REGISTERED, in_vain, a_result()]) == ["a shop waited in vain for payment 0: 200"]
    assert found([REGISTERED, in_vain, *refused]) == []


def test_a_reader_who_was_given_other_events_is_named() -> None:
    house = a_house(ALL_WELL)
    house.events = [
        Event(event_id=each, type="any", reference="R", said=NOTHING, at=NOW)
        for each in ("evt_1", "evt_2")
    ]

    def found(*ids: str) -> list[str]:
        return list(faults_of_readers({0: house}, [a_result("read", ids=ids)]))

    assert found("evt_1") == found("evt_1", "evt_2") == []
    for wrong in (["evt_2"], ["evt_1", "evt_1"], ["evt_1", "evt_3"]):
        assert len(found(*wrong)) == 1


def test_a_reader_who_was_refused_or_never_read_is_named() -> None:
    house = a_house(ALL_WELL)
    house.is_read = True

    def found(*reads: Result) -> list[str]:
        return list(faults_of_readers({0: house}, reads))

    read = a_result("read", status=200)
    assert found(read) == []
    assert found() == ["/ok/0: nobody read the feed"]
    assert found(read, replace(read, status=500, is_good=False), read) == [
        "/ok/0: a reader of the feed was answered 500"
    ]
