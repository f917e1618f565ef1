"""`keshikomi certify` and what endpoints may choose: numbers, ed25519, acknowledgements."""

from __future__ import annotations

from itertools import pairwise

import orjson
import pytest
from gaps import missing

from connectors.signing import format_secret, parse_private_key
from ops import certify as certifying
from ops import certify_advice as advice
from ops.certify import Finding, Report
from ops.certify_attacks import FIRST_NUMBERS, Plan
from streams.domain.errors import Malformed
from tests.builders import NOW
from tests.functional.certify_receivers import (
    OLD_SECRET,
    SECRET,
    Acknowledging,
    Confused,
    Ed25519,
    Ed25519Alone,
    InOrder,
    OnlyNewer,
    Receiver,
    served,
)
from tests.functional.test_certify import command, faults, report_on
from tests.signature_vectors import CURRENT, PUBLIC

PRIVATE = format_secret(CURRENT).replace("whsec_", "whsk_")
GAP, OVERTAKING = "a sequence after a gap", "a sequence before the one below it"
ALONE, CONFUSED = "ed25519 alone (v1a)", "v1 by the public key as its secret"
MISSING, TOLD_AGAIN = "whether you find out what is missing", "told again, as by ack_required"


def found(report: Report, name: str) -> Finding:
    (one,) = (each for each in report.findings if each.name == name)
    return one


# --- numbers


async def test_the_numbers_of_a_run_are_dense_but_for_the_one_that_it_names() -> None:
    receiver = Receiver()

    report = await report_on(receiver)

    bodies = map(orjson.loads, receiver.seen.values())
    places = {
        body["sequence"]: (webhook_id, body["previous_id"])
        for webhook_id, body in zip(receiver.seen, bodies, strict=True)
        if "sequence" in body
    }
    first, last = min(places), max(places)
    (_, gap) = missing(places)
    left, how = gap[0], found(report, MISSING).advice
    assert (gap, first in FIRST_NUMBERS) == ((left, left), True)
    assert f"of the numbers {first} to {last} " in how
    assert f"must name {left}," in how
    assert f"({places[left + 1][1]}, which was never sent)" in how
    assert f"?from={left}&to={left}" in how
    assert all(
        places[number][1] == places[before][0]
        for before, number in pairwise(sorted(places))
        if number == before + 1
    )


def test_two_runs_have_numbers_of_their_own() -> None:
    plans = [Plan(secret=CURRENT, old_secret=None, at=NOW) for _ in range(2)]
    webhooks = [
        orjson.loads(make(0).body).get("sequence")
        for plan in plans
        for attack in plan.attacks[:1]
        for make in attack.requests
    ]

    assert len(set(webhooks)) == len(plans)


async def test_one_that_waits_for_the_next_number_never_goes_on() -> None:
    met = faults(await report_on(InOrder()))

    assert (met[OVERTAKING], met[GAP]) == (advice.NUMBERS, advice.NUMBERS)
    assert "a genuine webhook after all that" in met
    assert "a genuine webhook" not in met


async def test_one_that_takes_newer_numbers_only_is_told_of_each_older_one() -> None:
    met = faults(await report_on(OnlyNewer()))

    assert met == {
        "payment.confirmed before payment.preliminary": advice.ORDER,
        "invoice.reopened before invoice.paid": advice.ORDER,
        OVERTAKING: advice.NUMBERS,
        "an older sequence again": advice.REPEAT,
    }


# --- ed25519


@pytest.mark.parametrize(
    ("receiver", "secret"), [(Ed25519(), SECRET), (Ed25519Alone(), None)], ids=["both", "alone"]
)
async def test_a_careful_receiver_of_ed25519_has_no_fault(
    receiver: Receiver, secret: str | None
) -> None:
    old_secret = OLD_SECRET if secret else None

    report = await report_on(receiver, secret=secret, old_secret=old_secret, private_key=PRIVATE)

    assert faults(report) == {}
    assert (found(report, ALONE).is_right, found(report, CONFUSED).is_right) == (True, True)
    assert [each.name for each in report.findings if each.is_right is None] == [TOLD_AGAIN, MISSING]


async def test_one_without_ed25519_is_told_which_key_to_verify_with() -> None:
    receiver = Receiver()

    report = await report_on(receiver, private_key=PRIVATE)

    met = faults(report)
    assert met.keys() == {ALONE}
    assert PUBLIC in met[ALONE]
    assert PRIVATE not in str(met)


async def test_who_refuses_every_v1a_is_not_praised_for_refusing_some() -> None:
    report = await report_on(Receiver(), private_key=PRIVATE)

    depending = [each for each in report.findings if ALONE in each.advice]
    assert {each.name for each in depending} == {
        "a right v1a beside a wrong signature",
        "v1a of a changed body",
        "v1a with an old timestamp",
    }
    assert {each.is_right for each in depending} == {None}
    assert found(report, CONFUSED).is_right


async def test_a_public_key_that_serves_as_a_secret_is_found_out() -> None:
    met = faults(await report_on(Confused(), private_key=PRIVATE))

    assert met == {CONFUSED: advice.V1A_CONFUSED}


async def test_without_a_key_it_is_not_judged_and_that_is_no_fault() -> None:
    report = await report_on(Receiver())

    one = found(report, ALONE)
    assert (report.is_success, one.is_right) == (True, None)
    assert one.line() == f"not judged  {ALONE}: {one.advice}"
    assert "--private-key" in one.advice


def test_a_private_key_is_read_like_a_secret_and_never_shown() -> None:
    assert parse_private_key(PRIVATE) == CURRENT
    for text in (SECRET, "whsk_AAAA", "whsk_%%%"):
        with pytest.raises(Malformed) as caught:
            parse_private_key(text)
        assert text not in str(caught.value)


# --- acknowledgements


@pytest.mark.parametrize(
    ("said", "word", "advised"),
    [
        ('{"released_at": "2026-11-24T10:15:04+09:00"}', "right", certifying.BY_THE_ANSWER),
        ('{"released_at": "2026-11-24T10:15:04"}', "WRONG", advice.RELEASED_AT),
        ('{"released_at": 1795482904}', "WRONG", advice.RELEASED_AT),
        ('[{"released_at": "2026-11-24T10:15:04+09:00"}]', "WRONG", advice.RELEASED_AT),
        (
            '{"x": "%s", "released_at": "2026-11-24T10:15:04Z"}' % ("x" * 17_000),
            "not judged",
            certifying.BY_A_CALL,
        ),
        ('{"released_at": null}', "not judged", certifying.BY_A_CALL),
        ('{"status": "ok"}', "not judged", certifying.BY_A_CALL),
        ("", "not judged", certifying.BY_A_CALL),
    ],
    ids=["a time", "naive", "seconds", "a list", "too late", "not yet", "another", "nothing"],
)
async def test_an_answer_is_judged_by_what_it_acknowledges(
    said: str, word: str, advised: str
) -> None:
    report = await report_on(Acknowledging(said))

    one = found(report, TOLD_AGAIN)
    assert one.advice == advised
    assert one.line().startswith(f"{word}  {TOLD_AGAIN}: got 200 after ")
    assert faults(report).keys() == ({TOLD_AGAIN} if word == "WRONG" else set())


# --- the command


async def test_the_command_takes_a_private_key_and_says_what_it_lacks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with served(Ed25519Alone()) as url:
        status = await command(url, "--private-key", PRIVATE, "--allow-private", secret=None)
    said = capsys.readouterr().out
    nothing = await command("https://shop.example.com/", secret=None)

    assert status == 0
    assert f"right  {ALONE}: got 204 after " in said
    assert f"not judged  {MISSING}: " in said
    assert PRIVATE not in said
    assert (nothing, "--private-key or both" in capsys.readouterr().err) == (2, True)
