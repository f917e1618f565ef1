"""What watches a run, or disturbs it, cannot fail in silence."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from loadtests.crediting import faults_of_outage
from loadtests.driving import end_watchers
from loadtests.profiles.reading import read_profile
from tests.unit.test_load_judges import an_arrival


async def fails() -> None:
    raise ConnectionRefusedError("nobody listens")


async def goes_on() -> None:
    await asyncio.Event().wait()


async def test_a_watcher_that_failed_is_a_fault_and_one_that_is_ended_is_none() -> None:
    faults = ["one before"]
    tasks = [asyncio.create_task(each()) for each in (goes_on, fails)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    await end_watchers(tasks, faults)

    assert faults == [
        "one before",
        "what watches or disturbs the run failed: ConnectionRefusedError('nobody listens')",
    ]
    assert tasks[0].cancelled()


def test_an_outage_in_which_no_server_was_away_is_a_fault() -> None:
    outage, steady = read_profile("outage_and_drain"), read_profile("steady")
    away = replace(an_arrival(), status=503)

    assert list(faults_of_outage(outage, [an_arrival(), away])) == []
    assert list(faults_of_outage(steady, [an_arrival()])) == []
    assert list(faults_of_outage(outage, [an_arrival()])) == [
        "no server was away: nothing that came was answered by 503"
    ]
