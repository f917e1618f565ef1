"""Several processes on one log: order, durability, full disks, bells, leases."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from connectors.log.sqlitelog import EXIT_CODE
from streams.domain.errors import Unavailable
from tests.log_helpers import a_log, a_record, all_of, count, end, every, start, wait_until

pytestmark = pytest.mark.integration

SCRIPTS = "tests.log_scripts"


def lines_of(process: subprocess.Popen[bytes], wanted: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().decode().strip() for _ in range(wanted)]


async def test_two_writers_leave_no_gaps_and_keep_the_order_of_each(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        writers = [
            start(SCRIPTS, "write", str(log.path), name, "4000", stdout=subprocess.DEVNULL)
            for name in ("one", "two")
        ]
        try:
            wait_until(log, lambda: all(writer.poll() is not None for writer in writers))
        finally:
            end(writers)

        for partition in range(4):
            records = all_of(log, "notices", partition)
            assert [record.offset for record in records] == list(range(len(records)))
            times = [record.timestamp_ms for record in records]
            assert times == sorted(times)
            for name in ("one", "two"):
                numbers = [
                    int((record.value or b"").split(b":")[1])
                    for record in records
                    if (record.value or b"").startswith(name.encode())
                ]
                assert numbers == sorted(numbers)
        assert len({record.value for record in every(log, "notices")}) == 8_000


async def test_what_a_writer_was_told_is_durable_is_there_after_it_is_killed(
    tmp_path: Path,
) -> None:
    with a_log(tmp_path / "log.db") as log:
        writers = [
            start(SCRIPTS, "write", str(log.path), name, "1000000", stdout=subprocess.PIPE)
            for name in ("one", "two")
        ]
        said: dict[str, int] = {}
        try:
            for turn in range(150):
                for writer, name in zip(writers, ("one", "two"), strict=True):
                    said[name] = int(lines_of(writer, 1)[0])
                    if turn % 15 == 0:
                        values = {record.value for record in every(log, "notices")}
                        assert f"{name}:{said[name]}".encode() in values, "told too early"
            for writer, name in zip(writers, ("one", "two"), strict=True):
                writer.kill()
                assert writer.stdout is not None
                rest = writer.stdout.read().split(b"\n")[:-1]
                said[name] = max(said[name], *map(int, rest), 0)
        finally:
            end(writers)

        values = {record.value for record in every(log, "notices")}
        for name, last in said.items():
            assert {f"{name}:{n}".encode() for n in range(last + 1)} <= values


async def test_a_log_that_refuses_on_a_full_disk_loses_nothing_and_recovers(
    tmp_path: Path,
) -> None:
    process = start(
        SCRIPTS, "fill_the_disk", str(tmp_path / "log.db"), "refuse", stdout=subprocess.PIPE
    )
    try:
        (said,) = lines_of(process, 1)
        assert process.wait(20) == 0
    finally:
        end([process])

    accepted, refused, same, last = said.split()
    assert int(accepted) + int(refused) == 2_000
    assert int(refused) > 100
    assert int(accepted) > 500
    assert same == "True"
    assert last == "1999"


async def test_a_worker_on_a_full_disk_stops_with_its_exit_code(tmp_path: Path) -> None:
    process = start(
        SCRIPTS, "fill_the_disk", str(tmp_path / "log.db"), "stop", stdout=subprocess.DEVNULL
    )
    try:
        assert process.wait(20) == EXIT_CODE
    finally:
        end([process])

    with a_log(tmp_path / "log.db", partitions=1) as log:
        numbers = [int((r.value or b"").split(b":")[0]) for r in every(log, "notices")]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > 50


async def test_every_process_that_hung_a_bell_is_woken(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        listeners = [
            start(SCRIPTS, "hang_a_bell", str(log.path), stdout=subprocess.PIPE) for _ in range(6)
        ]
        try:
            for listener in listeners:
                assert lines_of(listener, 1) == ["hangs"]
            listeners[0].kill()
            listeners[0].wait()

            await log.append([a_record()])

            for listener in listeners[1:]:
                assert lines_of(listener, 1) == ["rang"]
            left = {bell.name.split("-")[0] for bell in (tmp_path / "log.db.bells").iterdir()}
            assert str(listeners[0].pid) not in left
        finally:
            end(listeners)


async def test_a_group_is_consumed_by_one_process_until_that_one_is_gone(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        log.create_topic("counts", 4)
        worker = start("tests.log_worker", f"sqlitelog://{log.path}", "sqlitelogrows://", "unit")
        try:
            await log.append([a_record()])
            wait_until(log, lambda: count(log, "counts") > 0, process=worker)
            lease = log.lease("counting")

            with pytest.raises(Unavailable, match="'counting' is already consumed"):
                await lease.take(wait_seconds_max=0.1)
        finally:
            end([worker])

        await lease.take(wait_seconds_max=5)
        lease.give_back()
        other = log.lease("another group")
        await other.take(wait_seconds_max=0)
        other.give_back()
