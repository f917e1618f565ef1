"""The cache on a file: there after `kill -9`, shared by processes, refused when it is no cache."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.cache.sqlite import SqliteCache
from streams.domain.errors import Unavailable

MADE_AT_ONCE_TRIES = 100

PUT_AND_DIE = """
import asyncio, os, signal, sys
from pathlib import Path
from connectors.cache.sqlite import SqliteCache

async def main():
    cache = SqliteCache(Path(sys.argv[1]))
    for number in range(100):
        await cache.put(f"k{number}", b"v", seconds=60)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.integration
async def test_what_was_put_is_there_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    command = (sys.executable, "-c", PUT_AND_DIE, str(path))
    ended = await asyncio.to_thread(subprocess.run, command, check=False)

    cache = SqliteCache(path)
    found = [await cache.get(f"k{number}") for number in range(100)]
    await cache.close()

    assert ended.returncode == -9
    assert found == [b"v"] * 100
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_two_processes_share_it_as_two_connections_do(tmp_path: Path) -> None:
    one, other = (SqliteCache(tmp_path / "cache.db") for _ in range(2))
    await one.put("a", b"1", seconds=60)
    await other.put("b", b"2", seconds=60)

    assert [await one.get("b"), await other.get("a")] == [b"2", b"1"]
    await one.close()
    await other.close()


async def test_a_file_that_is_locked_is_unavailable_and_not_our_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.cache.sqlite.BUSY_TIMEOUT_MS", 1)
    cache = SqliteCache(tmp_path / "cache.db")
    await cache.get("a")
    holder = sqlite3.connect(tmp_path / "cache.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(Unavailable):
        await cache.put("a", b"1", seconds=60)
    holder.execute("ROLLBACK")
    holder.close()
    await cache.put("a", b"1", seconds=60)

    assert await cache.get("a") == b"1"
    await cache.close()


async def test_another_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    text, other = tmp_path / "text", tmp_path / "other.db"
    text.write_text("no database " * 100)
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE t (a)")
    connection.close()

    for path in (text, other, tmp_path, text / "cache.db"):
        cache = SqliteCache(path)
        assert await cache.take("k", per_second=1, burst=1) == 0
        with pytest.raises(Unavailable):
            await cache.get("a")
        with pytest.raises(Unavailable):
            await cache.put("a", b"1", seconds=60)
        await cache.close()
    assert text.read_text() == "no database " * 100


@pytest.mark.integration
async def test_processes_that_make_the_file_at_once_do_not_lock_each_other_out(
    tmp_path: Path,
) -> None:
    for number in range(MADE_AT_ONCE_TRIES):
        caches = [SqliteCache(tmp_path / f"{number}.db") for _ in range(4)]
        found = await asyncio.gather(
            *(cache.claim("k", b"%d" % at, seconds=60) for at, cache in enumerate(caches))
        )
        for cache in caches:
            await cache.close()
        assert found.count(None) == 1
        assert len(set(found)) == 2
