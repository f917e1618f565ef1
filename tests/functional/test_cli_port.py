"""`up` on a port that is taken ends at once and says which, instead of restarting for ever."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SECONDS_MAX = 20.0
"""Far more than it takes; `up` that goes on for ever fails the test."""


@pytest.fixture
def taken() -> Iterator[int]:
    """A port where somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.integration
def test_a_taken_port_is_one_sentence_and_status_1(tmp_path: Path, taken: int) -> None:
    plain = {k: v for k, v in os.environ.items() if not k.startswith("KESHIKOMI_")}
    up = (sys.executable, "-m", "ops.cli", "up", "--data", str(tmp_path), "--port", str(taken))

    ended = subprocess.run(
        up, env=plain, check=False, capture_output=True, text=True, timeout=SECONDS_MAX
    )

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        f"keshikomi: port {taken} of 127.0.0.1 cannot be used: Address already in use; "
        "choose another with --port or KESHIKOMI_PORT"
    )
    assert "api started" not in ended.stderr
    assert not (tmp_path / "log.db").exists()
