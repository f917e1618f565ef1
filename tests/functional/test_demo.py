"""The demo, run as anyone runs it, and its parts that need no product."""

from __future__ import annotations

import subprocess
import sys

import pytest
from rich.console import Console

from ops.demo_plays import Payment
from ops.demo_scenes import SCENES, cast_of
from ops.demo_shop import Told
from ops.demo_show import Stage, delays, line, sums, verdicts

COUNTS = {
    "accepted": 3,
    "matched": 1,
    "unmatched": 1,
    "quarantined": 1,
    "repeated": 4,
    "notified": 5,
    "delivered": 2,
    "pending": 1,
    "retrying": 1,
    "failed": 1,
}


def a_payment(number: int = 1) -> Payment:
    return Payment(number=number, channel="GMO form", what="paid", scene="GMO notices")


@pytest.mark.integration
def test_the_demo_ends_by_itself_and_everything_adds_up() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "ops.cli", "demo", "--payments", "15"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("PASS") == len(SCENES)
    assert "FAIL" not in ended.stdout
    assert "\x1b" not in ended.stdout  # in a pipe it prints plain lines
    assert "notices accepted 17 = matched 15 + unmatched 1 + quarantined 1" in ended.stdout
    assert "everything adds up" in ended.stdout


@pytest.mark.parametrize("count", [1, 2, 11, 15, 60, 333])
def test_there_are_exactly_so_many_payments_as_were_asked_for(count: int) -> None:
    cast = cast_of(count)

    payments = [payment for _, group in cast for payment in group]
    assert [payment.number for payment in payments] == list(range(1, count + 1))
    assert all(len(group) == len(scene.rows) for scene, group in cast)


def test_fifteen_payments_show_every_scene() -> None:
    assert {scene.name for scene, _ in cast_of(15)} == {scene.name for scene in SCENES}


def test_a_problem_fails_its_scene_and_is_named() -> None:
    cast = cast_of(15)
    cast[0][1][0].problem = "no webhook came"

    results = dict(zip((scene.name for scene, _ in cast), verdicts(cast), strict=True))

    assert results["GMO notices"][0] is False
    assert "no webhook came" in results["GMO notices"][1]
    assert sum(right for right, _ in results.values()) == len(SCENES) - 1


def test_a_row_says_what_came_of_a_payment_and_how_long_it_took() -> None:
    payment = a_payment()
    told = Told(
        at=2.5,
        id="evt_1",
        type="invoice.paid",
        invoice_number="ORD-1",
        reference=None,
        outcome="matched",
        status="paid",
    )

    payment.tell(2.4955, told)

    assert line(payment) == "   1  GMO form  paid: matched, invoice paid in 4.5 ms"
    assert delays([payment]).startswith("from a notice to its webhook: half within 4.5 ms")
    assert delays([]) == "no webhook was timed"


def test_the_sums_name_every_part() -> None:
    accepted, started = sums(COUNTS)

    assert "accepted 3 = matched 1 + unmatched 1 + quarantined 1 (and 4 repeats" in accepted
    assert started == "webhooks started 5 = delivered 2 + pending 2 + failed 1"


def test_where_somebody_watches_a_table_is_drawn() -> None:
    console = Console(force_terminal=True, width=120, height=40, record=True, quiet=False)
    payments = [a_payment(1), a_payment(2)]

    with Stage(console, payments, is_live=True) as stage:
        stage.begin(payments)
        stage.end(payments[:1])

    drawn = console.export_text()
    assert "1 of 2 payments" in drawn
    assert "ms to webhook" in drawn


def test_in_a_pipe_a_line_is_printed_for_each_payment(capsys: pytest.CaptureFixture[str]) -> None:
    payments = [a_payment(1)]

    with Stage(Console(), payments, is_live=False) as stage:
        stage.begin(payments)
        stage.end(payments)

    assert capsys.readouterr().out.startswith("   1  GMO form  paid")
