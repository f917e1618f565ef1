"""keshikomi runs under the harness that measures it beside its peers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

pytestmark = pytest.mark.integration


def test_what_keshikomi_took_before_it_was_killed_is_told(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = (sys.executable, "-m", "loadtests.peers", "--keshikomi", "--quick")
    ended = subprocess.run(
        [*command, "--only", "kills", "--json", str(figures)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    found = orjson.loads(figures.read_bytes())["peers"]["keshikomi"]["kills"]
    row = found["rows"]
    # How late the generator was is the machine's affair; that nothing is untrue is ours.
    assert [fault for fault in found["faults"] if "generator" not in fault] == [], ended.stdout
    assert 0 < row["accepted"] < row["offered"] == 120
    assert row["missing"] == 0
    assert row["latency_ms"]["p50"] > 0
    assert f"took {row['accepted']} of 120: 0 lost" in ended.stdout
