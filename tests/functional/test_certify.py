"""`keshikomi certify` finds no fault with a careful receiver, and names each one of another."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from yarl import URL

from connectors.signing import format_secret
from ops import certify as certifying
from ops import certify_advice as advice
from ops.certify import Certification, Report, certify
from ops.certify_attacks import Plan
from ops.certify_sending import Request, sender_to
from ops.certify_webhooks import Story, large
from ops.cli import main
from streams.clock import system_clock
from streams.domain.notice import NoticeKind
from tests.builders import NOW
from tests.functional.certify_receivers import (
    OLD_SECRET,
    SECRET,
    Answering,
    BelievesEd25519,
    FirstSignatureOnly,
    ForOneSecret,
    Hasty,
    NoEd25519,
    Numbering,
    Official,
    Racing,
    Receiver,
    RefusesRepeats,
    Silent,
    Slow,
    Small,
    Timeless,
    Trimming,
    Trusting,
    served,
)
from tests.signature_vectors import CURRENT, OLD, STRANGER

PATIENT_SECONDS = 10.0
"""Where speed is not what a test is about, a slow machine is no fault."""


async def report_on(receiver: Receiver, **asked: Any) -> Report:
    given: dict[str, Any] = {
        "secret": SECRET,
        "old_secret": OLD_SECRET,
        "allow_private": True,
        "quick_seconds": PATIENT_SECONDS,
        "slow_body_seconds": 0.2,
    }
    async with served(receiver) as url:
        return await certify(Certification(url=url, **{**given, **asked}), clock=system_clock)


def faults(report: Report) -> dict[str, str]:
    """The advice on each fault, by the name of the attack."""
    assert report.is_complete
    return {found.name: found.advice for found in report.findings if found.is_right is False}


def number_of(body: Any) -> str:
    """The number of the invoice that a webhook is about."""
    return str(body["data"].get("invoice", {}).get("invoice_number", ""))


ATTACKS = Plan(secret=CURRENT, old_secret=OLD, at=NOW).attacks
TAKEN = {attack.name for attack in ATTACKS if attack.must_take}
REFUSED = {attack.name for attack in ATTACKS if not attack.must_take}
UNJUDGED = {"ed25519 alone (v1a)", "whether you find out what is missing"}


async def test_a_careful_receiver_has_no_fault_and_gets_each_webhook_in_full() -> None:
    receiver = Receiver()

    report = await report_on(receiver)

    assert (report.is_success, faults(report)) == (True, {})
    assert {found.name for found in report.findings} == TAKEN | REFUSED | UNJUDGED
    bodies = [orjson.loads(body) for body in receiver.seen.values()]
    assert {body["type"] for body in bodies} == {
        "payment.preliminary", "payment.confirmed", "payment.preliminary_cancelled",
        "invoice.paid", "invoice.reopened", "invoice.part_paid", "endpoint.ping",
    }  # fmt: skip
    assert max(map(len, receiver.seen.values())) > 20_000
    told = {number_of(body) for body in bodies}
    assert {line.split()[0] for line in report.to_look_at} < told
    assert f"0 wrong of {len(report.findings)}, 3 not judged" in report.lines()


async def test_of_one_invoice_the_newer_comes_first_and_of_another_all_in_order() -> None:
    receiver = Receiver()

    await report_on(receiver)

    arrived: dict[str, list[str]] = {}
    for body in map(orjson.loads, receiver.seen.values()):
        arrived.setdefault(number_of(body), []).append(body["type"])
    preliminary, cancelled = "payment.preliminary", "payment.preliminary_cancelled"
    assert list(arrived.values())[1:4] == [
        ["payment.confirmed", preliminary, "invoice.paid"],
        [cancelled, "invoice.reopened", preliminary, "invoice.paid"],
        [preliminary, "invoice.paid", cancelled, "invoice.reopened"],
    ]


async def test_what_only_the_merchant_can_see_is_what_the_newest_state_says() -> None:
    receiver = Receiver()

    report = await report_on(receiver)

    states: dict[str, tuple[str, str]] = {}
    for body in map(orjson.loads, receiver.seen.values()):
        if "invoice" not in body["data"]:
            continue
        invoice = body["data"]["invoice"]
        known = states.get(invoice["invoice_number"], ("", ""))
        states[invoice["invoice_number"]] = max(known, (invoice["updated_at"], invoice["status"]))
    ends = [states[line.split()[0]][1] for line in report.to_look_at]
    assert ends == ["paid", "paid", "open", "open", "paid"]


ROTATED = "two signatures, the second is right"
UNKNOWN = "an unknown version beside a right signature"
TOLD_AGAIN = "told again, as by ack_required"
BESIDE = "a right v1 beside v1a of a stranger"
OF_V1A = {name for name in REFUSED if "v1a" in name}
STALE = {"a timestamp that is old", "a timestamp that is future"}
FAULTS: tuple[tuple[Receiver, set[str], str], ...] = (
    (Trusting(), REFUSED, ""),
    (FirstSignatureOnly(), {ROTATED, UNKNOWN, BESIDE}, ""),
    (Numbering(), {"endpoint.ping, which has no sequence"}, advice.PING),
    (BelievesEd25519(), OF_V1A, ""),
    (NoEd25519(), {BESIDE}, advice.V1A_BESIDE),
    (ForOneSecret(), {"the old secret alone"}, advice.ROTATION),
    (Timeless(), STALE, advice.STALE),
    (Trimming(), {"a changed body"}, advice.RAW),
    (Small(), {"a body of 20 KB"}, advice.LARGE),
    (Hasty(), {"a slow body"}, advice.SLOW),
    (
        RefusesRepeats(),
        {"the same again", "the same twice at once", TOLD_AGAIN, "an older sequence again"},
        "",
    ),
    (Racing(), {"the same twice at once"}, advice.TWICE),
    (Silent(), REFUSED, certifying.ALWAYS_ANSWER),
    (Answering(500), REFUSED, certifying.NO_CRASH),
    (Answering(302), REFUSED, certifying.NO_REDIRECT),
    (Answering(410), REFUSED, certifying.NOT_GONE),
)


@pytest.mark.parametrize(
    ("receiver", "names", "said"), FAULTS, ids=lambda given: type(given).__name__
)
async def test_a_fault_is_named_and_nothing_else(
    receiver: Receiver, names: set[str], said: str
) -> None:
    report = await report_on(receiver)

    assert not report.is_success
    assert faults(report).keys() == names
    assert all(faults(report).values())
    if said:
        assert set(faults(report).values()) == {said}


async def test_of_several_requests_the_first_wrong_one_is_told() -> None:
    report = await report_on(RefusesRepeats())

    (line,) = (found.line() for found in report.findings if found.name == "the same twice at once")
    assert line.startswith("WRONG  the same twice at once: request ")
    assert " of 2 got 500 after " in line
    assert line.endswith(advice.TWICE)


async def test_one_that_works_before_it_answers_is_too_slow() -> None:
    report = await report_on(Slow(), quick_seconds=0.05)

    assert faults(report).keys() >= TAKEN
    assert set(faults(report).values()) == {certifying.AT_ONCE}


@pytest.mark.allows_errors
async def test_the_official_library_takes_live_deliveries_and_stumbles_over_bad_headers() -> None:
    report = await report_on(Official(), old_secret=None)

    stumbled = {"a signature without a version", "a signature beyond ASCII"}
    assert faults(report) == dict.fromkeys(stumbled, certifying.NO_CRASH)


async def test_where_a_genuine_webhook_fails_nothing_more_is_tried() -> None:
    receiver = Receiver()
    receiver.secrets = [format_secret(STRANGER)]

    report = await report_on(receiver)

    (found,) = report.findings
    assert (found.is_right, found.advice) == (False, advice.GENUINE)
    assert not report.is_success
    assert report.lines()[-1].startswith("Stopped: ")


def test_a_body_is_what_the_product_says_of_such_a_payment() -> None:
    story = Story("CERTIFY-1", at=NOW)

    told = story.tell(NoticeKind.PRELIMINARY) + story.tell(NoticeKind.PRELIMINARY_CANCELLED)

    assert [webhook.type for webhook in told] == [
        "payment.preliminary", "invoice.paid",
        "payment.preliminary_cancelled", "invoice.reopened",
    ]  # fmt: skip
    assert 20_000 < len(large("CERTIFY-2", at=NOW).body) < 25_000


# --- the command


async def command(url: str, *words: str, secret: str | None = SECRET) -> int:
    given = ["--secret", secret] if secret else []
    return await asyncio.to_thread(main, ["certify", url, *given, *words])


async def test_the_command_reports_line_by_line_and_ends_with_0(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with served(Receiver()) as url:
        status = await command(url, "--old-secret", OLD_SECRET, "--allow-private")

    said = capsys.readouterr().out
    assert status == 0
    assert "right  a slow body: got 204 after " in said
    assert "Only you can see" in said
    assert SECRET not in said


async def test_the_command_ends_with_1_at_a_fault_and_speaks_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = await command("http://127.0.0.1:1/webhooks", "--allow-private", "--json")

    said = orjson.loads(capsys.readouterr().out)
    assert (status, said["is_success"], said["is_complete"]) == (1, False, False)
    assert "connection_refused" in said["findings"][0]["met"]


@pytest.mark.parametrize(
    ("url", "words", "said"),
    [
        ("http://shop.example.com/", (), "the URL must begin with https://"),
        ("https://127.0.0.1/", (), "not public"),
        ("https://shop.example.com:8443/", (), "port 443 or 80"),
        ("https://shop.example.com/", ("--secret", "hunter2"), "begins with whsec_"),
        ("https://shop.example.com/", ("--old-secret", "whsec_AAAA"), "has 32 bytes"),
    ],
)
async def test_wrong_use_is_one_line_and_status_2(
    url: str, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = await command(url, *words)

    (line,) = capsys.readouterr().err.splitlines()
    assert status == 2
    assert said in line
    assert "hunter2" not in line


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_private_address_is_refused_at_the_connection_too(host: str) -> None:
    url = URL(f"https://{host}/")

    async with sender_to(url, allow_private=False, slow_seconds=0.0) as sender:
        answer = await sender.send(Request(headers={}, body=b"{}"))

    assert answer.failure == "address_not_allowed"
