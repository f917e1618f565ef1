"""Storing projections: every row with the timestamp that makes repeats and any order harmless."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from cassandra.query import UNSET_VALUE  # type: ignore[import-untyped]  # no type hints

from connectors.history.cassandra import times
from connectors.history.cassandra.acknowledgements import (
    acknowledgement_removals,
    acknowledgement_writes,
)
from connectors.history.cassandra.feed import feed_writes
from connectors.history.cassandra.grouping import by_partition
from connectors.history.cassandra.known import Delivery, standings
from connectors.history.cassandra.lookups import archived_write
from connectors.history.cassandra.replays import replay_removals, replay_writes
from connectors.history.cassandra.sequences import sequence_writes
from connectors.history.cassandra.session import Request, Session
from connectors.history.projecting import project
from connectors.history.rows import Row, Rows
from connectors.history.sql import micros
from streams.ports import Archived

STRETCHES_REMEMBERED_MAX = 50_000

_NOTICE = (
    "INSERT INTO notices (notice_id, merchant_id, state, heard, received_us, changed_us)"
    " VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
)
_RAW_NOTICE = "INSERT INTO raw_notices (notice_id, message) VALUES (?, ?) USING TIMESTAMP ?"
_HELD_NOTICE = "INSERT INTO held_notices (notice_id, message) VALUES (?, ?) USING TIMESTAMP ?"
_WAITING = (
    "INSERT INTO waiting_by_day (merchant_id, day, received_us, notice_id)"
    " VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
)
_SETTLEMENT = (
    "INSERT INTO settlements (notice_id, invoice_id, outcome, decided_us, settlement)"
    " VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?"
)
_REPEAT = (
    "INSERT INTO repeats (notice_id, partition, offset, at_us) VALUES (?, ?, ?, ?)"
    " USING TIMESTAMP ?"
)
_COMMAND = "INSERT INTO commands (request_id, refused, at_us) VALUES (?, ?, ?) USING TIMESTAMP ?"
_DELIVERY = (
    "INSERT INTO deliveries (delivery_id, merchant_id, endpoint_id, event_id, event_type,"
    " created_us, started, status, standing, round, next_attempt_us, changed_us, sequence)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
)
_DELIVERY_BY_DAY = (
    "INSERT INTO deliveries_by_day (merchant_id, day, created_us, delivery_id, endpoint_id, status)"
    " VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
)
_DELIVERY_BY_EVENT = (
    "INSERT INTO deliveries_by_event (merchant_id, event_id, created_us, delivery_id)"
    " VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
)
_ATTEMPT = (
    "INSERT INTO attempts (delivery_id, round, number, message) VALUES (?, ?, ?, ?)"
    " USING TIMESTAMP ?"
)
_QUARANTINED = (
    "INSERT INTO quarantine (quarantine_id, notice_id, at_us, message) VALUES (?, ?, ?, ?)"
    " USING TIMESTAMP ?"
)
_QUARANTINED_BY_DAY = (
    "INSERT INTO quarantine_by_day (day, at_us, quarantine_id) VALUES (?, ?, ?) USING TIMESTAMP ?"
)
_INVOICE = (
    "INSERT INTO invoices (invoice_id, merchant_id, version, status, shown)"
    " VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?"
)
_INVOICE_CREATED = "INSERT INTO invoices (invoice_id, created_us) VALUES (?, ?) USING TIMESTAMP ?"
_INVOICE_BY_DAY = (
    "INSERT INTO invoices_by_day (merchant_id, day, created_us, invoice_id, status)"
    " VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?"
)
_STRETCH = "INSERT INTO stretches (owner, list, stretch) VALUES (?, ?, ?) USING TIMESTAMP 0"
_FEED_END = "INSERT INTO feed_ends (merchant_id, position) VALUES (?, ?) USING TIMESTAMP ?"


class Stretches:
    """Which parts of which lists have anything in them; those written lately are remembered."""

    def __init__(self) -> None:
        self._written: OrderedDict[tuple[str, str, int], None] = OrderedDict()

    def missing(self, wanted: set[tuple[str, str, int]]) -> list[Request]:
        """The writes for those that this process has not written yet."""
        return [(_STRETCH, each) for each in sorted(wanted - self._written.keys())]

    def written(self, wanted: set[tuple[str, str, int]]) -> None:
        """Remember them, once they are durable."""
        self._written.update(dict.fromkeys(wanted))
        while len(self._written) > STRETCHES_REMEMBERED_MAX:
            self._written.popitem(last=False)


async def store(session: Session, stretches: Stretches, batch: Sequence[Archived]) -> None:
    """Store a batch: first all rows, then the ends of feeds, then how far the log is archived.

    A crash in between leaves rows that the same batch, which then comes again, writes again;
    until then no feed shows them.
    """
    each = [(archived, project([archived])) for archived in batch]
    events = [row for _, rows in each for row in rows.events]
    deliveries = await standings(session, [row for _, rows in each for row in rows.deliveries])
    writes: list[Request] = []
    wanted: set[tuple[str, str, int]] = set()
    for archived, rows in each:
        writes += _writes(archived, rows, wanted)
    writes += _invoice_writes([row for _, rows in each for row in rows.invoices], wanted)
    writes += _delivery_writes(deliveries, wanted)
    writes += await feed_writes(session, events, wanted)
    await session.together(by_partition(stretches.missing(wanted) + writes))
    await session.many(acknowledgement_removals(batch))
    stretches.written(wanted)
    await session.many(removal for _, rows in each for removal in replay_removals(rows))
    await session.many(_ends(events))
    await session.many(archived_write(row) for row in project_archived(batch))


def project_archived(batch: Sequence[Archived]) -> list[Row]:
    """How far each partition of the batch reaches: topic, partition, next offset, record time."""
    furthest: dict[tuple[str, int], tuple[int, int]] = {}
    for archived in batch:
        place = archived.place
        reached = place.offset + 1, micros(archived.recorded_at)
        name = place.topic, place.partition
        furthest[name] = max(reached, furthest.get(name, reached))
    return [(*name, *reached) for name, reached in furthest.items()]


def _ends(events: Sequence[Row]) -> list[Request]:
    ends: dict[str, int] = {}
    for _, merchant_id, position, *_ in events:
        ends[merchant_id] = max(position, ends.get(merchant_id, 0))
    return [(_FEED_END, (*end, end[1])) for end in ends.items()]


def _writes(archived: Archived, rows: Rows, wanted: set[tuple[str, str, int]]) -> Iterator[Request]:
    recorded_us = micros(archived.recorded_at)
    first = times.first_said(archived.place.offset)
    for row in rows.notices:
        yield _notice(row)
    for notice_id, message in rows.raw_notices:
        yield _RAW_NOTICE, (notice_id, message, first)
    # A message that holds a notice has one row of each kind: both from the same decision.
    for (_, message), row in zip(rows.held_notices, rows.notices, strict=False):
        notice_id, merchant_id, _, precedence, _, received_us, _ = row
        day = times.day_of(received_us)
        wanted.add((merchant_id, "unmatched", day))
        yield _HELD_NOTICE, (notice_id, message, precedence)
        yield _WAITING, (merchant_id, day, received_us, notice_id, precedence)
    for row in rows.settlements:
        yield _SETTLEMENT, (*row, first)
    for row in rows.repeats:
        yield _REPEAT, (*row, recorded_us)
    for row in rows.commands:
        yield _COMMAND, (*row, first)
    for row in rows.deliveries:
        yield _delivery(row)
    for row in rows.attempts:
        yield _ATTEMPT, (*row, recorded_us)
    yield from replay_writes(archived, rows)
    for quarantine_id, notice_id, at_us, _, message in rows.quarantine:
        day = times.day_of(at_us)
        wanted.add(("", "quarantine", day))
        yield _QUARANTINED, (quarantine_id, notice_id, at_us, message, first)
        yield _QUARANTINED_BY_DAY, (day, at_us, quarantine_id, first)
    yield from acknowledgement_writes(rows, first, wanted)


def _notice(row: Row) -> Request:
    notice_id, merchant_id, state, precedence, heard, received_us, changed_us = row
    values = (
        notice_id,
        merchant_id or UNSET_VALUE,
        state,
        True if heard else UNSET_VALUE,
        received_us if state == "unmatched" else UNSET_VALUE,
        changed_us,
        precedence,
    )
    return _NOTICE, values


def _delivery(row: Row) -> Request:
    delivery_id, merchant_id, *what, started = row[:7]
    status, standing, in_round, next_us, changed_us, sequence = row[7:]
    values = (
        delivery_id,
        merchant_id,
        *(what if started else [UNSET_VALUE] * len(what)),
        True if started else UNSET_VALUE,
        status,
        standing,
        in_round,
        next_us or 0,  # no null: a null and a value of equal rank would be told apart by chance
        changed_us,
        sequence or UNSET_VALUE,
        times.of_standing(standing, started=bool(started)),
    )
    return _DELIVERY, values


def _invoice_writes(rows: Sequence[Row], wanted: set[tuple[str, str, int]]) -> Iterator[Request]:
    for invoice_id, merchant_id, _, version, status, created_us, shown in rows:
        rank = times.of_version(version)
        yield _INVOICE, (invoice_id, merchant_id, version, status, shown, rank)
        yield _INVOICE_CREATED, (invoice_id, created_us, times.creation_of_version(version))
        listed = merchant_id, created_us, invoice_id
        yield invoice_by_day(*listed, status=status, rank=rank, wanted=wanted)


def invoice_by_day(
    merchant_id: str,
    created_us: int,
    invoice_id: str,
    *,
    status: str,
    rank: int,
    wanted: set[tuple[str, str, int]],
) -> Request:
    """The row of the list of a merchant's invoices."""
    day = times.day_of(created_us)
    wanted.add((merchant_id, "invoices", day))
    return _INVOICE_BY_DAY, (merchant_id, day, created_us, invoice_id, status, rank)


def _delivery_writes(
    deliveries: dict[str, Delivery], wanted: set[tuple[str, str, int]]
) -> Iterator[Request]:
    for delivery_id, delivery in deliveries.items():
        if delivery.created_us is None:
            continue  # its start comes later, and finds how it stands by then
        day = times.day_of(delivery.created_us)
        wanted.add((delivery.merchant_id, "deliveries", day))
        key = delivery.created_us, delivery_id
        listed = delivery.merchant_id, day, *key, delivery.endpoint_id, delivery.status
        yield _DELIVERY_BY_DAY, (*listed, delivery.rank)
        if delivery.event_id:  # known where the delivery starts
            yield _DELIVERY_BY_EVENT, (delivery.merchant_id, delivery.event_id, *key, delivery.rank)
        yield from sequence_writes(delivery_id, delivery, wanted)
