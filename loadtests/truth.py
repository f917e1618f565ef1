"""Collects what the receiver, the feeds, the lists and the audit say after a run; has it judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from loadtests.load import POLL_SECONDS
from loadtests.merchants import Party
from loadtests.verify import (
    Arrival,
    check_audit,
    check_deliveries,
    check_feed,
    check_order,
    check_refusals,
    check_webhooks,
    fact_of,
)
from loadtests.world import World

PAGE = 250
ENDED_SECONDS_MAX = 30.0
"""A delivery that was cut off by an end of its worker is made again within this time."""

Row = dict[str, Any]


async def faults(
    world: World, parties: Sequence[Party] | None = None, *, repeats_allowed: bool = False
) -> list[str]:
    """Everything that is not as it must be after all loads so far.

    `parties` are all who were to be told, if they are not the world's own merchants. With
    `repeats_allowed` a webhook may have come again, as after a crash: under its one id.
    """
    await world.quiet()
    world.arrivals += await world.receiver.new_arrivals(len(world.arrivals))
    by_path: dict[str, list[Arrival]] = {}
    for arrival in world.arrivals:
        by_path.setdefault(arrival.path, []).append(arrival)
    found = list(check_refusals(world.client.curt))
    parties = world.merchants if parties is None else parties
    for merchant in parties:
        arrivals = by_path.pop(merchant.path, [])
        found += check_webhooks(merchant.expected(), arrivals, repeats_allowed=repeats_allowed)
        found += await _faults_of_lists(world, merchant, arrivals)
    found += [f"{path}: no merchant has this server" for path in by_path]
    accepted = sum(merchant.notices[0] for merchant in parties)
    uncertain = sum(merchant.notices[1] for merchant in parties)
    found += check_audit(await world.product.audit(), accepted, uncertain=uncertain)
    return found


async def _faults_of_lists(world: World, merchant: Party, arrivals: Sequence[Arrival]) -> list[str]:
    """What the feed and the list of deliveries say that is not so; each is read on from before."""
    expected = merchant.expected()
    new = await new_events(world, merchant)
    merchant.events += new
    arrived = [(arrival.reference, arrival.webhook_id) for arrival in arrivals]
    found = list(check_feed(expected, merchant.events, arrivals))
    found += check_order(merchant.path, arrived, [event["id"] for event in merchant.events])
    if new:
        since = min(map(_told_at, new))
        told = expected.told | expected.may_be_told
        wanted = {
            str(event["id"])
            for event in merchant.events
            if fact_of(event) in told and _told_at(event) >= since
        }
        listed = await deliveries(world, merchant, since)
        _note_times(merchant, listed)
        found += check_deliveries(
            merchant.path, merchant.endpoint_id, wanted, listed, complete=expected.complete
        )
    return found


def _note_times(merchant: Party, listed: Iterable[Row]) -> None:
    for row in listed:
        event_id = str(row["event_id"])
        merchant.made_at[event_id] = datetime.fromisoformat(row["created_at"])
        if row["attempts"]:
            first = row["attempts"][0]["at"]
            merchant.first_attempts[event_id] = datetime.fromisoformat(first)


def _told_at(event: Row) -> datetime:
    return datetime.fromisoformat(event["payload"]["timestamp"])


async def new_events(world: World, merchant: Party) -> list[Row]:
    """What a merchant's pull feed has beyond what was read of it; moves his cursor."""
    events: list[Row] = []
    while True:
        page = await _page(world, merchant, "/v1/events", merchant.cursor)
        events += page["data"]
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
        listed += recent
        after = page["next"]
        if len(recent) < len(page["data"]) or not after:
            return listed


async def _page(world: World, merchant: Party, path: str, after: str) -> Row:
    cursor = f"&after={quote(after)}" if after else ""
    return await world.patient_call(f"{path}?limit={PAGE}{cursor}", merchant.api_key)
