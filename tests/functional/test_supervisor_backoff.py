"""The supervisor waits longer before each restart of what fails by itself, and not for others."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.supervisor import Bounds, Supervisor, backoff_seconds
from tests.conftest import Eventually
from tests.functional.test_supervisor import FAILING, QUICK, TELL, World, running


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A folder of this test's own."""
    return World(tmp_path)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (5, 8.0), (6, 8.0), (10_000, 8.0)]
)
def test_the_wait_before_a_restart_doubles_within_a_bound(failures: int, seconds: float) -> None:
    bounds = Bounds(backoff_first=0.5, backoff_max=8.0)

    assert backoff_seconds(failures, bounds) == seconds


@pytest.mark.allows_errors
async def test_a_child_that_was_stable_begins_anew_with_its_backoff(
    world: World, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    clock = iter(range(0, 1_000_000, 100))  # 100 s pass between any two looks
    supervisor = Supervisor(
        [world.child("a", FAILING)],
        lock_path=world.lock_path,
        bounds=QUICK,
        monotonic=lambda: float(next(clock)),
    )

    async with running(supervisor.run()):
        await eventually(lambda: world.lines().count("a starts") > 6)
        supervisor.stop()

    assert "(1 in a row)" in caplog.text
    assert "(2 in a row)" not in caplog.text


KILLED = (
    TELL
    + """
tell("starts")
ready()
os.kill(os.getpid(), signal.SIGKILL)
"""
)


@pytest.mark.allows_errors
async def test_a_child_that_is_killed_at_work_has_not_failed_again(
    world: World, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = Supervisor([world.child("a", KILLED)], lock_path=world.lock_path, bounds=QUICK)

    async with running(supervisor.run()):
        await eventually(lambda: world.lines().count("a starts") > 6)
        supervisor.stop()

    assert "was killed by SIGKILL" in caplog.text
    assert "(2 in a row)" not in caplog.text
