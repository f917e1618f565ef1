"""What every engine of history owes a merchant who registers invoices: one owner, come who may."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from streams.domain.errors import Conflict
from streams.domain.ids import AccountId, MerchantId
from streams.domain.invoice import Customer, InvoiceStatus
from streams.ports import History, InvoiceRow
from tests.builders import (
    ACCOUNT,
    MERCHANT,
    NOW,
    a_reference,
    an_invoice_terms,
)
from tests.history_engines import ENGINES, TEST_SECONDS_MAX, an_open_history, archived
from tests.message_builders import an_invoice_changed

OTHER = MerchantId("mer_other")


@pytest.fixture(params=sorted(ENGINES))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return ENGINES[request.param](request)(tmp_path)


@pytest.fixture
async def history(url: str) -> AsyncIterator[History]:
    async with an_open_history(url) as opened:
        yield opened


async def test_a_registration_is_read_back_at_once(history: History) -> None:
    terms = an_invoice_terms(
        references=(a_reference(value="A"), a_reference(value="B")),
        customer=Customer(name="山田 太郎", kana="ﾔﾏﾀﾞ ﾀﾛｳ"),
        metadata={"cart": "77"},
    )

    row = await history.register_invoice(terms, content="c", shown='{"id": "x"}')

    assert row == InvoiceRow(
        invoice_id=terms.invoice_id,
        merchant_id=MERCHANT,
        version=0,
        status=InvoiceStatus.OPEN,
        shown='{"id": "x"}',
    )
    assert await history.invoice(MERCHANT, terms.invoice_id) == row
    assert await history.invoice(OTHER, terms.invoice_id) is None
    assert await history.terms_of(terms.invoice_id) == terms
    assert await history.claimed_by(ACCOUNT, "B") == terms.invoice_id
    assert await history.claimed_by(AccountId("ca_other"), "B") is None
    assert await history.statuses([terms.invoice_id]) == {terms.invoice_id: InvoiceStatus.OPEN}


async def test_an_invoice_imported_past_its_due_date_is_expired_from_the_start(
    history: History,
) -> None:
    terms = an_invoice_terms(due_at=NOW - timedelta(days=3))

    row = await history.register_invoice(terms, content="c", shown="{}")

    assert row.status is InvoiceStatus.EXPIRED


async def test_the_same_content_again_gives_the_first_row_as_it_stands_now(
    history: History,
) -> None:
    terms = an_invoice_terms()
    again = an_invoice_terms(created_at=NOW + timedelta(hours=1))
    first = await history.register_invoice(terms, content="c", shown='{"first": 1}')

    assert await history.register_invoice(again, content="c", shown='{"second": 2}') == first
    assert await history.terms_of(terms.invoice_id) == terms

    await history.store(archived(an_invoice_changed(terms=terms, status=InvoiceStatus.PAID)))
    row = await history.register_invoice(again, content="c", shown='{"third": 3}')
    assert (row.version, row.status) == (1, InvoiceStatus.PAID)


async def test_other_content_under_a_number_is_a_conflict_that_names_the_number(
    history: History,
) -> None:
    await history.register_invoice(an_invoice_terms(), content="c", shown="{}")

    with pytest.raises(Conflict, match=r"invoice_number 'ORD-1001' .* other content"):
        await history.register_invoice(an_invoice_terms(), content="d", shown="{}")


async def test_another_merchant_may_use_the_same_invoice_number(history: History) -> None:
    await history.register_invoice(an_invoice_terms(), content="c", shown="{}")
    elsewhere = an_invoice_terms(merchant=OTHER, references=(a_reference(value="else"),))

    row = await history.register_invoice(elsewhere, content="d", shown="{}")

    assert row.merchant_id == OTHER


async def test_a_reference_of_another_invoice_is_a_conflict_and_nothing_of_it_is_kept(
    history: History,
) -> None:
    theirs = an_invoice_terms(merchant=OTHER, invoice_number="SECRET", amount_yen=77_777)
    theirs_claims = (a_reference(value="taken"),)
    await history.register_invoice(
        an_invoice_terms(merchant=OTHER, invoice_number="SECRET", references=theirs_claims),
        content="c",
        shown="{}",
    )
    ours = an_invoice_terms(references=(a_reference(value="free"), a_reference(value="taken")))

    with pytest.raises(Conflict, match="already registered for another invoice") as refused:
        await history.register_invoice(ours, content="c", shown="{}")

    assert "'taken'" in str(refused.value)
    for secret in (OTHER, "SECRET", theirs.invoice_id):
        assert secret not in str(refused.value)
    assert await history.claimed_by(ACCOUNT, "free") is None
    assert await history.terms_of(ours.invoice_id) is None
    assert await history.invoice(MERCHANT, ours.invoice_id) is None


async def test_the_same_reference_of_another_account_is_free(history: History) -> None:
    await history.register_invoice(an_invoice_terms(), content="c", shown="{}")
    account = AccountId("ca_other")
    elsewhere = an_invoice_terms(
        invoice_number="ORD-2", references=(a_reference(account=account, value="ORD-1001"),)
    )

    await history.register_invoice(elsewhere, content="c", shown="{}")

    assert await history.claimed_by(account, "ORD-1001") == elsewhere.invoice_id


async def test_one_conflict_does_not_fail_those_who_register_beside_it(history: History) -> None:
    terms = [
        an_invoice_terms(
            invoice_number=f"N{n}", references=(a_reference(value="same" if n % 2 else f"R{n}"),)
        )
        for n in range(40)
    ]

    results = await asyncio.gather(
        *(history.register_invoice(each, content="c", shown="{}") for each in terms),
        return_exceptions=True,
    )

    odd, even = results[1::2], results[::2]
    assert all(isinstance(result, InvoiceRow) for result in even)
    assert sum(isinstance(result, InvoiceRow) for result in odd) == 1
    assert sum(isinstance(result, Conflict) for result in odd) == len(odd) - 1
    listed, _ = await history.invoices(
        MERCHANT, status=None, invoice_number=None, after=None, limit=50
    )
    assert {row.invoice_id for row in listed} == {
        result.invoice_id for result in results if isinstance(result, InvoiceRow)
    }


async def test_of_those_who_register_one_number_at_once_one_content_wins(
    history: History,
) -> None:
    ahead = an_invoice_terms(invoice_number="keeps the engine busy while the others queue up")
    wanted = [(ahead, "a"), *((an_invoice_terms(), content) for content in ("c", "d", "c"))]

    _, *found = await asyncio.gather(
        *(history.register_invoice(terms, content=c, shown="{}") for terms, c in wanted),
        return_exceptions=True,
    )

    rows = [one for one in found if isinstance(one, InvoiceRow)]
    refused = [isinstance(one, Conflict) for one in found]
    # Which one comes first is for the engine to say: with several writers nobody else knows.
    assert refused in ([False, True, False], [True, False, True])
    assert all(row == rows[0] for row in rows)


async def test_a_registration_does_not_overwrite_what_the_log_said_before(
    history: History,
) -> None:
    changed = an_invoice_changed(version=2, status=InvoiceStatus.PAID)
    await history.store(archived(changed))

    row = await history.register_invoice(an_invoice_terms(), content="c", shown="{}")

    assert (row.version, row.status, row.shown) == (2, InvoiceStatus.PAID, changed.shown)


async def test_the_log_does_not_overwrite_a_registration_with_its_own_version_0(
    history: History,
) -> None:
    row = await history.register_invoice(an_invoice_terms(), content="c", shown='{"mine": 1}')

    await history.store(archived(an_invoice_changed(version=0, status=InvoiceStatus.OPEN)))

    assert await history.invoice(MERCHANT, row.invoice_id) == row


def register_in_a_loop_of_its_own(url: str, name: str) -> list[int]:
    async def race() -> list[int]:
        won = []
        async with an_open_history(url) as history:
            for number in range(30):
                terms = an_invoice_terms(invoice_number=f"N{number}")
                try:
                    await history.register_invoice(terms, content=name, shown="{}")
                except Conflict:
                    continue
                won.append(number)
        return won

    return asyncio.run(race())


def test_of_several_threads_exactly_one_wins_each_number(url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        races = [threads.submit(register_in_a_loop_of_its_own, url, f"t{n}") for n in range(4)]
        won = [race.result(TEST_SECONDS_MAX) for race in races]

    assert sorted(number for each in won for number in each) == list(range(30))


@pytest.mark.integration
def test_of_several_processes_exactly_one_wins_each_reference(url: str) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.history_race", url, f"p{n}", "200"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(3)
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        answers = [racer.communicate(timeout=TEST_SECONDS_MAX)[0] for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()

    won = [json.loads(answer) for answer in answers]
    assert sorted(number for each in won for number in each) == list(range(200))


async def test_of_equal_registrations_at_once_one_is_told_that_it_made_the_invoice(
    history: History,
) -> None:
    terms = an_invoice_terms()
    rows = await asyncio.gather(
        *(history.register_invoice(terms, content="c", shown="{}") for _ in range(24))
    )
    later = await history.register_invoice(terms, content="c", shown="{}")

    assert sorted(row.created for row in rows) == [False] * 23 + [True]
    assert not later.created
