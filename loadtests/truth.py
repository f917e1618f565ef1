"""Collects what the receiver, the feeds, the lists and the audit say after a run; has it judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
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
    check_order,
    check_refusals,
    check_webhooks,
    event_of,
)
from loadtests.world import World

PAGE = 250
AT_ONCE = 8
"""Merchants who are asked for at the same time."""
ENDED_SECONDS_MAX = 30.0
"""A delivery that was cut off by an end of its worker is made again within this time."""

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
    await world.new_arrivals()
    by_path: dict[str, list[Checked]] = {}
    for arrival in world.arrivals:
        by_path.setdefault(arrival.path, []).append(arrival)
    found = list(check_refusals(world.client.curt))
    if world.untaken and not refusals_allowed:
        found.append(f"{world.untaken} notices were never taken")
    parties = world.merchants if parties is None else parties
    of_each: dict[str, list[str]] = {}

    async def judge(some: Sequence[Party]) -> None:
        for merchant in some:
            arrivals = by_path.pop(merchant.path, [])
            of_each[merchant.path] = [
                *check_webhooks(merchant.expected(), arrivals, repeats_allowed=repeats_allowed),
                *await _faults_of_lists(world, merchant, arrivals),
            ]
            if is_last and not merchant.is_read:
                merchant.events = []

    await asyncio.gather(*(judge(parties[lane::AT_ONCE]) for lane in range(AT_ONCE)))
    found += [fault for merchant in parties for fault in of_each[merchant.path]]
    found += [f"{path}: no merchant has this server" for path in by_path]
    accepted = sum(merchant.notices[0] for merchant in parties)
    uncertain = sum(merchant.notices[1] for merchant in parties)
    found += check_audit(await world.product.audit(), accepted, uncertain=uncertain)
    return found


async def _faults_of_lists(world: World, merchant: Party, arrivals: Sequence[Checked]) -> list[str]:
    """What the feed and the list of deliveries say that is not so; each is read on from before."""
    expected = merchant.expected()
    new = await new_events(world, merchant)
    merchant.events += new
    arrived = [(arrival.reference, arrival.webhook_id) for arrival in arrivals]
    found = list(check_feed(expected, merchant.events, arrivals))
    found += check_order(merchant.path, arrived, [event.event_id for event in merchant.events])
    if new:
        since = min(event.at for event in new)
        wanted = {
            event.event_id
            for event in merchant.events
            if event.at >= since
            and (event.fact in expected.told or event.fact in expected.may_be_told)
        }
        listed = await deliveries(world, merchant, since)
        _note_times(merchant, listed)
        found += check_deliveries(
            merchant.path, merchant.endpoint_id, wanted, listed, complete=expected.complete
        )
    return found


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
