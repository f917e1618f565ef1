"""Collects what the receiver, the feeds, the lists and the audit say after a run; has it judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any
from urllib.parse import quote

from loadtests.arrivals import Checked
from loadtests.load import POLL_SECONDS
from loadtests.merchants import Party
from loadtests.verify import (
    Event,
    check_audit,
    check_deliveries,
    check_feed,
    check_refusals,
    check_turns,
    check_webhooks,
    event_of,
)
from loadtests.world import World

PAGE = 250
AT_ONCE = 8
"""Merchants who are asked for at the same time."""
ENDED_SECONDS_MAX = 90.0
"""A delivery that was cut off by an end of its worker is made again within this time, and one that
failed while its server was away: the steps of a load are a minute at most."""

Row = dict[str, Any]


async def faults(
    world: World,
    parties: Sequence[Party] | None = None,
    *,
    repeats_allowed: bool = False,
    refusals_allowed: bool = False,
    is_last: bool = False,
) -> list[str]:
    """Everything that is not as it must be after all loads so far.

    `parties` are all who were to be told, if they are not the world's own merchants. With
    `repeats_allowed` a webhook may have come again, as after a crash: under its one id. With
    `refusals_allowed` notices need not have been taken, as where the end of capacity is looked for.
    With `is_last` no load follows, and the feeds are forgotten once they were judged.
    """
    await world.quiet()
    arrivals = _Arrivals(world)
    parties = world.merchants if parties is None else parties
    of_each: dict[str, list[str]] = {}

    async def judge(some: Sequence[Party]) -> None:
        for merchant in some:
            of_each[merchant.path] = [
                *await _faults_of_lists(world, merchant),
                *_faults_of_told(
                    merchant,
                    await arrivals.at(merchant.path),
                    repeats_allowed=repeats_allowed,
                ),
            ]
            if is_last and not merchant.is_read:
                merchant.events = []

    await asyncio.gather(*(judge(parties[lane::AT_ONCE]) for lane in range(AT_ONCE)))
    found = [fault for merchant in parties for fault in of_each[merchant.path]]
    strange = await arrivals.paths() - of_each.keys()
    found += [f"{path}: no merchant has this server" for path in sorted(strange)]
    if world.untaken and not refusals_allowed:
        found.append(f"{world.untaken} notices were never taken")
    return [*check_refusals(world.client.curt), *found, *await _faults_of_audit(world, parties)]


async def _faults_of_audit(world: World, parties: Sequence[Party]) -> Iterator[str]:
    accepted = sum(merchant.notices[0] for merchant in parties)
    uncertain = sum(merchant.notices[1] for merchant in parties)
    return check_audit(await world.product.audit(), accepted, uncertain=uncertain)


class _Arrivals:
    """What came, by path, up to the moment of the question."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._by_path: dict[str, list[Checked]] = {}
        self._sorted = 0

    async def at(self, path: str) -> Sequence[Checked]:
        return self._by_path[path] if path in await self.paths() else []

    async def paths(self) -> AbstractSet[str]:
        await self._world.new_arrivals()
        for arrival in self._world.arrivals[self._sorted :]:
            self._by_path.setdefault(arrival.path, []).append(arrival)
        self._sorted = len(self._world.arrivals)
        return self._by_path.keys()


async def _faults_of_lists(world: World, merchant: Party) -> list[str]:
    """Read the feed on, and say what is wrong with the deliveries of what is new in it.

    Returns once they have ended: nothing more of it comes to a server that answers.
    """
    new = await new_events(world, merchant)
    merchant.events += new
    if not new:
        return []
    expected, since = merchant.expected(), min(event.at for event in new)
    wanted = {
        event.event_id
        for event in merchant.events
        if event.at >= since and (event.fact in expected.told or event.fact in expected.may_be_told)
    }
    listed = await deliveries(world, merchant, since)
    _note_times(merchant, listed)
    return [
        *check_deliveries(
            merchant.path, merchant.endpoint_id, wanted, listed, complete=expected.complete
        )
    ]


def _faults_of_told(
    merchant: Party, arrivals: Sequence[Checked], *, repeats_allowed: bool
) -> Iterator[str]:
    """What is wrong with the webhooks and with the feed that was read."""
    expected = merchant.expected()
    yield from check_webhooks(expected, arrivals, repeats_allowed=repeats_allowed)
    yield from check_feed(expected, merchant.events, arrivals)
    yield from check_turns(expected, arrivals, [event.event_id for event in merchant.events])


def _note_times(merchant: Party, listed: Iterable[Row]) -> None:
    for row in listed:
        if row["attempts"]:
            first = datetime.fromisoformat(row["attempts"][0]["at"])
            merchant.first_attempts[str(row["event_id"])] = first.timestamp() * 1_000


async def new_events(world: World, merchant: Party) -> list[Event]:
    """What a merchant's pull feed has beyond what was read of it; moves his cursor."""
    events: list[Event] = []
    while True:
        page = await _page(world, merchant, "/v1/events", merchant.cursor)
        events += map(event_of, page["data"])
        merchant.cursor = page["next"] or merchant.cursor
        if not page["data"]:
            return events


async def deliveries(world: World, merchant: Party, since: datetime) -> list[Row]:
    """A merchant's deliveries from this time on, once all have ended or a time has passed."""
    begun = time.perf_counter()
    while True:
        listed = await _listed(world, merchant, since)
        have_ended = all(row["status"] in {"delivered", "failed"} for row in listed)
        is_late = time.perf_counter() - begun > ENDED_SECONDS_MAX
        if have_ended or is_late or merchant.is_dead:
            return listed
        await asyncio.sleep(POLL_SECONDS)


async def _listed(world: World, merchant: Party, since: datetime) -> list[Row]:
    """The list is newest first, and is left where it comes to what is older."""
    listed: list[Row] = []
    after = ""
    while True:
        page = await _page(world, merchant, "/v1/deliveries", after)
        recent = [row for row in page["data"] if datetime.fromisoformat(row["created_at"]) >= since]
        listed += map(_kept, recent)
        after = page["next"]
        if len(recent) < len(page["data"]) or not after:
            return listed


def _kept(row: Row) -> Row:
    """What is judged of a row: a tenth of it."""
    attempts = [{name: each[name] for name in ("at", "status_code")} for each in row["attempts"]]
    names = ("id", "event_id", "endpoint_id", "status")
    return {name: row[name] for name in names} | {"attempts": attempts}


async def _page(world: World, merchant: Party, path: str, after: str) -> Row:
    cursor = f"&after={quote(after)}" if after else ""
    return await world.patient_call(f"{path}?limit={PAGE}{cursor}", merchant.api_key)
