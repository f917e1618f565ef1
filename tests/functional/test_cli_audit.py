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
from streams.domain.notification import NotificationType
from tests.builders import a_notice, a_notification
from tests.history_engines import archived
from tests.installations import append, commit, records_of_history
from tests.message_builders import a_notice_accepted, an_invoice_changed

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
