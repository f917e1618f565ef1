"""The lock on a data directory belongs to a family of processes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from ops.lock import Lock, is_alive, owner_of
from streams.domain.errors import Conflict


@pytest.fixture
def lock_path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "lock"


def test_the_owner_is_known_while_the_lock_is_held(lock_path: Path) -> None:
    assert owner_of(lock_path) is None
    assert not lock_path.parent.exists()

    lock = Lock(lock_path)
    assert lock.try_take()
    assert owner_of(lock_path) == os.getpid()
    lock.release()

    assert owner_of(lock_path) is None


def test_whoever_inherited_the_lock_holds_it_on(lock_path: Path) -> None:
    lock = Lock(lock_path)
    assert lock.try_take()
    inherited = os.dup(lock.descriptor)
    lock.release()

    second = Lock(lock_path)
    assert not second.try_take()
    os.close(inherited)
    assert second.try_take()
    second.release()


def test_process_1_lives_and_no_process_has_the_highest_number() -> None:
    assert is_alive(1)
    assert not is_alive(999_999_999)


async def test_what_orphans_hold_is_waited_for(lock_path: Path) -> None:
    held = Lock(lock_path)
    assert held.try_take()
    os.ftruncate(held.descriptor, 0)
    os.pwrite(held.descriptor, b"999999999\n", 0)  # an owner that is gone; someone has the lock

    waits = Lock(lock_path)
    with pytest.raises(Conflict, match="still run on"):
        await waits.take(0.01)
    asyncio.get_running_loop().call_soon(held.release)
    await waits.take(20)

    assert waits.owner() == os.getpid()
    waits.release()
