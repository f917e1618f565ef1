"""Our own JSON: every fault at once, by its pointer; what makes a payment one payment; replies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.channel import Account, Incoming, Reply
from connectors.channels.generic import CHANNEL
from connectors.providers import generic_request, signed_generic
from streams.domain.errors import Malformed, NotAuthentic
from streams.domain.ids import AccountId, MerchantId, NoticeId
from streams.domain.notice import ChannelKind, Notice, NoticeKind, Store

CONFIG = {"secret": "a-shared-secret-of-a-test"}
ACCOUNT = Account(
    account_id=AccountId("ca_generic"),
    merchant_id=MerchantId("mer_1"),
    channel=ChannelKind.BANK_TRANSFER,
    format="generic",
    config=CONFIG,
)
MEMBERS: dict[str, Any] = {
    "notice_id": "n-1",
    "kind": "preliminary",
    "reference": "ORD-1001",
    "amount_yen": 12_800,
    "paid_at": "2026-11-24T10:15:00+09:00",
}
STORE = {"chain": "010", "code": "110001"}


def posted(**members: Any) -> Incoming:
    headers, body = generic_request(config=CONFIG, **MEMBERS | members)
    return incoming(headers, body)


def incoming(headers: dict[str, str], body: bytes) -> Incoming:
    return Incoming(body=body, headers={name.lower(): value for name, value in headers.items()})


def read(**members: Any) -> Notice:
    request = posted(**members)
    CHANNEL.authenticate(request, CONFIG)
    (notice,) = CHANNEL.parse(request, ACCOUNT)
    return notice


def faults_of(request: Incoming) -> tuple[tuple[str, str], ...]:
    with pytest.raises(Malformed) as refusal:
        CHANNEL.parse(request, ACCOUNT)
    for pointer, detail in refusal.value.faults:
        assert f"{pointer}: {detail}" in str(refusal.value)
    return refusal.value.faults


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_of_notice_can_be_told(kind: NoticeKind) -> None:
    notice = read(kind=kind, store=STORE, channel_at="2026-11-24T01:20:00.5Z")

    assert notice.kind is kind
    assert notice.channel is ChannelKind.BANK_TRANSFER
    assert (notice.reference, notice.amount_yen) == ("ORD-1001", 12_800)
    assert notice.paid_at == datetime(2026, 11, 24, 1, 15, tzinfo=UTC)
    assert notice.channel_at == datetime(2026, 11, 24, 1, 20, 0, 500_000, tzinfo=UTC)
    assert notice.store == Store(chain="010", code="110001")


@pytest.mark.parametrize(
    "other",
    [{"notice_id": "n-2"}, {"kind": "confirmed"}, {"reference": "ORD-2"}, {"amount_yen": 12_801}],
)
def test_the_same_notice_id_with_other_content_is_another_notice(other: dict[str, Any]) -> None:
    assert read(**other).notice_id != read().notice_id


def test_the_same_notice_at_another_time_is_a_repeat() -> None:
    again = read(paid_at="2026-11-24T10:15:01+09:00", store=STORE)

    assert again.notice_id == read().notice_id


def test_a_card_number_in_the_store_is_in_no_notice() -> None:
    notice = read(store={"chain": "店 4111 1111 1111 1111", "code": "4111111111111111"})

    assert notice.store == Store(chain="店 **** **** **** 1111", code="************1111")


@pytest.mark.parametrize("name", ["chain", "code"])
def test_the_codes_of_a_store_are_bounded(name: str) -> None:
    assert read(store=STORE | {name: "x" * 128}).store
    assert faults_of(posted(store=STORE | {name: "x" * 129}))[0][0] == f"/store/{name}"


def test_the_same_reference_time_and_store_are_the_same_payment() -> None:
    first = read(store=STORE)
    confirmed = read(notice_id="n-2", kind="confirmed", store=STORE, paid_at="2026-11-24T01:15:00Z")

    assert first.payment_id == confirmed.payment_id
    assert first.notice_id != confirmed.notice_id


@pytest.mark.parametrize(
    "other",
    [
        {"reference": "ORD-1002"},
        {"paid_at": "2026-11-24T10:15:01+09:00"},
        {"store": STORE | {"code": "110002"}},
        {"store": {"chain": "020", "code": "110001"}},
        {"store": None},
        {"payment_id": "p-1"},
    ],
)
def test_another_reference_time_or_store_is_another_payment(other: dict[str, Any]) -> None:
    assert read(**{"store": STORE} | other).payment_id != read(store=STORE).payment_id


def test_a_payment_id_alone_decides_where_it_is_given() -> None:
    first = read(payment_id="p-1", store=STORE)
    moved = read(notice_id="n-2", payment_id="p-1", paid_at="2026-11-25T00:00:00Z")

    assert first.payment_id == moved.payment_id
    assert read(payment_id="p-2", store=STORE).payment_id != first.payment_id


def test_a_payment_id_cannot_be_made_to_look_like_an_act_of_paying() -> None:
    assert read(payment_id="ORD-1001").payment_id != read().payment_id


def test_every_fault_is_told_at_once_by_its_pointer() -> None:
    request = posted(
        notice_id="",
        kind="maybe",
        amount_yen="500",
        paid_at="yesterday",
        store={"chain": 10, "shop/~": 1},
        memo="x",
    )

    pointers = [pointer for pointer, _ in faults_of(request)]

    assert sorted(pointers) == [
        *("/amount_yen", "/kind", "/memo", "/notice_id", "/paid_at"),
        *("/store/chain", "/store/shop~1~0"),
    ]


@pytest.mark.parametrize("name", MEMBERS)
def test_no_member_may_be_missing(name: str) -> None:
    members = {known: value for known, value in MEMBERS.items() if known != name}

    request = incoming(*generic_request(config=CONFIG, **members))

    assert [pointer for pointer, _ in faults_of(request)] == [f"/{name}"]


@pytest.mark.parametrize("amount", [500.7, 500.0, "500", True, None, -1, 10**10, 10**18, [1]])
def test_an_amount_is_an_integer_of_yen(amount: object) -> None:
    assert [pointer for pointer, _ in faults_of(posted(amount_yen=amount))] == ["/amount_yen"]


def test_an_integer_of_endless_digits_is_refused() -> None:
    body = posted().body.replace(b"12800", b"9" * 10_000)

    with pytest.raises(Malformed):
        CHANNEL.parse(Incoming(body=body), ACCOUNT)


@pytest.mark.parametrize("kind", sorted(set(NoticeKind) - {NoticeKind.CORRECTED}))
def test_only_a_correction_may_be_of_nothing(kind: NoticeKind) -> None:
    assert read(kind="corrected", amount_yen=0).amount_yen == 0
    assert faults_of(posted(kind=kind, amount_yen=0))[0][0] == "/amount_yen"


@pytest.mark.parametrize(
    "paid_at",
    [
        *("2026-11-24T10:15:00", "2026-11-24", "2026-11-24 10:15:00Z", "2026-11-24T10:15Z"),
        *("2026-11-24T10:15:60Z", "2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z"),
        *("0001-01-01T00:00:00+09:00", "2026-11-24T10:15:00+24:00", "1763946900", "", 1763946900),
        *(None, ["2026-11-24T10:15:00Z"], "２０２６-11-24T10:15:00Z"),
    ],
)
def test_a_time_has_its_date_its_seconds_and_its_offset(paid_at: object) -> None:
    assert [pointer for pointer, _ in faults_of(posted(paid_at=paid_at))] == ["/paid_at"]


@pytest.mark.parametrize("reference", ["", "x" * 129, "a\0b", "a\nb", "a\u3000b", "\u202eabc"])
def test_a_reference_is_printable(reference: str) -> None:
    assert [pointer for pointer, _ in faults_of(posted(reference=reference))] == ["/reference"]


@pytest.mark.parametrize("reference", ["x" * 128, "請求 42", "ｼﾛ-1", " ", "髙橋#1"])
def test_a_reference_may_be_anything_printable(reference: str) -> None:
    assert read(reference=reference).reference == reference


def test_not_all_faults_of_a_senseless_body_are_listed() -> None:
    assert len(faults_of(posted(**{f"m{n}": n for n in range(500)}))) == 20


def test_the_name_of_an_unknown_member_is_cut_and_masked() -> None:
    long, card = faults_of(posted(**{"x" * 5_000: 1, "4111111111111111": 1}))

    assert long[0] == "/" + "x" * 99
    assert card[0] == "/************1111"


@pytest.mark.parametrize(
    "given",
    ["", "sha256=", "sha256", "sha1=00", "sha256=" + "0" * 64, "\ud800", "sha256=" + "é" * 64],
)
def test_a_wrong_signature_is_refused(given: str) -> None:
    request = Incoming(body=posted().body, headers={"x-keshikomi-signature": given})

    with pytest.raises(NotAuthentic):
        CHANNEL.authenticate(request, CONFIG)
    with pytest.raises(NotAuthentic):
        CHANNEL.authenticate(Incoming(body=request.body), CONFIG)


def test_the_signature_is_over_the_bytes_not_over_what_they_mean() -> None:
    request = posted()

    with pytest.raises(NotAuthentic):
        CHANNEL.authenticate(Incoming(body=request.body + b" ", headers=request.headers), CONFIG)


def test_the_signature_is_the_published_one() -> None:
    # RFC 4231, test case 2.
    config = {"secret": "Jefe"}
    digest = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    headers, body = signed_generic(config=config, body=b"what do ya want for nothing?")

    assert headers["X-Keshikomi-Signature"] == f"sha256={digest}"
    CHANNEL.authenticate(incoming(headers, body), config)


def test_the_replies_byte_for_byte() -> None:
    assert CHANNEL.accepted(NoticeId("ntc_1"), False) == Reply(  # noqa: FBT003  # as the API calls
        status=202,
        content_type="application/json",
        body=b'{"notice_id": "ntc_1", "duplicate": false}',
    )
    assert b'"duplicate": true' in CHANNEL.accepted(NoticeId("ntc_1"), True).body  # noqa: FBT003  # as the API calls
    assert CHANNEL.not_authentic("reason") is None
    assert CHANNEL.unreadable("reason") is None
    assert CHANNEL.unavailable("reason") is None
