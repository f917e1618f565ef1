"""What came of a load on a peer is added up rightly, and shown beside others."""

from __future__ import annotations

from connectors.signing import sign
from loadtests.arrivals import Arrival, checked, wall_offset_ns
from loadtests.generator import Offered
from loadtests.load import Load
from loadtests.merchants import TOLD
from loadtests.peers.costs import Used
from loadtests.peers.peer import SECRET, Endpoint, payload
from loadtests.peers.phases import figures, of_the_healthy
from loadtests.peers.table import markdown
from loadtests.processes import Usage, Watch
from loadtests.verify import check_webhooks, facts

KEY = b"k" * 32
OFFSET_NS = wall_offset_ns()
SIGNED_SECONDS = OFFSET_NS // 1_000_000_000
"""When the monotonic clock began: all arrive soon after."""


def an_endpoint(path: str = "/ok/a") -> Endpoint:
    return Endpoint(path=path, secret=SECRET, key="app_1")


def an_arrival(reference: str, at_ms: float = 0, path: str = "/ok/a") -> Arrival:
    body = payload(reference).decode()
    return Arrival(
        path=path,
        at_ns=int(at_ms * 1e6),
        webhook_id=f"evt-{reference}",
        timestamp=str(SIGNED_SECONDS),
        signature=sign(KEY, f"evt-{reference}", SIGNED_SECONDS, body.encode()),
        body=body,
        type="invoice.paid",
        reference=reference,
    )


def a_load(
    statuses: list[int], arrived_ms: dict[str, float], paths: list[str] | None = None
) -> Load:
    """Events every 10 ms, of which some arrived, each so long after the begin of the load."""
    count = len(statuses)
    paths = paths or ["/ok/a"] * count
    references = [f"R-{number}" for number in range(count)]
    intended = [number * 10_000_000 for number in range(count)]
    offered = Offered(
        rate=100,
        intended_ns=intended,
        sent_ns=[at + 1_000_000 for at in intended],
        answered_ns=[at + 2_000_000 for at in intended],
        statuses=statuses,
        bodies=[b""] * count,
    )
    return Load(
        offered=offered,
        references=references,
        merchants=[an_endpoint(path) for path in paths],
        arrivals={each: an_arrival(each, at) for each, at in arrived_ms.items()},
        wall_offset_ns=0,
        drained_seconds=1.5,
        watch=Watch({}),
        around=frozenset(),
        repeats=1,
    )


USED = Used(server_seconds=0.006, below_seconds=0.003, server_mb=80.4)


def test_latency_counts_from_the_time_at_which_an_event_should_have_left() -> None:
    # One was answered 500, one has no answer and came all the same, one was accepted and is lost.
    load = a_load([202, 500, 0, 202, 202], {"R-0": 4, "R-2": 50, "R-3": 35})

    row = figures(load, USED)

    assert row["latency_ms"] == {"p50": 5, "p95": 30, "p99": 30, "max": 30}
    assert (row["accepted"], row["errors"]) == (3, {"0": 1, "500": 1})
    assert (row["missing"], row["repeats"]) == (1, 1)
    assert (row["server_cpu_ms"], row["below_cpu_ms"], row["server_mb"]) == (2.0, 1.0, 80)
    assert row["generator_lag_ms"]["max"] == 1
    assert not row["generator_was_the_bottleneck"]


def test_only_endpoints_that_answer_count_beside_one_that_hangs() -> None:
    paths = ["/ok/a", "/hang/b", "/ok/a", "/hang/b"]
    load = a_load([202] * 4, {"R-0": 4, "R-1": 900}, paths)

    row = of_the_healthy(load, USED, ["/ok/a"])

    assert (row["healthy"], row["missing"]) == (2, 1)
    assert row["latency_ms"]["max"] == 4


def test_a_process_that_is_new_since_the_begin_counts_with_all_that_it_used() -> None:
    before = {"server": Usage(cpu_seconds=3, memory_mb=70)}
    after = {
        "server": Usage(cpu_seconds=5, memory_mb=80),
        "below 1": Usage(cpu_seconds=1, memory_mb=9),
        "below 2": Usage(cpu_seconds=2, memory_mb=9),
    }

    assert Used.between(before, after) == Used(server_seconds=2, below_seconds=3, server_mb=80)
    assert Used.between({}, {}) == Used(server_seconds=0, below_seconds=0, server_mb=0)


def test_the_answer_to_an_event_says_whether_it_must_be_told() -> None:
    endpoint = an_endpoint()
    for reference, status in (("R-1", 202), ("R-2", 0), ("R-3", 503)):
        endpoint.note(reference, status)

    expected = endpoint.expected(complete=True)

    assert expected.told == facts(TOLD, ["R-1"])
    assert expected.may_be_told == facts(TOLD, ["R-2"])
    told = [checked(an_arrival(each), SECRET, OFFSET_NS) for each in ("R-1", "R-2")]
    strange = checked(an_arrival("R-3"), SECRET, OFFSET_NS)
    assert list(check_webhooks(expected, told)) == []
    assert "R-3" in next(check_webhooks(expected, [*told, strange]))
    assert "never told" in next(check_webhooks(expected, told[1:]))
    assert list(check_webhooks(endpoint.expected(complete=False), told[1:])) == []


# --- the table

LATENCY = {"p50": 2.54, "p95": 4.0, "p99": 6.16, "max": 9.0}
ROW = {
    "rate": 200,
    "offered": 1_000,
    "accepted": 900,
    "errors": {"503": 100},
    "missing": 3,
    "repeats": 2,
    "latency_ms": LATENCY,
    "drained_after_seconds": 28.04,
    "generator_was_the_bottleneck": False,
    "server_cpu_ms": 1.2,
    "below_cpu_ms": 0.8,
    "server_mb": 83,
    "healthy": 800,
}
FINE = ROW | {"errors": {}, "missing": 0, "holds": True}
TRIES = {
    "800/s": FINE | {"rate": 800},
    "1000/s": FINE | {"rate": 1_000, "holds": False, "generator_was_the_bottleneck": True},
    "1250/s": FINE | {"rate": 1_250, "holds": False},
}
RESULTS = {
    "one": {
        "latency": {"rows": {"200/s": ROW}},
        "sustained": {"rows": {"highest": 800, "tries": TRIES}},
        "hanging": {"rows": {"none hangs": FINE, "one hangs": ROW}},
        "kills": {"rows": ROW},
    },
    "other": {
        "latency": {"rows": {"200/s": FINE}},
        "sustained": {"rows": {"highest": 0, "tries": {"800/s": FINE | {"holds": False}}}},
        "kills": {"rows": {"not_run": "nobody said how"}},
    },
}


def test_the_table_shows_peers_beside_each_other() -> None:
    assert markdown(RESULTS) == [
        "|  | one | other |",
        "| --- | --- | --- |",
        (
            "| 200/s | p50 2.5, p95 4.0, p99 6.2 ms; 100 refused; 3 missing"
            " | p50 2.5, p95 4.0, p99 6.2 ms |"
        ),
        (
            "| at most | 800/s holds, 1000/s does not: the generator was late"
            " | none of those tried, 200/s does not |"
        ),
        "| CPU for each event there | 1.20 ms, below it 0.80 ms | not run |",
        "| memory there | 83 MB | not run |",
        "| 10 endpoints, none hangs | p50 2.5, p99 6.2 ms | not run |",
        "| the nine while one hangs | p50 2.5, p99 6.2 ms; 3 of 800 not there | not run |",
        (
            "| `kill -9` | took 900 of 1000: 3 lost, 2 repeats, done 28.0 s after the load"
            " | not run |"
        ),
    ]
