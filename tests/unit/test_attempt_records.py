"""Attempts are kept with their stages, and those of before stages were measured are read."""

from __future__ import annotations

from datetime import UTC, datetime

from streams.codecs import decode_archived, encode
from streams.domain.delivery import Attempt, DeliveryStatus
from streams.domain.ids import DeliveryId, EndpointId, MerchantId
from streams.happenings import DeliveryAttempted

AT = datetime(2026, 11, 24, 1, 15, 3, 120_000, tzinfo=UTC)
OLD = (
    b'{"merchant_id":"mer_1","delivery_id":"dlv_1","round":0,"status":"retrying",'
    b'"at":"2026-11-24T01:15:03.120000Z","attempt":{"number":1,"at":"2026-11-24T01:15:03.120000Z",'
    b'"duration_ms":12,"status_code":500,"error":null,"answer":"no","retry_after_seconds":null},'
    b'"next_attempt_at":null,"reason":null,"endpoint_id":"ep_1",'
    b'"created_at":"2026-11-24T01:15:03.120000Z","type":"attempted"}'
)


def recorded(attempt: Attempt) -> DeliveryAttempted:
    return DeliveryAttempted(
        merchant_id=MerchantId("mer_1"),
        delivery_id=DeliveryId("dlv_1"),
        round=0,
        status=DeliveryStatus.RETRYING,
        at=AT,
        attempt=attempt,
        endpoint_id=EndpointId("ep_1"),
        created_at=AT,
    )


def test_an_attempt_of_before_stages_is_read_without_any() -> None:
    old = Attempt(
        number=1,
        at=AT,
        duration_ms=12,
        status_code=500,
        answer="no",
        address=None,
        waiting_ms=None,
        dns_ms=None,
        connect_ms=None,
        tls_ms=None,
        first_byte_ms=None,
    )

    assert decode_archived(OLD) == recorded(old)


def test_the_stages_are_kept_where_history_is_built_from() -> None:
    made = Attempt(
        number=2,
        at=AT,
        duration_ms=48,
        status_code=204,
        address="2606:4700:4700::1111",
        waiting_ms=1,
        dns_ms=12,
        connect_ms=9,
        tls_ms=14,
        first_byte_ms=11,
    )

    assert decode_archived(encode(recorded(made))) == recorded(made)
