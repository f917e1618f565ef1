"""Decides after a run whether what was told is true: no result counts without it.

Every notice that was answered as accepted must have become exactly its webhooks, validly signed, at
exactly its merchant, with ids that are used once, those of one invoice in their order; the pull
feed must hold each of them once, under the same ids; the list of deliveries must show one for each,
delivered; every refusal must have said when to come again; and the audit of the product must agree.
"""

from __future__ import annotations

import base64
import hmac
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import orjson

FAULTS_SHOWN_MAX = 20
OK = 200

Fact = tuple[str, str]
"""A type of notification, and the payment reference that it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A webhook as the receiver saw it."""

    path: str
    at_ns: int
    webhook_id: str
    timestamp: str
    signature: str
    body: str
    type: str
    reference: str
    stages: Mapping[str, str | None]
    status: int = 200
    """What it was answered; 0 is nothing at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one merchant must hear; `complete` is false where the server never answers.

    What `may` be told is of notices that were sent and whose answer never came: both are right.
    """

    path: str
    secret: str
    told: frozenset[Fact]
    """What webhooks must tell."""
    feed: frozenset[Fact]
    """What the pull feed must hold."""
    may_be_told: frozenset[Fact] = frozenset()
    may_be_in_feed: frozenset[Fact] = frozenset()
    outcomes: Mapping[Fact, str] = field(default_factory=dict)
    """How the notice of a fact must have been settled."""
    complete: bool = True


def facts(types: Iterable[str], references: Iterable[str]) -> frozenset[Fact]:
    """Each of the types for each of the references."""
    return frozenset((kind, reference) for reference in references for kind in types)


def read_dump(lines: bytes) -> list[Arrival]:
    """The receiver's dump as arrivals, in the order in which they came."""
    return [_arrival(orjson.loads(line)) for line in lines.splitlines()]


def _arrival(line: dict[str, object]) -> Arrival:
    body = str(line["body"])
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = {}
    data = said.get("data") or {}
    return Arrival(
        path=str(line["path"]),
        at_ns=int(str(line["ns"])),
        webhook_id=str(line["webhook-id"]),
        timestamp=str(line["webhook-timestamp"]),
        signature=str(line["webhook-signature"]),
        body=body,
        type=str(said.get("type")),
        reference=str((data.get("payment") or {}).get("reference")),
        stages=data.get("stages") or {},
        status=int(str(line["status"])),
    )


def is_signed(arrival: Arrival, secret: str) -> bool:
    """Whether one of the signatures fits, by the rules of Standard Webhooks 1.0.0."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{arrival.webhook_id}.{arrival.timestamp}.{arrival.body}".encode()
    right = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return any(hmac.compare_digest(right, given) for given in arrival.signature.split())


def check_webhooks(  # noqa: C901  # a list of checks, one after the other
    expected: Expected, arrivals: Sequence[Arrival], *, repeats_allowed: bool = False
) -> Iterator[str]:
    """What is wrong with the webhooks that came to one merchant."""
    ids_by_fact: dict[tuple[str, str], set[str]] = {}
    facts_by_id: dict[str, set[tuple[str, str]]] = {}
    bodies_by_id: dict[str, set[str]] = {}
    for arrival in arrivals:
        if not is_signed(arrival, expected.secret):
            yield f"{expected.path}: {arrival.webhook_id} has no valid signature"
        fact = (arrival.type, arrival.reference)
        ids_by_fact.setdefault(fact, set()).add(arrival.webhook_id)
        facts_by_id.setdefault(arrival.webhook_id, set()).add(fact)
        bodies_by_id.setdefault(arrival.webhook_id, set()).add(arrival.body)
    for fact in sorted(ids_by_fact.keys() - expected.told - expected.may_be_told):
        yield f"{expected.path}: told of {fact}, which was not to be told here"
    for fact, ids in ids_by_fact.items():
        if len(ids) > 1:
            yield f"{expected.path}: told of {fact} under {len(ids)} ids"
    for webhook_id, facts in facts_by_id.items():
        if len(facts) > 1:
            yield f"{expected.path}: {webhook_id} names {len(facts)} different things"
    for webhook_id, bodies in bodies_by_id.items():
        if len(bodies) > 1:
            yield f"{expected.path}: {webhook_id} came with {len(bodies)} different bodies"
    if expected.complete:
        served = [arrival for arrival in arrivals if arrival.status == OK]
        told = {(arrival.type, arrival.reference) for arrival in served}
        for fact in sorted(expected.told - told):
            yield f"{expected.path}: never told of {fact}"
        repeats = len(served) - len({arrival.webhook_id for arrival in served})
        if repeats and not repeats_allowed:
            yield f"{expected.path}: {repeats} webhooks came again"


def check_feed(
    expected: Expected, events: Sequence[Mapping[str, object]], arrivals: Iterable[Arrival]
) -> Iterator[str]:
    """What is wrong with the pull feed of one merchant, against what he should have been told."""
    ids = Counter(str(event["id"]) for event in events)
    for event_id, times in ids.items():
        if times > 1:
            yield f"{expected.path}: the feed has {event_id} {times} times"
    times_told = Counter(fact_of(event) for event in events)
    for fact in sorted(expected.feed - times_told.keys()):
        yield f"{expected.path}: the feed does not have {fact}"
    for fact in sorted(times_told.keys() - expected.feed - expected.may_be_in_feed):
        yield f"{expected.path}: the feed has {fact}, which nobody caused"
    for fact, times in times_told.items():
        if times > 1:
            yield f"{expected.path}: the feed has {fact} under {times} ids"
    yield from _check_outcomes(expected, events)
    for webhook_id in sorted({arrival.webhook_id for arrival in arrivals} - ids.keys()):
        yield f"{expected.path}: the webhook {webhook_id} is not in the feed"


def _check_outcomes(expected: Expected, events: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """Which notices were not settled as they must be."""
    for event in events:
        fact = fact_of(event)
        wanted, found = expected.outcomes.get(fact), _part(event, "settlement").get("outcome")
        if wanted is not None and found != wanted:
            yield f"{expected.path}: {fact} was settled as {found}, not as {wanted}"


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


def fact_of(event: Mapping[str, object]) -> Fact:
    """What an event of the feed tells: its type and the reference that was paid."""
    return str(event.get("type")), str(_part(event, "payment").get("reference"))


def _part(event: Mapping[str, object], name: str) -> Mapping[str, object]:
    """A part of what an event of the feed says, empty if it has none."""
    payload = event.get("payload")
    data = payload.get("data") if isinstance(payload, Mapping) else None
    part = data.get(name) if isinstance(data, Mapping) else None
    return part if isinstance(part, Mapping) else {}


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
