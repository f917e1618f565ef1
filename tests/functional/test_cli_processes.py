"""What several processes of one start share: their figures and their way of logging."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson

from ops import metrics_files

COUNT_ONE = """
from ops.metrics_files import metrics_text, name_process
import sys
name_process(sys.argv[1])
from ops.telemetry import Telemetry
from streams.domain.errors import Unavailable
telemetry = Telemetry()
telemetry.show_lag("settling", 4)
telemetry.record_outage(Unavailable("x"), 1)
print(metrics_text().decode())
"""


def counted_by(process: str, directory: Path) -> str:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)}
    command = (sys.executable, "-c", COUNT_ONE, process)
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_processes_are_added_up_and_a_restarted_one_goes_on(tmp_path: Path) -> None:
    directory = tmp_path / "metrics"
    metrics_files.clear(directory)

    counted_by("worker", directory)
    files = sorted(directory.iterdir())
    counted_by("worker", directory)
    assert sorted(directory.iterdir()) == files
    metrics_files.forget(directory, "worker")
    text = counted_by("archiver", directory)

    assert "keshikomi_history_outages_total 3.0" in text
    assert 'keshikomi_lag_records{stage="settling"} 4.0' in text
    metrics_files.clear(directory)
    assert list(directory.iterdir()) == []


CRASH = """
import logging
from ops.logs import configure
configure(process="api", level="info", log_format="json", secrets=("hunter2",))
logging.getLogger("faust").info("small talk")
logging.getLogger("keshikomi").info("begins")
raise RuntimeError("crashed with hunter2")
"""


def test_a_crash_is_one_line_on_stderr_after_everything_before_it() -> None:
    ended = subprocess.run(
        (sys.executable, "-c", CRASH), check=False, capture_output=True, text=True
    )

    first, last = (orjson.loads(line) for line in ended.stderr.splitlines())
    assert ended.returncode == 1
    assert first["event"] == "begins"
    assert (last["level"], last["event"]) == ("critical", "crashed")
    assert "RuntimeError: crashed with ***" in last["traceback"]
