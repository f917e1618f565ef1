"""A channel's file: taken whole or refused whole; the same file twice adds nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence

from api.answers import FileShown
from api.call import Answer, Call, answer
from api.errors import Problem, not_found, wrong
from api.intake import Heard, records_of_notices
from api.keeping import kept_raw
from api.requests import FileQuery
from api.services import Services
from api.tracing import trace_headers
from connectors.channel import Account, Channel, FileRecord
from streams.domain.errors import Malformed
from streams.domain.ids import NoticeId, derive
from streams.domain.notice import check_notice
from streams.ports import Record

NOTICES_PER_APPEND = 500
FAULTS_MAX = 20


async def take_file(call: Call[bytes, FileQuery]) -> Answer:
    account, channel = await _account(call)
    async with call.services.one_file:
        records = await asyncio.to_thread(_read, call, account, channel)
        repeated = await _accept(call, account, channel, records)
    distinct = len({record.notice.notice_id for record in records})
    shown = FileShown(
        file_id=_file_id(account, call.body),
        records=len(records),
        accepted=distinct - repeated,
        duplicates=len(records) - distinct + repeated,
    )
    return answer(202, shown)


async def _account(call: Call[bytes, FileQuery]) -> tuple[Account, Channel]:
    directory = call.services.directory
    await directory.catch_up()
    row = directory.account(call.query.account)
    if row is None or row.merchant_id != call.merchant_id:
        raise not_found("channel account")
    channel = call.services.ports.channels[row.format]
    if channel.parse_file is None:
        raise wrong(("/account", f"the format {channel.name} has no files"))
    return call.services.configs.current(row), channel


def _read(call: Call[bytes, FileQuery], account: Account, channel: Channel) -> list[FileRecord]:
    # In a thread of its own: a file of 64 MiB must not hold up the intake of notices.
    assert channel.parse_file is not None
    now = call.services.ports.clock()
    faults: list[tuple[str, str]] = []
    try:
        records = list(channel.parse_file(call.body, account))
    except Malformed as error:
        faults = list(error.faults)
        raise Problem(422, f"the file is refused: {error}", faults=faults) from None
    for record in records:
        try:
            check_notice(record.notice, now=now)
        except Malformed as error:
            faults.append((f"line {record.line}, column 1", str(error)))
    if faults:
        told = "; ".join(f"{where}: {what}" for where, what in faults[:FAULTS_MAX])
        raise Problem(422, f"the file is refused: {told}", faults=faults[:FAULTS_MAX])
    return records


async def _accept(
    call: Call[bytes, FileQuery], account: Account, channel: Channel, records: Sequence[FileRecord]
) -> int:
    """Make every record durable; returns how many distinct notices had been heard before."""
    services, repeated, seen = call.services, 0, set[NoticeId]()
    for part in _parts(records):
        ids = {record.notice.notice_id for record in part} - seen
        seen |= ids
        history = services.ports.history
        known = {each for each in ids if await services.recent.was_heard(each, history)}
        await services.ports.appender.append(
            [each for record in part for each in _records(call, account, channel, record)]
        )
        repeated += sum(not services.recent.add(each) or each in known for each in ids)
    _count(services, channel, len(seen), repeated)
    return repeated


def _count(services: Services, channel: Channel, distinct: int, repeated: int) -> None:
    services.metrics.accepted.labels(channel.name).inc(distinct - repeated)
    services.metrics.repeated.labels(channel.name).inc(repeated)


def _parts(records: Sequence[FileRecord]) -> Iterator[Sequence[FileRecord]]:
    for first in range(0, len(records), NOTICES_PER_APPEND):
        yield records[first : first + NOTICES_PER_APPEND]


def _records(
    call: Call[bytes, FileQuery], account: Account, channel: Channel, record: FileRecord
) -> list[Record]:
    raw = kept_raw(record.raw, account=account, channel=channel)
    heard = Heard(
        account=account,
        received_at=call.services.ports.clock(),
        headers=trace_headers(call.request),
        raw=raw,
        content_type=call.request.content_type,
    )
    return records_of_notices(heard, (record.notice,))


def _file_id(account: Account, body: bytes) -> str:
    return derive("fil", account.account_id, hashlib.sha256(body).hexdigest())
