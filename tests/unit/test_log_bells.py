"""Doorbells: readers are woken at once, and what the dead left behind is taken down."""

from __future__ import annotations

import select
import socket
from pathlib import Path

from connectors.log.bells import Bell, Bells
from tests.log_helpers import a_log, a_record


def rings(bell: Bell) -> bool:
    ready, _, _ = select.select([bell], [], [], 0)
    return bool(ready)


async def test_a_commit_rings_the_bells_of_other_logs_but_not_its_own(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as writer, a_log(tmp_path / "log.db") as reader:
        own, other = writer.hang_bell(), reader.hang_bell()
        heard: list[int] = []
        writer.listen(lambda batch: heard.append(len(batch)))

        await writer.append([a_record()])

        assert rings(other)
        assert other.answer()
        assert not rings(other)
        assert not rings(own)
        assert heard == [1]
        own.close()
        other.close()


async def test_moving_a_position_rings_no_bell(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as writer, a_log(tmp_path / "log.db") as reader:
        bell = reader.hang_bell()

        await writer.barrier([("group", 1, 1)])

        assert not rings(bell)
        bell.close()


def test_bells_work_however_deep_the_log_lies(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    ringing, listening = Bells(deep), Bells(deep)
    bell = listening.hang()

    ringing.ring()

    assert bell.answer()
    bell.close()
    ringing.close()
    listening.close()


def test_a_socket_that_nobody_holds_is_taken_down_and_others_still_ring(tmp_path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ringing, listening = Bells(tmp_path), Bells(tmp_path)
    bell = listening.hang()
    stale = tmp_path / "1-stale.bell"
    dead.bind(f"{ringing._prefix}{stale.name}")  # noqa: SLF001  # a short way to a long path
    dead.close()
    (tmp_path / "not-a-socket.bell").touch()

    ringing.ring()

    assert not stale.exists()
    assert bell.answer()
    bell.close()
    ringing.close()
    listening.close()


def test_a_bell_that_is_full_does_not_hold_up_the_writer(tmp_path: Path) -> None:
    ringing, listening = Bells(tmp_path), Bells(tmp_path)
    bell = listening.hang()

    for _ in range(5_000):
        ringing.ring()

    assert bell.answer()
    bell.close()
    assert list(tmp_path.iterdir()) == []
    ringing.close()
    listening.close()
