"""A supervisor that is killed takes its children with it, and the next one can start."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.lock import is_alive
from tests.conftest import Eventually

CHILD = """
import os, signal, sys
from pathlib import Path
from ops.supervisor import die_with_supervisor, report_ready
die_with_supervisor()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
report_ready()
report_ready()
Path(sys.argv[1], sys.argv[2] + ".pid").write_text(str(os.getpid()))
while True:
    signal.pause()
"""
SUPERVISOR = f"""
import asyncio, sys
from pathlib import Path
from ops.children import ChildSpec
from ops.supervisor import Supervisor
folder = sys.argv[1]
specs = [
    ChildSpec(name=name, command=(sys.executable, "-c", {CHILD!r}, folder, name))
    for name in ("a", "b")
]
supervisor = Supervisor(
    specs, lock_path=Path(folder, "lock"), announce=lambda: print("ready", flush=True)
)
asyncio.run(supervisor.run())
"""

Start = subprocess.Popen[str]


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Start]:
    command = (sys.executable, "-c", SUPERVISOR, str(tmp_path))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def children(folder: Path) -> list[int]:
    return [int(path.read_text()) for path in folder.glob("*.pid") if path.read_text()]


@pytest.mark.integration
async def test_children_die_with_a_supervisor_that_is_killed(
    supervisor: Start, tmp_path: Path, eventually: Eventually
) -> None:
    assert supervisor.stdout is not None
    assert supervisor.stdout.readline() == "ready\n"
    await eventually(lambda: len(children(tmp_path)) == 2)
    pids = children(tmp_path)

    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()

    await eventually(lambda: not any(is_running(pid) for pid in pids))
    with (tmp_path / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_running(pid: int) -> bool:
    """Whether it still does anything; in a container nobody may bury an orphan that has died."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return is_alive(pid) and state not in {"Z", "X"}


@pytest.mark.integration
def test_a_child_whose_supervisor_died_before_it_began_ends_at_once() -> None:
    environment = {**os.environ, "KESHIKOMI_SUPERVISED_BY": "1"}
    script = "from ops.supervisor import die_with_supervisor as die; die(); print('alive')"

    ended = subprocess.run(
        (sys.executable, "-c", script),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "the supervisor is gone" in ended.stderr
