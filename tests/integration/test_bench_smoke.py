"""The bench runs, and its judges notice what is not true."""

from __future__ import annotations

import asyncio
import base64
import hmac
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from loadtests.generator import Client, http_request, offer
from loadtests.report import percentile, spread, table
from loadtests.sink import listen
from loadtests.verify import Arrival, Expected, check_audit, check_feed, check_webhooks, read_dump

pytestmark = [pytest.mark.integration, pytest.mark.no_cover]

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
EXPECTED = Expected(
    path="/ok/a",
    secret=SECRET,
    references=frozenset({"R-1"}),
    types=frozenset({"invoice.paid"}),
    feed_types=frozenset({"invoice.paid"}),
)
BODY = '{"type":"invoice.paid","data":{"payment":{"reference":"R-1"},"stages":{}}}'
EVENT = {"id": "evt_1", **orjson.loads(f'{{"type":"invoice.paid","payload":{BODY}}}')}


def an_arrival(webhook_id: str = "evt_1") -> Arrival:
    signed = f"{webhook_id}.1.{BODY}".encode()
    digest = hmac.digest(b"k" * 32, signed, "sha256")
    return Arrival(
        path="/ok/a",
        at_ns=1,
        webhook_id=webhook_id,
        timestamp="1",
        signature="v1," + base64.b64encode(digest).decode(),
        body=BODY,
        type="invoice.paid",
        reference="R-1",
        stages={},
    )


# --- the judges


def test_what_was_told_rightly_is_no_fault() -> None:
    assert list(check_webhooks(EXPECTED, [an_arrival()])) == []
    assert list(check_feed(EXPECTED, [EVENT], [an_arrival()])) == []
    assert list(check_audit({"exit_status": 0, "counts": {"accepted": 1}}, 1)) == []


@pytest.mark.parametrize(
    ("arrivals", "fault"),
    [
        ([], "never told"),
        ([an_arrival(), an_arrival()], "came again"),
        ([an_arrival(), an_arrival("evt_2")], "under 2 ids"),
        ([replace(an_arrival(), signature="v1,AAAA")], "no valid signature"),
        ([an_arrival(), replace(an_arrival(), reference="R-2")], "not to be told here"),
        ([an_arrival(), replace(an_arrival(), body="{}")], "different bodies"),
    ],
)
def test_a_wrong_webhook_is_named(arrivals: list[Arrival], fault: str) -> None:
    found = list(check_webhooks(EXPECTED, arrivals))

    assert any(fault in each for each in found), found


def test_a_repeat_is_no_fault_where_something_was_killed() -> None:
    arrivals = [an_arrival(), an_arrival()]

    assert list(check_webhooks(EXPECTED, arrivals, repeats_allowed=True)) == []


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([], "does not have"),
        ([EVENT, EVENT], "2 times"),
        ([EVENT, {**EVENT, "id": "evt_2"}], "under 2 ids"),
        ([{**EVENT, "id": "evt_2"}], "evt_1 is not in the feed"),
        ([EVENT, {**EVENT, "id": "evt_3", "type": "invoice.overpaid"}], "nobody caused"),
    ],
)
def test_a_wrong_feed_is_named(events: list[dict[str, object]], fault: str) -> None:
    found = list(check_feed(EXPECTED, events, [an_arrival()]))

    assert any(fault in each for each in found), found


def test_an_audit_that_counts_otherwise_is_named() -> None:
    audit = {"exit_status": 1, "counts": {"accepted": 3}}

    assert len(list(check_audit(audit, 1))) == 2
    assert len(list(check_audit(audit, 1, uncertain=2))) == 1


def test_a_notice_whose_answer_never_came_may_be_told_or_not() -> None:
    expected = replace(EXPECTED, references=frozenset(), uncertain=frozenset({"R-1"}))

    assert list(check_webhooks(expected, [])) == []
    assert list(check_webhooks(expected, [an_arrival()])) == []


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

    assert offered.errors == {500: 10}
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
    figures = tmp_path / "figures.json"
    command = (sys.executable, "-m", "loadtests.bench", "--quick", "--only", "sustained")
    ended = subprocess.run(
        [*command, "--rate", "50", "--seconds", "3", "--json", str(figures)],
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
