"""SBPS's payment notices: each rec_type, the running total, the hash, the replies."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.channel import Account, Incoming, Reply
from connectors.channels.sbps import CHANNEL, hash_code
from connectors.providers import sbps_request
from streams.domain.errors import Malformed, NotAuthentic
from streams.domain.ids import AccountId, MerchantId, NoticeId, PaymentId
from streams.domain.notice import ChannelKind, Notice, NoticeKind
from streams.domain.payment import PaymentState, payment_of

CONFIG = {"merchant_id": "99999", "service_id": "999", "hash_key": "3f9a1c0d5e7b2468"}
ACCOUNT = Account(
    account_id=AccountId("ca_sbps"),
    merchant_id=MerchantId("mer_1"),
    channel=ChannelKind.KONBINI_DIGITAL,
    format="sbps",
    config=CONFIG,
)
AT = datetime(2026, 11, 24, 1, 15, 3, tzinfo=UTC)
DAY = "20261124"


def posted(**members: Any) -> Incoming:
    given: dict[str, Any] = {
        "tracking_id": "12345678901234",
        "amount_yen": 10_800,
        "at": AT,
    } | members
    headers, body = sbps_request(config=CONFIG, **given)
    return Incoming(body=body, content_type=headers["Content-Type"])


def read(**members: Any) -> Notice:
    incoming = posted(**members)
    CHANNEL.authenticate(incoming, CONFIG)
    (notice,) = CHANNEL.parse(incoming, ACCOUNT)
    return notice


def with_body(body: bytes) -> Incoming:
    return Incoming(body=body)


def live_yen(*notices: Notice) -> int:
    """What the notices are worth, as an invoice would count them."""
    payments: dict[PaymentId, list[Notice]] = {}
    for notice in notices:
        payments.setdefault(notice.payment_id, []).append(notice)
    return sum(payment_of(said).live_yen for said in payments.values())


@pytest.mark.parametrize(
    ("rec_type", "kind"),
    [
        ("1", NoticeKind.PRELIMINARY),
        ("2", NoticeKind.PRELIMINARY_CANCELLED),
        ("3", NoticeKind.CONFIRMED),
        ("4", NoticeKind.REVERSED),
    ],
)
def test_each_rec_type_is_a_kind_of_the_same_payment(rec_type: str, kind: NoticeKind) -> None:
    notice = read(rec_type=rec_type)

    assert notice.kind is kind
    assert notice.payment_id == read().payment_id
    assert notice.reference == "12345678901234"
    assert notice.amount_yen == 10_800
    assert notice.paid_at == AT


@pytest.mark.parametrize("rec_type", ["0", "5", "", "01", "１"])
def test_an_unknown_rec_type_is_not_guessed(rec_type: str) -> None:
    with pytest.raises(Malformed, match="rec_type"):
        read(rec_type=rec_type)


@pytest.mark.parametrize(
    ("request_id", "channel"),
    [
        ("NT01-00103-701", ChannelKind.KONBINI_DIGITAL),
        ("NT01-00103-703", ChannelKind.PAYEASY),
    ],
)
def test_the_request_says_which_channel(request_id: str, channel: ChannelKind) -> None:
    assert read(request_id=request_id).channel is channel


@pytest.mark.parametrize("request_id", ["NT01-00104-701", "NT01-00104-703"])
def test_an_expiry_is_authentic_and_tells_of_no_money(request_id: str) -> None:
    incoming = posted(request_id=request_id)
    CHANNEL.authenticate(incoming, CONFIG)

    assert CHANNEL.parse(incoming, ACCOUNT) == ()


@pytest.mark.parametrize("request_id", ["NT01-00103-702", "", "ST01-00103-101"])
def test_an_unknown_request_is_refused(request_id: str) -> None:
    with pytest.raises(Malformed, match="the id of sps-api-request"):
        read(request_id=request_id)


def test_the_confirmation_joins_its_preliminary_and_a_second_payment_does_not() -> None:
    first = read()
    confirmed = read(rec_type="3", request_date="20261201000000")
    second = read(at=datetime(2026, 11, 24, 2, tzinfo=UTC), total_yen=21_600)

    assert first.payment_id == confirmed.payment_id
    assert first.notice_id != confirmed.notice_id
    assert second.payment_id != first.payment_id
    assert second.amount_yen == 10_800, "the total is not the amount of this payment"
    assert live_yen(first, confirmed, second) == 21_600


def test_the_same_notice_sent_later_is_the_same_notice() -> None:
    assert read().notice_id == read(request_date="20261124235959").notice_id


def test_scanned_cancelled_and_scanned_again_is_one_live_payment() -> None:
    again = datetime(2026, 11, 24, 1, 20, tzinfo=UTC)

    notices = read(), read(rec_type="2", total_yen=0), read(at=again)

    assert live_yen(*notices) == 10_800


@pytest.mark.parametrize("total_after_cancel", [0, 10_800])
def test_a_bare_date_keeps_the_sum_right_however_a_cancel_counts_the_total(
    total_after_cancel: int,
) -> None:
    paid = read(paid=DAY)

    cancelled = read(paid=DAY, rec_type="2", total_yen=total_after_cancel)

    assert live_yen(paid, cancelled) == 0
    assert paid.paid_at == datetime(2026, 11, 23, 15, tzinfo=UTC), "the day begins in Japan"


@pytest.mark.parametrize("total_confirmed", [10_800, 21_600])
def test_a_bare_date_keeps_two_payments_of_one_day_apart(total_confirmed: int) -> None:
    first = read(paid=DAY)
    second = read(paid=DAY, total_yen=21_600)
    confirmed = read(paid=DAY, rec_type="3", total_yen=total_confirmed)

    assert live_yen(first, second) == 21_600
    assert live_yen(first, second, confirmed) == 21_600
    assert payment_of([first, confirmed]).state is PaymentState.CONFIRMED


@pytest.mark.parametrize("rec_type", ["1", "3"])
def test_a_total_below_the_amount_is_a_contradiction(rec_type: str) -> None:
    with pytest.raises(Malformed, match="rec_amount_total"):
        read(rec_type=rec_type, total_yen=10_799)


@pytest.mark.parametrize("amount", ["", "0", "-1", "1.0", "１", "9" * 11])
def test_an_amount_is_digits_alone(amount: str) -> None:
    with pytest.raises(Malformed, match="amount"):
        read(rec_amount=amount)


def test_the_hash_code_is_over_every_value_in_order_then_the_key_in_shift_jis() -> None:
    body = posted().body
    values = (
        *("99999", "999", hashlib.sha256(b"12345678901234").hexdigest()[:32], "12345678901234"),
        *("20261124101503", "1", "10800", "10800", "payer@example.jp", "備考", "20261124101503"),
    )
    expected = hashlib.sha1("".join([*values, CONFIG["hash_key"]]).encode("cp932")).hexdigest()  # noqa: S324  # SBPS's rule

    assert f"<sps_hashcode>{expected}</sps_hashcode>".encode() in body
    assert hash_code("".join(values), CONFIG["hash_key"]) == expected
    CHANNEL.authenticate(
        with_body(body.replace(expected.encode(), expected.upper().encode())), CONFIG
    )


def test_space_around_values_is_not_part_of_them() -> None:
    body = posted().body.replace(b"<rec_amount>10800<", b"<rec_amount>\r\n\t 10800 <")

    CHANNEL.authenticate(with_body(body), CONFIG)
    assert CHANNEL.parse(with_body(body), ACCOUNT)[0].amount_yen == 10_800


@pytest.mark.parametrize("name", ["merchant_id", "service_id"])
def test_another_shop_with_the_same_key_is_not_ours(name: str) -> None:
    with pytest.raises(NotAuthentic):
        CHANNEL.authenticate(posted(**{name: "8"}), CONFIG)


def test_windows_characters_are_read_and_hashed() -> None:
    assert read(rec_extra="㈱髙橋①～").amount_yen == 10_800


def test_a_character_that_shift_jis_does_not_have_cannot_be_signed() -> None:
    body = posted().body.replace("備考".encode("cp932"), b"&#x1F600;")

    with pytest.raises(NotAuthentic, match="Shift_JIS"):
        CHANNEL.authenticate(with_body(body), CONFIG)


@pytest.mark.parametrize(
    "name", ["rec_type", "rec_amount", "tracking_id", "rec_datetime", "request_date"]
)
def test_a_value_stands_once(name: str) -> None:
    body = posted().body
    twice = body.replace(b"</sps-api-request>", f"<{name}>1</{name}></sps-api-request>".encode())
    absent = body.replace(f"{name}>".encode(), b"other>")

    for wrong in (twice, absent):
        with pytest.raises(Malformed, match=f"{name} must be given once"):
            CHANNEL.parse(with_body(wrong), ACCOUNT)


@pytest.mark.parametrize("tracking_id", ["", "a b", "あ", "1" * 65])
def test_a_tracking_id_has_its_form(tracking_id: str) -> None:
    with pytest.raises(Malformed, match="tracking_id"):
        read(tracking_id=tracking_id)


def xml(text: str) -> Reply:
    return Reply(
        status=200,
        content_type="text/xml; charset=Shift_JIS",
        body=f'<?xml version="1.0" encoding="Shift_JIS"?>{text}'.encode("ascii"),
    )


def test_the_replies_byte_for_byte() -> None:
    ok = xml('<sps-api-response id="NT01-00103-701"><res_result>OK</res_result></sps-api-response>')
    ng = xml(
        '<sps-api-response id="NT01-00103-701"><res_result>NG</res_result>'
        "<res_err_msg>g0eDiYFbg4GDYoNagVuDVw==</res_err_msg></sps-api-response>"
    )

    assert CHANNEL.accepted(NoticeId("ntc_1"), False) == ok  # noqa: FBT003  # as the API calls it
    assert CHANNEL.accepted(None, True) == ok  # noqa: FBT003  # as the API calls it
    assert CHANNEL.unreadable("エラーメッセージ") == ok
    assert CHANNEL.not_authentic("エラーメッセージ") == ng
    assert CHANNEL.unavailable("エラーメッセージ") == ng


@pytest.mark.parametrize(
    "request_id", ["NT01-00103-701", "NT01-00103-703", "NT01-00104-701", "NT01-00104-703"]
)
def test_the_answer_names_the_request(request_id: str) -> None:
    reply = CHANNEL.fit(CHANNEL.accepted(None, False), posted(request_id=request_id))  # noqa: FBT003  # as the API calls it

    assert reply == xml(
        f'<sps-api-response id="{request_id}"><res_result>OK</res_result></sps-api-response>'
    )


def test_an_answer_to_what_cannot_be_recognised_names_the_usual_request() -> None:
    reply = CHANNEL.unavailable("x")

    assert reply is not None
    assert CHANNEL.fit(reply, with_body(b"<sps-api-request id='\"><x>'>")) == reply
