"""Replays: a range of an endpoint's deliveries sent again, with how far that has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from api.call import Answer, Call, answer
from api.endpoints import endpoint_of
from api.errors import Problem, not_found, wrong
from api.requests import Nothing, PageQuery, ReplayRequest
from api.tracing import traced_record
from streams.domain.completeness import Range
from streams.domain.delivery import DeliveryStatus, Endpoint
from streams.domain.ids import ReplayId
from streams.domain.replay import EndReason, ReplayStatus, Selection
from streams.replays import ReplayEnded, ReplayRequested, ReplayRow
from streams.topics import HISTORY

ID_OF_REPLAY = "rpl"
"""What the id of a replay begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayShown:
    """A replay of the numbers in `range`, of which both ends are included.

    All numbers to `position` were looked at; `found` of them were wanted, `resent` of these are on
    their way or have arrived. The others are not kept so that they could be sent byte for byte.
    `reason` says why it was cancelled.
    """

    id: str
    endpoint_id: str
    status: ReplayStatus
    range: Range
    statuses: list[DeliveryStatus]
    types: list[str]
    position: int
    found: int
    resent: int
    created_at: datetime
    finished_at: datetime | None
    reason: EndReason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaysPage:
    """A page of replays, newest first."""

    data: list[ReplayShown]
    next: str | None


async def create_replay(call: Call[ReplayRequest, Nothing]) -> Answer:
    endpoint, history = await endpoint_of(call), call.services.ports.history
    ids = [ReplayId(seed.new_id(ID_OF_REPLAY)) for seed in call.origin.seeds]
    rows = [row for each in ids if (row := await history.replay(call.merchant_id, each))]
    _, made = call.origin.find(ID_OF_REPLAY, {str(row.replay_id): row for row in rows}.get)
    if made is not None:
        return answer(202, _shown(made))
    newest, _ = await history.replays(call.merchant_id, endpoint.endpoint_id, after=None, limit=1)
    if newest and newest[0].status is ReplayStatus.RUNNING:
        raise Problem(409, f"the replay {newest[0].replay_id} of this endpoint is running")
    asked = ReplayRequested(
        merchant_id=call.merchant_id,
        replay_id=ids[0],
        endpoint_id=endpoint.endpoint_id,
        selection=await _selection(call, endpoint),
        at=call.origin.at,
    )
    await _say(call, asked)
    return answer(202, _shown(await _seen(call, asked.replay_id) or _begun(asked)))


async def list_replays(call: Call[None, PageQuery]) -> Answer:
    endpoint = await endpoint_of(call)
    rows, cursor = await call.services.ports.history.replays(
        call.merchant_id, endpoint.endpoint_id, after=call.query.after, limit=call.query.limit
    )
    return answer(200, ReplaysPage(data=[_shown(row) for row in rows], next=cursor))


async def get_replay(call: Call[None, Nothing]) -> Answer:
    return answer(200, _shown(await _replay(call)))


async def cancel_replay(call: Call[Nothing, Nothing]) -> Answer:
    row = await _replay(call)
    if row.status is ReplayStatus.DONE:
        raise Problem(409, "the replay is done")
    if row.status is ReplayStatus.RUNNING:
        ended = ReplayEnded(
            merchant_id=row.merchant_id,
            replay_id=row.replay_id,
            status=ReplayStatus.CANCELLED,
            at=call.services.ports.clock(),
            reason=EndReason.ASKED,
        )
        await _say(call, ended)
        row = await _seen(call, row.replay_id, is_over=True) or row
    return answer(200, _shown(row))


async def _selection(call: Call[ReplayRequest, object], endpoint: Endpoint) -> Selection:
    asked = call.body
    newest = await call.services.ports.history.last_sequence(call.merchant_id, endpoint.endpoint_id)
    # What has no number yet is not sent again: the range stands when it is asked for.
    last = newest if asked.last is None else min(asked.last, newest)
    if asked.last is not None and asked.last < asked.first:
        raise wrong(("/to", "must not be less than from"))
    if last < asked.first:
        raise wrong(("/from", f"the endpoint's last number is {newest}"))
    return Selection(first=asked.first, last=last, statuses=asked.statuses, types=asked.types)


async def _say(call: Call[object, object], message: ReplayRequested | ReplayEnded) -> None:
    said = traced_record(call.request, HISTORY, call.merchant_id.encode(), message)
    await call.services.ports.appender.append([said])


async def _seen(
    call: Call[object, object], replay_id: ReplayId, *, is_over: bool = False
) -> ReplayRow | None:
    """The replay once history has it, or has its end; None when that takes too long."""
    ports = call.services.ports

    async def look() -> ReplayRow | None:
        row = await ports.history.replay(call.merchant_id, replay_id)
        is_running = row is not None and row.status is ReplayStatus.RUNNING
        return None if is_over and is_running else row

    limit = ports.limits.effect_seconds_max
    return await call.services.lookout.until(replay_id, look, seconds_max=limit)


async def _replay(call: Call[object, object]) -> ReplayRow:
    endpoint = await endpoint_of(call)
    row = await call.services.ports.history.replay(
        call.merchant_id, ReplayId(call.path("replay_id"))
    )
    if row is None or row.endpoint_id != endpoint.endpoint_id:
        raise not_found("replay")
    return row


def _begun(asked: ReplayRequested) -> ReplayRow:
    return ReplayRow(
        cursor="",
        replay_id=asked.replay_id,
        merchant_id=asked.merchant_id,
        endpoint_id=asked.endpoint_id,
        selection=asked.selection,
        created_at=asked.at,
        status=ReplayStatus.RUNNING,
        position=asked.selection.first - 1,
        found=0,
        resent=0,
        taken="",
        finished_at=None,
        reason=None,
    )


def _shown(row: ReplayRow) -> ReplayShown:
    return ReplayShown(
        id=row.replay_id,
        endpoint_id=row.endpoint_id,
        status=row.status,
        range=(row.selection.first, row.selection.last),
        statuses=list(row.selection.statuses),
        types=list(row.selection.types),
        position=row.position,
        found=row.found,
        resent=row.resent,
        created_at=row.created_at,
        finished_at=row.finished_at,
        reason=row.reason,
    )
