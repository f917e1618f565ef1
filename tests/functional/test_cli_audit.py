"""Looking at history from the command line: an audit of some days, a check that counts nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from connectors.history.opening import open_history
from connectors.history.sqlite import SqliteHistory
from ops.check import check
from ops.cli import main
from ops.settings import Settings
from streams.clock import system_clock
from streams.codecs import encode
from streams.domain.notification import NotificationType
from streams.happenings import HistoryMessage
from streams.messages import EndpointSet
from streams.ports import Record
from streams.topics import DIRECTORY
from tests.builders import a_delivery, a_notice, a_notification, an_endpoint
from tests.history_engines import archived
from tests.installations import append, commit, records_of_history
from tests.message_builders import a_deliveries_started, a_notice_accepted, an_invoice_changed

Output = pytest.CaptureFixture[str]


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A place in use: a notice of today that was matched, and one of long ago that was not."""
    data = tmp_path / "data"
    await asyncio.to_thread(main, ["setup", "--data", str(data)])
    now = system_clock()
    today, old = a_notice(name="today"), a_notice(name="old")
    told = a_notification(kind=NotificationType.PAYMENT_CONFIRMED, at=now)
    settings = Settings(data=data)
    append(settings, *records_of_history(3))
    partition = await commit(settings, 3)
    history = open_history(settings.history)
    await history.store(
        archived(
            a_notice_accepted(notice=old, received_at=now - timedelta(days=9)),
            a_notice_accepted(notice=today, received_at=now),
            an_invoice_changed(notice=today, at=now, notifications=(told,)),
            partition=partition,
            recorded_at=now,
        )
    )
    await history.close()
    return data


async def test_an_audit_of_the_last_days_leaves_the_rest_alone(data: Path, capsys: Output) -> None:
    audit = ["audit", "--json", "--data", str(data)]
    assert await asyncio.to_thread(main, audit) == 1
    capsys.readouterr()

    assert await asyncio.to_thread(main, [*audit, "--days", "7"]) == 0
    told = orjson.loads(capsys.readouterr().out)
    assert told["counts"]["accepted"] == told["counts"]["matched"] == 1
    assert "is not looked at" in told["remarks"][0]
    assert await asyncio.to_thread(main, [*audit, "--days", "10"]) == 1


async def _audited(data: Path, capsys: Output) -> tuple[int, str]:
    """The exit status of an audit of the last days, and what it says."""
    capsys.readouterr()
    status = await asyncio.to_thread(main, ["audit", "--data", str(data), "--days", "7"])
    return status, capsys.readouterr().out


async def _happens(data: Path, *messages: HistoryMessage) -> None:
    """Stored in a partition that has no records in the log: an audit looks at the rows."""
    history = open_history(Settings(data=data).history)
    await history.store(archived(*messages, partition=99, recorded_at=system_clock()))
    await history.close()


async def test_a_notice_that_nobody_was_told_of_breaks_a_law(data: Path, capsys: Output) -> None:
    assert (await _audited(data, capsys))[0] == 0

    notice, now = a_notice(name="silent"), system_clock()
    accepted = a_notice_accepted(notice=notice, received_at=now)
    await _happens(data, accepted, an_invoice_changed(notice=notice, at=now))

    status, said = await _audited(data, capsys)
    assert status == 1
    assert "BROKEN no matched notice is silent" in said
    assert "never told: 1" in said


async def test_a_delivery_that_nobody_tries_breaks_a_law(data: Path, capsys: Output) -> None:
    made_at = system_clock() - timedelta(days=3)
    delivery = a_delivery(created_at=made_at)
    await _happens(data, a_deliveries_started(deliveries=(delivery,)))
    assert (await _audited(data, capsys))[0] == 0, "its endpoint was removed"

    endpoint = EndpointSet(endpoint=an_endpoint(created_at=made_at))
    key = endpoint.endpoint.endpoint_id.encode()
    append(Settings(data=data), Record(topic=DIRECTORY.name, key=key, value=encode(endpoint)))

    status, said = await _audited(data, capsys)
    assert status == 1
    assert "BROKEN what is due is tried" in said
    assert f"since: 1 ({delivery.endpoint_id};" in said


@pytest.mark.parametrize("days", ["0", "-1", "x", "36501"])
def test_days_are_a_number_of_days(days: str, capsys: Output) -> None:
    with pytest.raises(SystemExit):
        main(["audit", "--days", days])

    assert "must be a whole number from 1 to 36500" in capsys.readouterr().err


async def test_a_check_counts_nothing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqliteHistory, "counts", None)  # a call of it would raise

    findings = {finding.name: finding for finding in await check(Settings(data=data))}

    assert not findings["history"].is_fault
    assert "history answers, and has 0 records" not in findings["history"].sentence
    assert "history answers" in findings["history"].sentence
