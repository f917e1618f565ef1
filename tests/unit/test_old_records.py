"""Records that were written before endpoints had options are read as they always were."""

from __future__ import annotations

from datetime import UTC, datetime

from streams.codecs import (
    decode_directory_message,
    decode_endpoints,
    decode_notification_message,
)
from streams.domain.delivery import Endpoint, EndpointStatus
from streams.domain.health import Health
from streams.domain.ids import EndpointId, MerchantId
from streams.domain.signing import Signing
from streams.messages import AttemptMade, EndpointSet, Notified

ENDPOINT = (
    b'{"endpoint_id":"ep_1","merchant_id":"mer_1","url":"https://shop.example.com/",'
    b'"types":["invoice.*"],"sealed_secret":"s1.a.b","status":"enabled",'
    b'"created_at":"2026-11-24T01:15:03.120Z","updated_at":"2026-11-24T01:15:03.120Z",'
    b'"description":"orders"}'
)
ENDPOINT_SET = b'{"endpoint":' + ENDPOINT + b',"type":"endpoint"}'
ATTEMPT_MADE = (
    b'{"merchant_id":"mer_1","delivery_id":"dlv_1","attempt":{"number":1,'
    b'"at":"2026-11-24T01:15:03Z","duration_ms":12,"status_code":500,"error":null,"answer":"",'
    b'"retry_after_seconds":null},"fraction":0.5,"first_attempt_at":"2026-11-24T01:15:03Z",'
    b'"round":0,"endpoint_id":"ep_1","created_at":"2026-11-24T01:15:03Z","type":"attempt"}'
)
NOTIFIED = (
    b'{"merchant_id":"mer_1","notifications":[{"notification_id":"evt_1","merchant_id":"mer_1",'
    b'"type":"invoice.paid","at":"2026-11-24T01:15:03Z","body":"{}","invoice_id":"inv_1"}],'
    b'"type":"notified"}'
)
MADE_AT = datetime(2026, 11, 24, 1, 15, 3, 120_000, tzinfo=UTC)
READ = Endpoint(
    endpoint_id=EndpointId("ep_1"),
    merchant_id=MerchantId("mer_1"),
    url="https://shop.example.com/",
    types=("invoice.*",),
    sealed_secret="s1.a.b",
    status=EndpointStatus.ENABLED,
    created_at=MADE_AT,
    updated_at=MADE_AT,
    description="orders",
)


def test_an_endpoint_is_read_from_every_place_where_it_stands() -> None:
    assert decode_directory_message(ENDPOINT_SET) == EndpointSet(endpoint=READ)
    assert decode_notification_message(ENDPOINT_SET) == EndpointSet(endpoint=READ)
    assert decode_endpoints(b"[" + ENDPOINT + b"]") == (READ,)


def test_an_endpoint_goes_on_as_it_did() -> None:
    (endpoint,) = decode_endpoints(b"[" + ENDPOINT + b"]")

    (secret,) = endpoint.secrets_at(MADE_AT)
    assert (secret.sealed, secret.signing) == ("s1.a.b", Signing.V1)
    assert (endpoint.sealed_headers, endpoint.timeout_seconds) == ("", None)
    assert endpoint.retry_seconds == ()
    assert (endpoint.watched_from, endpoint.health) == (MADE_AT, Health())


def test_an_endpoint_that_its_own_410_had_disabled_stays_so() -> None:
    disabled = ENDPOINT.replace(b'"enabled"', b'"disabled"')
    (endpoint,) = decode_endpoints(b"[" + disabled + b"]")

    assert endpoint.effective_status is EndpointStatus.DISABLED
    assert endpoint.status_reason is None


def test_a_notification_is_about_no_endpoint() -> None:
    notified = decode_notification_message(NOTIFIED)

    assert isinstance(notified, Notified)
    assert (notified.about, notified.notifications[0].notification_id) == (None, "evt_1")


def test_an_attempt_is_followed_by_the_standard_schedule() -> None:
    attempt = decode_notification_message(ATTEMPT_MADE)

    assert isinstance(attempt, AttemptMade)
    assert attempt.retry_seconds == ()
