"""What waits at an endpoint that is enabled, and is not tried, breaks a law."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ops.audit import judge as judge_counts
from ops.stalled import LATE, judge
from streams.domain.delivery import (
    OWN_RETRY_SECONDS_MAX,
    RETRY_AFTER_SECONDS_MAX,
    RETRY_STEPS_SECONDS,
    Endpoint,
    EndpointStatus,
)
from streams.domain.health import Health
from streams.domain.ids import EndpointId
from tests.builders import ENDPOINT, NOW, an_endpoint
from tests.unit.test_audit import NO_LAG, WHOLE

BEFORE = NOW + timedelta(days=1)
REENABLED = replace(an_endpoint(), enabled_at=BEFORE)
GONE = replace(an_endpoint(), health=Health(gone_at=NOW))


def test_a_delivery_that_nothing_keeps_from_going_breaks_the_law() -> None:
    law = judge({ENDPOINT: 200}, {ENDPOINT: an_endpoint()}, BEFORE)

    assert not law.holds
    assert f"since: 200 ({ENDPOINT}; does a worker" in law.sentence
    report = judge_counts(WHOLE, NO_LAG, still=True)
    assert report.holds
    assert not report.also(law).holds


@pytest.mark.parametrize(
    "endpoint",
    [None, an_endpoint(status=EndpointStatus.DISABLED), GONE, REENABLED],
)
def test_one_that_was_stopped_meanwhile_or_removed_has_an_excuse(
    endpoint: Endpoint | None,
) -> None:
    law = judge({ENDPOINT: 200}, {ENDPOINT: endpoint}, BEFORE)

    assert law.holds
    assert law.sentence.endswith("since: 0")


def test_of_many_endpoints_some_are_named() -> None:
    names = [EndpointId(f"ep_{number}") for number in range(5)]
    law = judge(dict.fromkeys(names, 1), dict.fromkeys(names, an_endpoint()), BEFORE)

    assert "since: 5 (ep_0, ep_1, ep_2 and 2 more;" in law.sentence


def test_no_wait_between_two_attempts_is_that_long() -> None:
    longest = max(*RETRY_STEPS_SECONDS, RETRY_AFTER_SECONDS_MAX, OWN_RETRY_SECONDS_MAX)
    assert timedelta(seconds=longest) * 2 <= LATE
