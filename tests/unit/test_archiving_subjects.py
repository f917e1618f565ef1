"""Which ids the archive says something new of, for those who wait: few, and none too few."""

from __future__ import annotations

import pytest

from agents.archiving import subjects_of
from streams.domain.ids import ReplayId
from streams.domain.replay import ReplayStatus, Selection
from streams.happenings import HistoryMessage, Quarantined
from streams.replays import ReplayEnded, ReplayRequested, ReplayTaken
from tests.builders import (
    ENDPOINT,
    MERCHANT,
    NOW,
    a_delivery,
    a_notice,
    a_notification,
    an_invoice_terms,
)
from tests.history_engines import archived
from tests.message_builders import (
    a_deliveries_started,
    a_delivery_attempted,
    a_notice_accepted,
    a_notice_held,
    a_quarantined,
    an_acknowledgement_taken,
    an_endpoint_told,
    an_invoice_changed,
)

TERMS = an_invoice_terms()
NOTICE = a_notice()
AGAIN = a_delivery(number_of_round=1)
REPLAY_BEGUN = ReplayRequested(
    merchant_id=MERCHANT,
    replay_id=ReplayId("rpl_1"),
    endpoint_id=ENDPOINT,
    selection=Selection(first=1, last=2, statuses=()),
    at=NOW,
)
REPLAY_ON = ReplayTaken(merchant_id=MERCHANT, replay_id=REPLAY_BEGUN.replay_id)
REPLAY_OVER = ReplayEnded(
    merchant_id=MERCHANT, replay_id=REPLAY_BEGUN.replay_id, status=ReplayStatus.DONE, at=NOW
)


@pytest.mark.parametrize(
    ("message", "subjects"),
    [
        (an_invoice_changed(terms=TERMS), {TERMS.invoice_id}),
        (an_invoice_changed(terms=TERMS, request_id="req_1"), {TERMS.invoice_id, "req_1"}),
        (
            an_invoice_changed(terms=TERMS, notice=NOTICE, notifications=(a_notification(),)),
            {TERMS.invoice_id, NOTICE.notice_id, MERCHANT},
        ),
        (a_notice_held(), {MERCHANT}),
        (a_deliveries_started(), set()),
        (a_deliveries_started(deliveries=(a_delivery(), AGAIN)), {AGAIN.delivery_id}),
        (a_delivery_attempted(), set()),
        (a_delivery_attempted(number_of_round=1), {a_delivery().delivery_id}),
        (an_endpoint_told(), {MERCHANT}),
        (an_acknowledgement_taken(), {a_delivery().notification_id}),
        (a_notice_accepted(), set()),
        (a_quarantined(), set()),
        (REPLAY_BEGUN, {"rpl_1"}),
        (REPLAY_OVER, {"rpl_1"}),
        (REPLAY_ON, set()),
    ],
)
def test_a_message_names_whom_it_concerns(
    message: HistoryMessage | Quarantined, subjects: set[str]
) -> None:
    assert set(subjects_of(archived(message)[0])) == subjects
