"""Whatever crashes, whenever: no accepted notice is lost, and every invoice ends as it would have.

Each test names its seed; `KESHIKOMI_SIMULATION_SEEDS=1000 pytest tests/simulation` tries more.
"""

from __future__ import annotations

from collections import Counter

import pytest

from agents.settling import settling
from streams.domain.ids import InvoiceId
from streams.domain.invoice import Fold, Invoice, InvoiceState, NoticeApplied, state_of
from streams.domain.notice import Notice
from streams.happenings import NoticeRepeated
from streams.messages import (
    InvoiceRegistered,
    NoticeMatched,
)
from tests.builders import NOW
from tests.simulation.runs import EXACTLY_ONCE, RUNS, changes, held, lived
from tests.simulation.story import UNKNOWN, Story
from tests.simulation.world import A_LONG_TIME
from tests.step_builders import (
    a_cancel_requested,
    a_notice_matched,
    an_envelope,
    an_invoice_due,
    said,
)


def test_the_runs_are_worth_looking_at() -> None:
    stories = [lived(run) for run in RUNS]

    assert sum(story.world.crash_count for story in stories) > 10 * len(RUNS)
    assert all(story.repeats > 5 for story in stories)
    assert all(len(story.accepted) > 20 for story in stories)


@pytest.mark.parametrize("run", RUNS)
def test_each_accepted_notice_is_settled_once_at_its_invoice_or_waits(run: str) -> None:
    story = lived(run)

    places: dict[str, set[tuple[InvoiceId, int]]] = {}
    for change in changes(story):
        if change.settlement is not None:
            place = change.invoice_id, change.version
            places.setdefault(change.settlement.notice_id, set()).add(place)
    waited = {message.notice.notice_id for message in held(story)}
    assert story.world.log.all("quarantine") == []
    assert places.keys() | waited == story.accepted.keys()
    assert [found for found in places.values() if len(found) != 1] == []
    goals = {notice_id: invoice_id for notice_id, ((invoice_id, _),) in places.items()}
    for notice in story.accepted.values():
        owner = story.owners.get(notice.reference)
        assert owner is None or goals[notice.notice_id] == owner


@pytest.mark.parametrize("run", RUNS)
def test_what_waits_is_kept_and_waits_for_a_reason(run: str) -> None:
    story = lived(run)

    settled = {one.settlement.notice_id for one in changes(story) if one.settlement is not None}
    kept = {
        waiting.notice.notice_id
        for row in story.world.references.values()
        for waiting in row.waiting
    }
    waits = story.accepted.keys() - settled
    assert {story.accepted[notice_id].reference for notice_id in waits} <= {UNKNOWN}
    assert waits <= kept


@pytest.mark.parametrize("run", RUNS)
def test_what_the_invoices_became_does_not_depend_on_the_crashes(run: str) -> None:
    story = lived(run)
    invoices = {invoice.terms.invoice_id: invoice for invoice in story.world.invoices.values()}

    assert invoices.keys() == story.registered.keys()
    for invoice in invoices.values():
        state = state_of(invoice.terms, invoice.journal)
        assert state == without_crashes(invoice, notices_for(invoice, story))


def notices_for(invoice: Invoice, story: Story) -> list[Notice]:
    """What was accepted for its references, and what a person gave to it."""
    own = [
        notice
        for notice in story.accepted.values()
        if story.owners.get(notice.reference) == invoice.terms.invoice_id
    ]
    entries = [entry for entry in invoice.journal if isinstance(entry, NoticeApplied)]
    return own + [entry.notice for entry in entries if entry.assignment is not None]


def without_crashes(invoice: Invoice, notices: list[Notice]) -> InvoiceState:
    """The invoice after these notices, one after the other, and its deadline at the end."""
    terms, rows = invoice.terms, dict[bytes, Invoice]()
    step = settling(invoices=rows, watch=lambda *_: None)
    log: list[object] = [InvoiceRegistered(terms=terms)]
    log += [a_cancel_requested(terms=terms)] if Fold(terms, invoice.journal).is_cancelled else []
    log += [a_notice_matched(notice, terms=terms) for notice in notices]
    for offset, message in enumerate(log):
        step(an_envelope(message, key=b"key", offset=offset, now=NOW))
    due = an_invoice_due(terms=terms)
    step(an_envelope(due, key=b"key", offset=len(log), now=NOW + A_LONG_TIME))
    return state_of(terms, rows[b"key"].journal)


@pytest.mark.parametrize("run", RUNS)
def test_history_knows_every_version_of_every_invoice(run: str) -> None:
    story = lived(run)

    known: dict[InvoiceId, set[int]] = {}
    for change in changes(story):
        known.setdefault(change.invoice_id, set()).add(change.version)
    for invoice in story.world.invoices.values():
        assert known[invoice.terms.invoice_id] == set(range(len(invoice.journal) + 1))


@pytest.mark.parametrize("run", RUNS)
def test_a_command_has_one_answer(run: str) -> None:
    answers: dict[str, set[str | None]] = {}
    for change in changes(lived(run)):
        if change.request_id is not None:
            answers.setdefault(change.request_id, set()).add(change.refused)

    assert [answer for answer in answers.values() if len(answer) != 1] == []


@pytest.mark.parametrize("run", EXACTLY_ONCE)
def test_whole_units_make_no_repeats_of_their_own(run: str) -> None:
    story = lived(run)

    told = [change for change in changes(story) if not change.refused]
    versions = Counter((change.invoice_id, change.version) for change in told)
    assert set(versions.values()) == {1}
    repeats = said(story.world.log.all("history"), NoticeRepeated)
    assert len(repeats) == story.repeats
    matched = said(story.world.log.all("invoices"), NoticeMatched)
    settled = [change for change in told if change.settlement is not None]
    assert len(settled) <= len(matched) <= len(settled) + len(repeats)
