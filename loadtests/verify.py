"""Decides after a run whether what was told is true: no result counts without it.

Every notice that was answered as accepted must have become exactly its webhooks, validly signed, at
exactly its merchant, with ids that are used once, those of one invoice in their order; each must
say which invoice was paid, how much, and where it stands; the pull feed must hold each of them
once, under the same id in the same words; the list of deliveries must show one for each, delivered;
every refusal must have said when to come again; and the audit of the product must agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from sys import intern
from typing import Any

import orjson

from loadtests.arrivals import Checked, Said, Standing, said_of

FAULTS_SHOWN_MAX = 20
OK = 200

Fact = tuple[str, str]
"""A type of notification, and the payment reference that it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What is kept of an event of the pull feed."""

    event_id: str
    type: str
    reference: str
    said: Said
    at: datetime

    @property
    def fact(self) -> Fact:
        """What it tells."""
        return self.type, self.reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one merchant must hear; `complete` is false where the server never answers.

    What `may` be told is of notices that were sent and whose answer never came: both are right.
    """

    path: str
    secret: str
    told: Mapping[Fact, int]
    """What webhooks must tell, and how many of them."""
    feed: Mapping[Fact, int]
    """What the pull feed must hold."""
    may_be_told: Mapping[Fact, int] = field(default_factory=dict)
    may_be_in_feed: Mapping[Fact, int] = field(default_factory=dict)
    outcomes: Mapping[Fact, Sequence[str]] = field(default_factory=dict)
    """How the notices of a fact must have been settled, in any order."""
    says: Mapping[Fact, Collection[Said]] = field(default_factory=dict)
    """What may be said of a fact, where it is known."""
    ends: Mapping[str, Standing] = field(default_factory=dict)
    """Where invoices must stand in the end, by number, where it is known."""
    complete: bool = True


def facts(types: Iterable[str], references: Iterable[str]) -> dict[Fact, int]:
    """Each of the types once for each of the references."""
    return {(kind, reference): 1 for reference in references for kind in types}


def check_webhooks(
    expected: Expected, arrivals: Sequence[Checked], *, repeats_allowed: bool = False
) -> Iterator[str]:
    """What is wrong with the webhooks that came to one merchant."""
    ids_by_fact: dict[Fact, set[str]] = {}
    said_by_id: dict[str, set[tuple[Fact, bytes]]] = {}
    for arrival in arrivals:
        if not arrival.is_signed:
            yield f"{expected.path}: {arrival.webhook_id} has no valid signature"
        if not arrival.is_fresh:
            yield f"{expected.path}: {arrival.webhook_id} has a timestamp of another time"
        fact = (arrival.type, arrival.reference)
        yield from _check_said(expected, arrival.webhook_id, fact, arrival.said)
        ids_by_fact.setdefault(fact, set()).add(arrival.webhook_id)
        said_by_id.setdefault(arrival.webhook_id, set()).add((fact, arrival.digest))
    for fact, ids in sorted(ids_by_fact.items()):
        most = expected.told.get(fact, 0) + expected.may_be_told.get(fact, 0)
        if not most:
            yield f"{expected.path}: told of {fact}, which was not to be told here"
        elif len(ids) > most:
            yield f"{expected.path}: told of {fact} under {len(ids)} ids, not {most}"
    for webhook_id, said in said_by_id.items():
        if len(said) > 1:
            yield f"{expected.path}: {webhook_id} came with {len(said)} different bodies"
    if expected.complete:
        yield from _check_complete(expected, arrivals, repeats_allowed=repeats_allowed)


def _check_said(expected: Expected, event_id: str, fact: Fact, said: Said) -> Iterator[str]:
    """Whether a notification says something that is not so."""
    if said not in expected.says.get(fact, (said,)):
        yield f"{expected.path}: {event_id} of {fact} says what is not so: {_shown(said)}"


def _shown(said: Said) -> str:
    stands = "no standing" if said.standing is None else "{} {} {}".format(*said.standing)
    return f"{said.outcome}, {said.amount_yen} yen for {said.invoice_number}, {stands}"


def _check_complete(
    expected: Expected, arrivals: Sequence[Checked], *, repeats_allowed: bool
) -> Iterator[str]:
    """What a server that answers was not told, or was told again."""
    served = [arrival for arrival in arrivals if arrival.status == OK]
    facts_by_id = {arrival.webhook_id: (arrival.type, arrival.reference) for arrival in served}
    times = Counter(facts_by_id.values())
    for fact, wanted in sorted(expected.told.items()):
        if not times[fact]:
            yield f"{expected.path}: never told of {fact}"
        elif times[fact] < wanted:
            yield f"{expected.path}: told of {fact} {times[fact]} times, not {wanted}"
    repeats = len(served) - len(facts_by_id)
    if repeats and not repeats_allowed:
        yield f"{expected.path}: {repeats} webhooks came again"


def check_feed(
    expected: Expected, events: Sequence[Event], arrivals: Sequence[Checked]
) -> Iterator[str]:
    """What is wrong with the pull feed of one merchant, against what he should have been told."""
    ids = Counter(event.event_id for event in events)
    for event_id, times in ids.items():
        if times > 1:
            yield f"{expected.path}: the feed has {event_id} {times} times"
    yield from _check_facts(expected, events)
    yield from _check_words(expected, events, arrivals)
    for webhook_id in sorted({arrival.webhook_id for arrival in arrivals} - ids.keys()):
        yield f"{expected.path}: the webhook {webhook_id} is not in the feed"


def _check_words(
    expected: Expected, events: Sequence[Event], arrivals: Iterable[Checked]
) -> Iterator[str]:
    """What the feed says otherwise than it is, than the webhook of the same id, or in the end."""
    told = {each.webhook_id: (each.type, each.reference, each.said) for each in arrivals}
    for event in events:
        yield from _check_said(expected, event.event_id, event.fact, event.said)
        says = (*event.fact, event.said)
        if told.get(event.event_id, says) != says:
            yield f"{expected.path}: the feed says of {event.event_id} what its webhook does not"
    last = {event.said.invoice_number: event.said.standing for event in events}
    for number, standing in sorted(expected.ends.items()):
        if last.get(number, standing) != standing:
            yield f"{expected.path}: {number} stands in the end as {last[number]}, not {standing}"


def _check_facts(expected: Expected, events: Sequence[Event]) -> Iterator[str]:
    """What the feed does not tell, tells in vain, or tells to be settled as it must not be."""
    outcomes: dict[Fact, list[str]] = {}
    for event in events:
        outcomes.setdefault(event.fact, []).append(str(event.said.outcome))
    for fact, wanted in sorted(expected.feed.items()):
        if len(outcomes.get(fact, ())) < wanted:
            yield f"{expected.path}: the feed does not have {fact}, or too few of {wanted}"
    for fact, found in sorted(outcomes.items()):
        most = expected.feed.get(fact, 0) + expected.may_be_in_feed.get(fact, 0)
        right = sorted(expected.outcomes.get(fact, found))
        if not most:
            yield f"{expected.path}: the feed has {fact}, which nobody caused"
        elif len(found) > most:
            yield f"{expected.path}: the feed has {fact} under {len(found)} ids, not {most}"
        elif len(right) == len(found) and right != sorted(found):
            told, meant = ", ".join(sorted(found)), ", ".join(right)
            yield f"{expected.path}: {fact} was settled as {told}, not as {meant}"


def check_turns(
    expected: Expected, arrivals: Iterable[Checked], promised: Iterable[str]
) -> Iterator[str]:
    """The order in which a merchant took his webhooks; where he never does, in which they came."""
    taken = (each for each in arrivals if each.status == OK or not expected.complete)
    arrived = ((each.reference, each.webhook_id) for each in taken)
    yield from check_order(expected.path, arrived, promised)


def check_order(
    path: str, arrived: Iterable[tuple[str, str]], promised: Iterable[str]
) -> Iterator[str]:
    """What came to one endpoint before something of the same invoice that is older.

    `arrived` are invoice and id of each webhook in the order in which they came, where only the
    first arrival of an id counts; `promised` are the ids in the order of the pull feed.
    """
    places = {webhook_id: place for place, webhook_id in enumerate(promised)}
    newest: dict[str, str] = {}
    seen: set[str] = set()
    for invoice, webhook_id in arrived:
        if webhook_id in seen or webhook_id not in places:
            continue
        seen.add(webhook_id)
        before = newest.setdefault(invoice, webhook_id)
        if places[webhook_id] < places[before]:
            yield f"{path}: {webhook_id} of {invoice} came after {before}, which is newer"
        else:
            newest[invoice] = webhook_id


def check_deliveries(
    path: str,
    endpoint_id: str,
    wanted: AbstractSet[str],
    listed: Sequence[Mapping[str, Any]],
    *,
    complete: bool = True,
) -> Iterator[str]:
    """What is wrong with a list of the deliveries to one endpoint, which wants these events.

    Each has one delivery; where the list should be `complete` an attempt has delivered it.
    """
    times = Counter(str(row["event_id"]) for row in listed)
    for event_id in sorted(wanted - times.keys()):
        yield f"{path}: no delivery of {event_id} is listed"
    for event_id in sorted(times.keys() - wanted):
        yield f"{path}: a delivery of {event_id} is listed, which was not to be told here"
    for event_id, many in times.items():
        if many > 1:
            yield f"{path}: {many} deliveries of {event_id} are listed"
    for row in listed:
        if row["endpoint_id"] != endpoint_id:
            yield f"{path}: the delivery {row['id']} is of another endpoint"
        if complete and not _is_delivered(row):
            status, attempts = row["status"], len(row["attempts"])
            yield f"{path}: the delivery {row['id']} is {status}, attempts: {attempts}"


def _is_delivered(row: Mapping[str, Any]) -> bool:
    """Whether a delivery says so and has an attempt that was answered by success."""
    codes = [attempt["status_code"] or 0 for attempt in row["attempts"]]
    return row["status"] == "delivered" and any(200 <= code < 300 for code in codes)  # noqa: PLR2004  # success in HTTP


def check_refusals(curt: int) -> Iterator[str]:
    """What is wrong with the answers 503, of which so many did not say when to come again."""
    if curt:
        yield f"{curt} answers 503 had no Retry-After"


def event_of(row: Mapping[str, Any]) -> Event:
    """What is kept of an event as the pull feed gives it."""
    data = row["payload"]["data"] or {}
    return Event(
        event_id=str(row["id"]),
        type=intern(str(row.get("type"))),
        reference=str((data.get("payment") or {}).get("reference")),
        said=said_of(data),
        at=datetime.fromisoformat(row["payload"]["timestamp"]),
    )


def check_audit(audit: Mapping[str, object], accepted: int, *, uncertain: int = 0) -> Iterator[str]:
    """What the product's own audit says against it, or against what was counted outside."""
    if audit.get("exit_status") != 0:
        yield f"the audit does not agree: {orjson.dumps(audit).decode()[:500]}"
    counts = audit.get("counts")
    found = counts.get("accepted") if isinstance(counts, Mapping) else None
    if not isinstance(found, int) or not accepted <= found <= accepted + uncertain:
        yield f"the audit counts {found} accepted notices, the channels {accepted}"


def verdict(faults: Sequence[str], *, truth: str) -> list[str]:
    """The last lines of a report: what is true, or what is not."""
    if not faults:
        return [f"TRUE: {truth}"]
    return [f"{len(faults)} FAULTS:", *(f"  {fault}" for fault in shown(faults))]


def shown(faults: Sequence[str]) -> list[str]:
    """The first faults, and how many more there are."""
    more = len(faults) - FAULTS_SHOWN_MAX
    return [*faults[:FAULTS_SHOWN_MAX], *([f"... and {more} more"] if more > 0 else [])]
