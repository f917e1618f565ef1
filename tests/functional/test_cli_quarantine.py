"""What is in quarantine can be seen and put back from the command line."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from connectors.history.opening import open_history
from connectors.log.sqlitelog import SqliteLog
from ops.cli import main
from ops.settings import Settings
from streams.happenings import Quarantined
from streams.ports import Archived, Place

NOW = datetime(2026, 11, 24, 1, 15, 3, tzinfo=UTC)
RAW = b'{"type":"nothing"}\x1b[2J'

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory for every command."""
    monkeypatch.setenv("KESHIKOMI_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def a_quarantined(
    quarantine_id: str, *, topic: str = "references", whole_bytes: int | None = None
) -> Quarantined:
    return Quarantined(
        quarantine_id=quarantine_id,
        at=NOW,
        code="malformed",
        reason="no such thing",
        raw_base64=base64.b64encode(RAW).decode(),
        topic=topic,
        key=base64.b64encode(b"ca_1:ORD-1").decode() if topic else "",
        whole_bytes=whole_bytes,
    )


async def keep(data: Path, *kept: Quarantined) -> None:
    """Put rows into the quarantine of a data directory that is set up."""
    history = open_history(Settings(data=data).history)
    batch = [
        Archived(
            message=one,
            place=Place(topic="quarantine", partition=0, offset=offset),
            recorded_at=NOW,
        )
        for offset, one in enumerate(kept)
    ]
    await history.store(batch)
    await history.close()


async def listed(data: Path, capsys: Output) -> list[dict[str, object]]:
    capsys.readouterr()
    assert await asyncio.to_thread(main, ["quarantine", "list", "--json"]) == 0
    rows: list[dict[str, object]] = orjson.loads(capsys.readouterr().out)
    return rows


async def test_the_quarantine_is_listed_and_shown_without_obeying_it(
    data: Path, capsys: Output
) -> None:
    await asyncio.to_thread(main, ["setup"])
    await keep(data, a_quarantined("qtn_1"), a_quarantined("qtn_2", topic=""))

    assert [row["quarantine_id"] for row in await listed(data, capsys)] == ["qtn_1", "qtn_2"]
    assert await asyncio.to_thread(main, ["quarantine", "list"]) == 0
    assert "malformed at topic references: no such thing" in capsys.readouterr().out
    assert await asyncio.to_thread(main, ["quarantine", "show", "qtn_1"]) == 0
    shown = capsys.readouterr().out
    assert "at: 2026-11-24T01:15:03Z" in shown
    assert "\\x1b[2J" in shown
    assert "\x1b" not in shown
    assert await asyncio.to_thread(main, ["quarantine", "show", "qtn_0"]) == 1


async def test_a_retry_puts_the_same_bytes_back_where_they_were_read_from(
    data: Path, capsys: Output
) -> None:
    await asyncio.to_thread(main, ["setup"])
    await keep(data, a_quarantined("qtn_1"), a_quarantined("qtn_2", topic=""))

    command = ["quarantine", "retry", "qtn_1", "qtn_2", "qtn_3"]
    assert await asyncio.to_thread(main, command) == 1

    told = capsys.readouterr()
    assert "qtn_1 is back in the topic references" in told.out
    assert "qtn_2 was refused at the edge" in told.err
    assert "nothing in quarantine has the id qtn_3" in told.err
    log = SqliteLog(data / "log.db", on_failure=None)
    stored = [row for number in range(4) for row in log.fetch("references", number, 0, 10)]
    log.close()
    assert [(row.key, row.value) for row in stored] == [(b"ca_1:ORD-1", RAW)]
    first, second = await listed(data, capsys)
    assert first["retried_at"] is not None
    assert second["retried_at"] is None
    assert await asyncio.to_thread(main, ["quarantine", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 in quarantine, 1 put back"


async def test_the_beginning_of_a_record_is_not_put_back_for_the_whole(
    data: Path, capsys: Output
) -> None:
    await asyncio.to_thread(main, ["setup"])
    await keep(data, a_quarantined("qtn_1", whole_bytes=9_000_000))

    assert await asyncio.to_thread(main, ["quarantine", "retry", "qtn_1"]) == 1

    assert "only the beginning of a record of 9000000 bytes" in capsys.readouterr().err
    (row,) = await listed(data, capsys)
    assert row["retried_at"] is None
