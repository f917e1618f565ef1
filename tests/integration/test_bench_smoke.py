"""The bench runs: its generator, its receiver, and a short one as a whole."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from loadtests.arrivals import read_dump
from loadtests.generator import Client, http_request, offer
from loadtests.ratios import keep
from loadtests.report import percentile, spread, table
from loadtests.sink import listen
from tests.conftest import Eventually

pytestmark = pytest.mark.integration

BODY = '{"type":"invoice.paid","data":{"payment":{"reference":"R-1"},"stages":{}}}'


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(number) for number in range(1, 101)]

    assert (percentile(values, 0.5), percentile(values, 0.99)) == (50, 99)
    assert spread([2.0]) == {"p50": 2, "p95": 2, "p99": 2, "max": 2}
    assert table([("", "a"), ("row", 1.5)]) == ["        a", "row  1.50"]


# --- generator and receiver


async def test_every_request_leaves_on_schedule_and_arrives_once() -> None:
    server, port = await listen(0)
    client = Client(port)
    requests = [
        http_request("POST", f"/{'fail' if place % 4 == 0 else 'ok'}/a", BODY.encode())
        for place in range(40)
    ]

    offered = await offer(client, requests, 400)
    _, counts = await client.ask(http_request("GET", "/count"))
    _, lines = await client.ask(http_request("GET", "/dump/30"))

    assert offered.errors == {"500": 10}
    assert len(offered.accepted) == 30
    assert orjson.loads(counts) == {"/fail/a": 10, "/ok/a": 30}
    assert [arrival.reference for arrival in read_dump(lines)] == ["R-1"] * 10
    assert offered.sent_ns == sorted(offered.sent_ns)
    assert min(offered.lags_ms) >= 0
    await client.close()
    server.close()


async def test_a_hanging_path_never_answers_and_a_slow_one_late() -> None:
    server, port = await listen(0)
    client = Client(port)

    hanging = asyncio.create_task(client.ask(http_request("POST", "/hang/a", b"{}")))
    status, _ = await client.ask(http_request("POST", "/slow/20/a", b"{}"))

    assert status == 200
    assert not hanging.done()
    hanging.cancel()
    await client.close()
    server.close()


async def test_a_receiver_that_went_away_is_status_0() -> None:
    server, port = await listen(0)
    server.close()
    await server.wait_closed()
    client = Client(port)

    status, _ = await client.ask(http_request("GET", "/count"))

    assert status == 0


# --- the whole bench


def test_a_short_bench_ends_with_the_truth_and_its_figures(tmp_path: Path) -> None:
    figures, history = tmp_path / "figures.json", tmp_path / "kept"
    before = {"embedded": {"sustained": {"latency_ms": {"p50": 1.0}}}}
    for kind, at in (("", "2026-01-02"), ("-rate50-seconds3-sustained", "2026-01-01")):
        kept = {"machine": {"at": at}, "results": before, "faults": []}
        keep(history, f"bench-embedded-quick{kind}", kept)
    command = (sys.executable, "-m", "loadtests.bench", "--quick", "--only", "sustained")
    ended = subprocess.run(
        [
            *(*command, "--rate", "50", "--seconds", "3"),
            *("--json", str(figures), "--history", str(history)),
        ],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    found = orjson.loads(figures.read_bytes())
    load = found["results"]["embedded"]["sustained"]
    # How late the generator was is the machine's affair; that nothing is untrue is ours.
    assert [fault for fault in found["faults"] if "generator" not in fault] == [], ended.stdout
    assert load["accepted"] == load["told"] == 150
    assert load["latency_ms"]["p50"] > 0
    assert set(load["cpu_ms_per_notice"]) >= {"api", "worker", "archiver", "product"}
    assert "fdatasync" in ended.stdout
    assert len(list(history.iterdir())) == 3
    assert "beside the run of 2026-01-01" in ended.stdout, "the other one was of another kind"
    assert "embedded sustained latency_ms p50" in ended.stdout


async def test_a_bench_that_is_ended_early_keeps_what_it_measured(
    tmp_path: Path, eventually: Eventually
) -> None:
    report, figures = tmp_path / "bench.md", tmp_path / "bench.json"
    works_in = tmp_path / "works"
    works_in.mkdir()
    bench = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtests.bench", "--quick"),
        *("--only", "history", "--only", "sustained"),
        *("--report", str(report), "--json", str(figures)),
        env={**os.environ, "TMPDIR": str(works_in)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    await eventually(figures.exists)
    bench.send_signal(signal.SIGTERM)
    told, _ = await bench.communicate()

    assert bench.returncode
    assert list(works_in.iterdir()) == [], "it ended in order"
    found = orjson.loads(figures.read_bytes())
    assert set(found["results"]["embedded"]) == {"history"}
    assert found["not_measured"] == ["embedded sustained"]
    (row,) = (line for line in report.read_text().splitlines() if "of 100 merchants" in line)
    assert row in told.decode(), "it was shown as soon as it was measured"
    assert "not measured yet: embedded sustained" in report.read_text()


def test_a_short_measurement_of_capacity_ends_with_its_tables() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "loadtests.capacity", "--quick"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    faults = ended.stdout.partition("FAULTS:")[2].splitlines()
    # How late the generator was is the machine's affair; that nothing is untrue is ours.
    assert [fault for fault in faults if fault and "generator" not in fault] == [], ended.stdout
    rows = [line.split(" | ")[0] for line in ended.stdout.splitlines() if line.startswith("|")]
    assert {"| plain", "| within the step `settling`", "| 10,000"} <= set(rows)
