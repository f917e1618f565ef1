"""Registrations whose process died in the middle, on a real Cassandra: others end them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple

import pytest

from connectors.history.cassandra.address import address_of
from connectors.history.cassandra.claims import attempt_of
from connectors.history.claims import registration_of
from streams.domain.errors import Conflict
from streams.domain.invoice import InvoiceTerms
from streams.ports import History
from tests.builders import ACCOUNT, MERCHANT, a_reference, an_invoice_terms
from tests.history_keyspaces import keyspaces

pytestmark = pytest.mark.integration

Left = Callable[..., None]


@pytest.fixture
def leave(request: pytest.FixtureRequest, url: str) -> Left:
    """Leave what a process leaves that dies after it began, claimed these values, and settled."""
    pool, keyspace = keyspaces(request), address_of(url).keyspace

    def left(
        terms: InvoiceTerms,
        *,
        claimed: Sequence[str] = (),
        settled: bool = False,
        undone: bool = False,
    ) -> None:
        attempt = attempt_of(registration_of(terms, content="dead", shown='{"dead": 1}'))
        row = list(astuple(attempt))
        row[4] = settled
        if not undone:
            pool.execute(
                f"INSERT INTO {keyspace}.registrations (invoice_id, merchant_id, content, attempt,"  # noqa: S608  # our name
                " settled, terms, status, created_us, shown)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) IF NOT EXISTS",
                *row,
            )
        for value in claimed:
            pool.execute(
                f"INSERT INTO {keyspace}.claims (account_id, reference, invoice_id, attempt)"  # noqa: S608  # our name
                " VALUES (%s, %s, %s, %s) IF NOT EXISTS",
                *(ACCOUNT, value, attempt.invoice_id, attempt.attempt),
            )

    return left


def terms_of(number: str, *values: str) -> InvoiceTerms:
    references = tuple(a_reference(value=value) for value in values)
    return an_invoice_terms(invoice_number=number, references=references)


@pytest.mark.parametrize("claimed", [(), ("A",), ("A", "B")])
async def test_the_same_registration_again_completes_what_was_begun(
    history: History, leave: Left, claimed: Sequence[str]
) -> None:
    terms = terms_of("N1", "A", "B")
    leave(terms, claimed=claimed)
    assert await history.terms_of(terms.invoice_id) is None
    assert await history.claimed_by(ACCOUNT, "A") is None

    row = await history.register_invoice(terms, content="dead", shown='{"again": 1}')

    assert row.shown == '{"dead": 1}'
    assert await history.terms_of(terms.invoice_id) == terms
    assert [await history.claimed_by(ACCOUNT, value) for value in "AB"] == [terms.invoice_id] * 2
    listed, _ = await history.invoices(
        MERCHANT, status=None, invoice_number=None, after=None, limit=9
    )
    assert [each.invoice_id for each in listed] == [terms.invoice_id]


async def test_a_settled_registration_that_was_never_shown_is_shown_when_it_comes_again(
    history: History, leave: Left
) -> None:
    terms = terms_of("N1", "A")
    leave(terms, claimed=["A"], settled=True)
    assert await history.invoice(MERCHANT, terms.invoice_id) is None

    row = await history.register_invoice(terms, content="dead", shown="{}")

    assert await history.invoice(MERCHANT, terms.invoice_id) == row


async def test_whoever_wants_a_reference_of_a_dead_registration_finishes_it_first(
    history: History, leave: Left
) -> None:
    theirs = terms_of("N1", "A", "B")
    leave(theirs, claimed=["A"])

    with pytest.raises(Conflict, match=r"'A' .* another invoice"):
        await history.register_invoice(terms_of("N2", "A"), content="c", shown="{}")

    assert await history.claimed_by(ACCOUNT, "B") == theirs.invoice_id
    assert await history.terms_of(terms_of("N2").invoice_id) is None


async def test_a_dead_registration_that_cannot_be_completed_is_undone_and_its_references_free(
    history: History, leave: Left
) -> None:
    owner = terms_of("N0", "B")
    await history.register_invoice(owner, content="c", shown="{}")
    leave(terms_of("N1", "A", "B"), claimed=["A"])
    ours = terms_of("N2", "A")

    row = await history.register_invoice(ours, content="c", shown="{}")

    assert row.invoice_id == await history.claimed_by(ACCOUNT, "A") == ours.invoice_id
    assert await history.claimed_by(ACCOUNT, "B") == owner.invoice_id


async def test_other_terms_may_follow_a_dead_registration_that_cannot_be_completed(
    history: History, leave: Left
) -> None:
    await history.register_invoice(terms_of("N0", "B"), content="c", shown="{}")
    leave(terms_of("N1", "A", "B"), claimed=["A"])
    ours = terms_of("N1", "A", "C")

    row = await history.register_invoice(ours, content="c", shown="{}")

    assert row.created
    assert await history.terms_of(row.invoice_id) == ours
    assert await history.claimed_by(ACCOUNT, "A") == row.invoice_id


async def test_other_content_under_the_number_of_a_dead_registration_is_a_conflict(
    history: History, leave: Left
) -> None:
    theirs = terms_of("N1", "A")
    leave(theirs)

    with pytest.raises(Conflict, match="other content"):
        await history.register_invoice(terms_of("N1", "B"), content="c", shown="{}")

    assert await history.terms_of(theirs.invoice_id) == theirs
    assert await history.claimed_by(ACCOUNT, "B") is None


async def test_a_claim_that_an_undone_registration_left_behind_is_taken_over(
    history: History, leave: Left
) -> None:
    leave(terms_of("N1", "A"), claimed=["A"], undone=True)
    ours = terms_of("N2", "A")

    await history.register_invoice(ours, content="c", shown="{}")

    assert await history.claimed_by(ACCOUNT, "A") == ours.invoice_id


async def test_dead_registrations_that_hold_what_others_want_are_finished_in_a_chain(
    history: History, leave: Left
) -> None:
    leave(terms_of("N1", "A", "B"), claimed=["A"])
    leave(terms_of("N2", "B", "C"), claimed=["B"])
    leave(terms_of("N3", "C"), claimed=["C"])

    with pytest.raises(Conflict, match="'A'"):
        await history.register_invoice(terms_of("N4", "A"), content="c", shown="{}")

    # The third stands, so the second lacks C and gave B back, so the first stands as well.
    owners = [await history.claimed_by(ACCOUNT, value) for value in "ABC"]
    first, third = terms_of("N1").invoice_id, terms_of("N3").invoice_id
    assert owners == [first, first, third]
    assert await history.terms_of(terms_of("N2").invoice_id) is None
