"""One replay as a process goes through it: what comes next, and what of it is not finished."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.step import record
from streams.clock import Clock
from streams.domain.delivery import Delivery, delivery_key
from streams.domain.ids import DeliveryId, InvoiceId, NotificationId
from streams.domain.replay import UNDER_WAY, ReplayStatus, Selection
from streams.messages import ResendRequested
from streams.ports import History, Record
from streams.replays import ReplayAdvanced, ReplayEnded, ReplayRow
from streams.resending import made_again
from streams.sequences import SequenceRow
from streams.topics import HISTORY, NOTIFICATIONS

UNFINISHED_MAX = 500
"""So many deliveries of one replay may be under way."""
RESENDS_PER_PORTION_MAX = 50
"""News of the same partition waits in the log behind a portion: some 10 ms of the step's time."""
NUMBERS_PER_PAGE = 200


@dataclass(frozen=True, slots=True)
class Chosen:
    """What of a page is sent again, each with the event before it, and how far that goes."""

    rows: tuple[tuple[SequenceRow, NotificationId | None], ...]
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """The next deliveries that are sent again; `found` counts those that could not be as well."""

    deliveries: tuple[Delivery, ...]
    invoices: tuple[InvoiceId | None, ...]
    position: int
    found: int


@dataclass(frozen=True, slots=True)
class _UnderWay:
    round: int
    key: str
    invoice_id: InvoiceId | None


def chosen(rows: Sequence[SequenceRow], selection: Selection, *, position: int) -> Chosen:
    """The first rows behind `position` that are wanted, at most a portion of them."""
    events = {row.sequence: row.event_id for row in rows}
    taken: list[tuple[SequenceRow, NotificationId | None]] = []
    for row in rows:
        if row.sequence <= position or not selection.takes(row.status, row.event_type):
            continue
        if len(taken) == RESENDS_PER_PORTION_MAX:
            return Chosen(tuple(taken), row.sequence - 1)
        taken.append((row, events.get(row.sequence - 1)))
    is_end = len(rows) < NUMBERS_PER_PAGE
    return Chosen(tuple(taken), selection.last if is_end else rows[-1].sequence)


class Course:
    """Where a replay has come to. It moves on by `said`, once the portion is durable in the log."""

    def __init__(self, history: History, clock: Clock, row: ReplayRow) -> None:
        self._history, self._clock = history, clock
        self._row = row
        self._position, self._found, self._resent = row.position, row.found, row.resent
        self._under_way: dict[DeliveryId, _UnderWay] = {}

    async def resume(self) -> None:
        """Find what an earlier process left under way; a moment of it may be missed."""
        position = self._row.selection.first - 1
        while position < self._position and len(self._under_way) < UNFINISHED_MAX:
            rows = await self._page(position + 1, self._position)
            await self._watch([row for row in rows if row.status in UNDER_WAY])
            is_end = len(rows) < NUMBERS_PER_PAGE
            position = self._position if is_end else rows[-1].sequence

    async def portion(self) -> Portion | None:
        """What comes next; None while too much is under way."""
        await self._forget_finished()
        if UNFINISHED_MAX - len(self._under_way) < RESENDS_PER_PORTION_MAX:
            return None
        # The last number that was looked at comes again: the next one names its event.
        rows = await self._page(max(self._position, 1), self._row.selection.last)
        found = chosen(rows, self._row.selection, position=self._position)
        return await self._made(found)

    def records_of(self, portion: Portion) -> list[Record]:
        """The resends, how far the replay has come with them, and its end."""
        row, key = self._row, self._row.merchant_id
        records = [
            record(NOTIFICATIONS, key, ResendRequested(delivery=each))
            for each in portion.deliveries
        ]
        advanced = ReplayAdvanced(
            merchant_id=row.merchant_id,
            replay_id=row.replay_id,
            position=portion.position,
            found=self._found + portion.found,
            resent=self._resent + len(portion.deliveries),
        )
        records.append(record(HISTORY, key, advanced))
        if portion.position >= row.selection.last:
            ended = ReplayEnded(
                merchant_id=row.merchant_id,
                replay_id=row.replay_id,
                status=ReplayStatus.DONE,
                at=self._clock(),
            )
            records.append(record(HISTORY, key, ended))
        return records

    def said(self, portion: Portion) -> None:
        """The portion is durable: go on behind it."""
        self._position = portion.position
        self._found += portion.found
        self._resent += len(portion.deliveries)
        for delivery, invoice_id in zip(portion.deliveries, portion.invoices, strict=True):
            sent = _UnderWay(delivery.round, delivery.key, invoice_id)
            self._under_way[delivery.delivery_id] = sent

    @property
    def is_over(self) -> bool:
        """Whether all of the range was looked at."""
        return self._position >= self._row.selection.last

    async def _page(self, first: int, last: int) -> Sequence[SequenceRow]:
        row = self._row
        return await self._history.sequence_range(
            row.merchant_id, row.endpoint_id, first=first, last=last, limit=NUMBERS_PER_PAGE
        )

    async def _watch(self, rows: Sequence[SequenceRow]) -> None:
        row = self._row
        ids = [each.event_id for each in rows]
        events = await self._history.event_bodies(row.merchant_id, ids)
        standings = await self._history.delivery_standings([each.delivery_id for each in rows])
        for each in rows:
            event, standing = events.get(each.event_id), standings.get(each.delivery_id)
            if standing is not None:
                self._under_way[each.delivery_id] = _UnderWay(
                    standing.round,
                    delivery_key(row.endpoint_id, each.created_at, each.delivery_id),
                    event.invoice_id if event is not None else None,
                )

    async def _forget_finished(self) -> None:
        standings = await self._history.delivery_standings(list(self._under_way))
        for delivery_id, sent in list(self._under_way.items()):
            standing = standings.get(delivery_id)
            if standing is None or (
                standing.round >= sent.round and standing.status not in UNDER_WAY
            ):
                del self._under_way[delivery_id]

    async def _acknowledged(self, event_ids: Sequence[NotificationId]) -> set[NotificationId]:
        look, endpoint_id = self._history.acknowledgement, self._row.endpoint_id
        found = await asyncio.gather(*(look(each, endpoint_id) for each in event_ids))
        return {each for each, heard in zip(event_ids, found, strict=True) if heard is not None}

    async def _made(self, found: Chosen) -> Portion:
        row, rows = self._row, [each for each, _ in found.rows]
        ids = [each.event_id for each in rows]
        events = await self._history.event_bodies(row.merchant_id, ids)
        standings = await self._history.delivery_standings([each.delivery_id for each in rows])
        acknowledged = await self._acknowledged(ids)
        latest = {sent.invoice_id: sent.key for sent in self._under_way.values()}
        made: list[tuple[Delivery, InvoiceId | None]] = []
        for each, previous_id in found.rows:
            event, standing = events.get(each.event_id), standings.get(each.delivery_id)
            if standing is None or event is None or (previous_id is None and each.sequence > 1):
                continue  # its body cannot be made again byte for byte
            again = made_again(
                each,
                standing,
                merchant_id=row.merchant_id,
                endpoint_id=row.endpoint_id,
                event_body=event.body,
                previous_id=previous_id,
                acknowledged=each.event_id in acknowledged,
                now=self._clock(),
            )
            after = latest.get(event.invoice_id, "") if event.invoice_id else ""
            again = replace(again, replay_id=row.replay_id, after=after)
            latest[event.invoice_id] = again.key
            made.append((again, event.invoice_id))
        return Portion(
            deliveries=tuple(delivery for delivery, _ in made),
            invoices=tuple(invoice_id for _, invoice_id in made),
            position=found.position,
            found=len(rows),
        )
