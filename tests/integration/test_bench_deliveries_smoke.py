"""The bench of the delivery engine runs, and its judges notice what is not true."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from connectors.signing import sign
from loadtests.arrivals import Arrival, read_dump
from loadtests.busy import BusyServers, Mood
from loadtests.delivery_truth import Heard, Recorded, check_arrivals, numbered
from loadtests.generator import Client, http_request
from loadtests.shops import SECRET, Shop
from loadtests.sink import listen
from streams.codecs import encode
from streams.domain.delivery import DeliveryStatus
from streams.domain.ids import delivery_id
from streams.happenings import DeliveryAttempted
from streams.ports import Record
from streams.topics import HISTORY, QUARANTINE
from tests.builders import a_delivery
from tests.log_helpers import a_log
from tests.message_builders import a_deliveries_started, a_quarantined

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 24, 1, 15, tzinfo=UTC)


def a_shop(*, is_complete: bool = True) -> Shop:
    """Three notifications, of which the third is of the same invoice as the first."""
    return Shop(path="/ok/a", port=1, began=NOW, apart=2, count=3, is_complete=is_complete)


def an_arrival(number: int, *, status: int = 200) -> Arrival:
    shop = a_shop()
    body, webhook_id = numbered(shop, number), shop.id_of(number)
    return Arrival(
        path=shop.path,
        at_ns=number,
        webhook_id=webhook_id,
        timestamp="1",
        signature=sign(SECRET, webhook_id, 1, body.encode()),
        body=body,
        type="invoice.paid",
        reference=shop.reference(number),
        status=status,
    )


ALL = [an_arrival(0), an_arrival(1), an_arrival(2)]
AGAIN = [*ALL, an_arrival(1)]


def signed(arrival: Arrival) -> Arrival:
    """The same with the signature that its body must have."""
    signature = sign(SECRET, arrival.webhook_id, 1, arrival.body.encode())
    return replace(arrival, signature=signature)


# --- the judges


def test_what_was_delivered_rightly_is_no_fault() -> None:
    refused = [an_arrival(0, status=429), an_arrival(1), an_arrival(0), an_arrival(2)]

    for arrivals in (ALL, refused):
        heard, faults = check_arrivals([a_shop()], arrivals, repeats_allowed=False)
        assert (faults, heard["/ok/a"].repeats) == ([], 0)


@pytest.mark.parametrize(
    ("arrivals", "fault"),
    [
        (ALL[:2], "1 never arrived, the first is #2"),
        (AGAIN, "1 came again, the first is #1"),
        ([*ALL[:2], an_arrival(2, status=503)], "1 never arrived"),
        ([ALL[2], ALL[0], ALL[1]], "#2 overtook #0"),
        ([an_arrival(0, status=503), *reversed(ALL)], "#2 overtook #0"),
        ([*ALL, replace(ALL[0], reference="/ok/a#3")], "was not to be told here"),
        ([*ALL, replace(ALL[0], reference="/ok/b#0")], "was not to be told here"),
        ([signed(replace(ALL[0], webhook_id="evt_1")), *ALL[1:]], "came under the id evt_1"),
        ([replace(ALL[0], signature="v1,AAAA"), *ALL[1:]], "no valid signature"),
        ([*ALL, replace(ALL[0], path="/ok/b")], "no shop has this server"),
    ],
)
def test_a_wrong_delivery_is_named(arrivals: list[Arrival], fault: str) -> None:
    _, faults = check_arrivals([a_shop()], arrivals, repeats_allowed=False)

    assert any(fault in each for each in faults), faults


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"sequence":2,', '"sequence":3,'),
        (f'"previous_id":"{a_shop().id_of(0)}"', '"previous_id":null'),
        ("invoice.paid", "invoice.late"),
    ],
)
def test_a_body_with_another_number_is_named(right: str, wrong: str) -> None:
    other = replace(ALL[1], body=ALL[1].body.replace(right, wrong))

    _, faults = check_arrivals([a_shop()], [ALL[0], signed(other), ALL[2]], repeats_allowed=False)

    assert [fault[:16] for fault in faults] == ["/ok/a: #1 ends w"]


def test_a_repeat_is_counted_where_something_was_killed() -> None:
    heard, faults = check_arrivals([a_shop()], AGAIN, repeats_allowed=True)

    assert (faults, heard["/ok/a"].repeats) == ([], 1)


def test_what_hangs_need_not_have_everything() -> None:
    _, faults = check_arrivals([a_shop(is_complete=False)], ALL[:1], repeats_allowed=False)

    assert faults == []


def history_of(shop: Shop, numbers: list[int], delivered: list[int]) -> list[Record]:
    """What the engine writes when it starts deliveries with these numbers and makes some."""
    started, attempted = [], []
    for number, sequence in enumerate(numbers):
        made = delivery_id(shop.id_of(number), shop.endpoint_id)
        row = replace(a_delivery(), delivery_id=made, sequence=sequence)
        started.append(a_deliveries_started(deliveries=(row,)))
        if number in delivered:
            attempted.append(
                DeliveryAttempted(
                    merchant_id=shop.merchant_id,
                    delivery_id=made,
                    round=0,
                    status=DeliveryStatus.DELIVERED,
                    at=NOW,
                )
            )
    said = [*started, *attempted]
    return [Record(topic=HISTORY.name, key=b"mer", value=encode(message)) for message in said]


@pytest.mark.parametrize(
    ("numbers", "delivered", "fault"),
    [
        ([1, 2, 3], [0, 1, 2], ""),
        ([1, 3, 2], [0, 1, 2], "#1 has the sequence 3"),
        ([1, 2], [0, 1], "#2 has the sequence None"),
        ([1, 2, 3, 4], [0, 1, 2], "1 deliveries that nobody caused"),
        ([1, 2, 3], [0, 1], "#2 is not told of as it was answered"),
    ],
)
async def test_history_is_compared_with_what_came(
    tmp_path: Path, numbers: list[int], delivered: list[int], fault: str
) -> None:
    shop = a_shop()
    with a_log(tmp_path / "log.db") as log:
        log.create_topic(HISTORY.name, 4)
        log.create_topic(QUARANTINE.name, 4)
        await log.append(history_of(shop, numbers, delivered))
        recorded = Recorded(log)
        recorded.read()

        found = list(recorded.judge([Heard(shop, dict.fromkeys(range(3), 1))]))

        assert (fault in " ".join(found), bool(found)) == (True, bool(fault)), found
        # A step that is made again for what is finished no longer knows the number.
        await log.append(history_of(shop, [0] * len(numbers), []))
        recorded.read()
        assert list(recorded.judge([Heard(shop, dict.fromkeys(range(3), 1))])) == found


async def test_what_could_not_be_used_is_a_fault(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        log.create_topic(HISTORY.name, 4)
        log.create_topic(QUARANTINE.name, 4)
        await log.append(
            [Record(topic=QUARANTINE.name, key=b"q", value=encode(a_quarantined(reason="odd")))]
        )
        recorded = Recorded(log)
        recorded.read()

        assert list(recorded.judge([])) == ["quarantine: odd"]


# --- busy servers


def test_a_busy_server_refuses_what_is_too_much_at_once() -> None:
    servers = BusyServers()
    (first, end), (second, _), (third, end_third) = [servers.begin("/busy", 2) for _ in range(3)]
    end()
    end_third()

    fourth, _ = servers.begin("/busy", 2)

    assert [first, second, third, fourth] == [200, 200, 429, 200]
    assert servers.most == {"/busy": 3}


def test_busy_servers_hang_and_fail_while_they_are_told_to() -> None:
    servers = BusyServers()
    servers.change(Mood.HANG)
    hung, _ = servers.begin("/busy", 2)
    servers.change(Mood.FAIL)
    failed, _ = servers.begin("/busy", 2)
    servers.change(Mood.SERVE)

    assert (hung, failed, dict(servers.most)) == (0, 503, {})


async def test_the_receiver_says_how_it_answered() -> None:
    server, port = await listen(0)
    client = Client(port)

    async def ask(method: str, path: str) -> tuple[int, bytes]:
        return await client.ask(http_request(method, path, b"{}", {"webhook-id": "evt_1"}))

    statuses = [(await ask("POST", "/busy/1/1/a"))[0]]
    await ask("POST", "/mood/fail")
    statuses.append((await ask("POST", "/busy/1/1/a"))[0])
    assert (await ask("POST", "/mood/unknown"))[0] == 404
    _, served = await ask("GET", "/served")
    _, most = await ask("GET", "/most")
    _, lines = await ask("GET", "/dump/0")

    assert statuses == [200, 503] == [arrival.status for arrival in read_dump(lines)]
    assert orjson.loads(served) == {"/busy/1/1/a": 1} == orjson.loads(most)
    await client.close()
    server.close()


# --- the whole bench


def test_a_short_bench_of_deliveries_ends_with_the_truth_and_its_figures(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = (sys.executable, "-m", "loadtests.deliveries", "--quick", "--json", str(figures))
    ended = subprocess.run(
        [*command, "--only", "latency", "--only", "kills"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    found = orjson.loads(figures.read_bytes())
    latency, kills = found["results"]["latency"]["50/s"], found["results"]["kills"]["all"]
    # How late the generator was is the machine's affair; that nothing is untrue is ours.
    assert [fault for fault in found["faults"] if "generator" not in fault] == [], ended.stdout
    assert latency["told"] == latency["offered"] == 50
    assert latency["from_durable_ms"]["p50"] > 0
    assert kills["arrived"] == kills["notifications"] > 0
    assert "fdatasync" in ended.stdout
