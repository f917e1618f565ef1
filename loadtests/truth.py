"""Collects what the receiver, the pull feeds and the audit say after a run, and has it judged."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from loadtests.merchants import Merchant
from loadtests.verify import Arrival, check_audit, check_feed, check_webhooks
from loadtests.world import World

PAGE = 250


async def faults(world: World, *, repeats_allowed: bool = False) -> list[str]:
    """Everything that is not as it must be after all loads so far.

    With `repeats_allowed` a webhook may have come again, as after a crash: under its one id.
    """
    await world.quiet()
    world.arrivals += await world.new_arrivals(len(world.arrivals))
    by_path: dict[str, list[Arrival]] = {}
    for arrival in world.arrivals:
        by_path.setdefault(arrival.path, []).append(arrival)
    found: list[str] = []
    for merchant in world.merchants:
        expected = merchant.expected()
        arrivals = by_path.pop(merchant.path, [])
        found += check_webhooks(expected, arrivals, repeats_allowed=repeats_allowed)
        found += check_feed(expected, await feed(world, merchant), arrivals)
    found += [f"{path}: no merchant has this server" for path in by_path]
    accepted = sum(len(merchant.accepted) for merchant in world.merchants)
    uncertain = sum(len(merchant.uncertain) for merchant in world.merchants)
    found += check_audit(await world.product.audit(), accepted, uncertain=uncertain)
    return found


async def feed(world: World, merchant: Merchant) -> list[dict[str, Any]]:
    """All of a merchant's pull feed."""
    events: list[dict[str, Any]] = []
    after = ""
    while True:
        cursor = f"&after={quote(after)}" if after else ""
        page = await world.patient_call(f"/v1/events?limit={PAGE}{cursor}", merchant.api_key)
        events += page["data"]
        if not page["data"] or not page["next"]:
            return events
        after = page["next"]
