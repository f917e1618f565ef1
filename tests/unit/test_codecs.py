"""Bytes to values and back: what is written is read again, and anything else is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import codecs
from streams.domain.errors import CorruptState, Malformed
from streams.domain.invoice import Invoice, InvoiceTerms
from streams.domain.notice import Notice, Store
from streams.domain.resolution import Assigned, ReferenceRow
from streams.happenings import HistoryMessage, Quarantined
from streams.messages import (
    DirectoryMessage,
    InvoiceMessage,
    NotificationMessage,
    ReferenceMessage,
)
from tests.builders import (
    NOW,
    a_delivery,
    a_notice,
    a_notice_applied,
    a_payment_id,
    an_endpoint,
    an_invoice,
    an_invoice_terms,
)
from tests.step_builders import (
    a_cancelled,
    a_deadline_passed,
    a_notice_matched,
    a_waiting,
    an_assignment,
)
from tests.strategies import some_notices, some_terms

# --- what is written is read again

times = st.datetimes(
    min_value=datetime(2000, 1, 1), max_value=datetime(2099, 1, 1), timezones=st.just(UTC)
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
bounded = st.integers(-(2**53), 2**53)
strategies: dict[Any, st.SearchStrategy[Any]] = {datetime: times, str: texts, int: bounded}


def values(union: Any) -> st.SearchStrategy[Any]:
    """Any value of the type, its times in UTC, its text without lone surrogates."""
    with_times = {kind: strategy for kind, strategy in strategies.items()}
    for kind, strategy in with_times.items():
        st.register_type_strategy(kind, strategy)
    return st.from_type(union)


@pytest.mark.parametrize(
    ("union", "decode"),
    [
        (ReferenceMessage, codecs.decode_reference_message),
        (InvoiceMessage, codecs.decode_invoice_message),
        (NotificationMessage, codecs.decode_notification_message),
        (DirectoryMessage, codecs.decode_directory_message),
        (HistoryMessage | Quarantined, codecs.decode_archived),
    ],
)
def test_placeholder(union: Any, decode: Callable[[bytes], Any]) -> None:
    """Replaced below."""
