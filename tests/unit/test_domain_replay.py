"""Which deliveries of a range a replay takes."""

from __future__ import annotations

import pytest

from streams.domain.delivery import DeliveryStatus
from streams.domain.replay import Selection

FAILED, DELIVERED, PENDING = (
    DeliveryStatus.FAILED,
    DeliveryStatus.DELIVERED,
    DeliveryStatus.PENDING,
)


@pytest.mark.parametrize(
    ("statuses", "types", "status", "kind", "taken"),
    [
        ((FAILED,), (), FAILED, "invoice.paid", ["invoice.paid"]),
        ((FAILED,), (), DELIVERED, "invoice.paid", []),
        ((FAILED, DELIVERED), (), DELIVERED, "invoice.paid", ["invoice.paid"]),
        ((FAILED, PENDING), (), PENDING, "invoice.paid", []),
        ((FAILED,), ("invoice.*",), FAILED, "invoice.paid", ["invoice.paid"]),
        ((FAILED,), ("payment.*",), FAILED, "invoice.paid", []),
    ],
)
def test_a_replay_takes_what_was_asked_for_and_is_not_under_way(
    statuses: tuple[DeliveryStatus, ...],
    types: tuple[str, ...],
    status: DeliveryStatus,
    kind: str,
    taken: list[str],
) -> None:
    selection = Selection(first=1, last=9, statuses=statuses, types=types)

    assert [each for each in (kind,) if selection.takes(status, each)] == taken
