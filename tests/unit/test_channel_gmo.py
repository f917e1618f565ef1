"""GMO's result notification: each status, the amounts, the times, the replies."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.channel import Account, Incoming, Reply
from connectors.channels.gmo import CHANNEL
from connectors.providers import gmo_request
from streams.domain.errors import Malformed, NotAuthentic
from streams.domain.ids import AccountId, MerchantId, NoticeId
from streams.domain.notice import ChannelKind, Notice, NoticeKind, Store

CONFIG = {"shop_id": "tshop00012345", "shop_pass": "n7xk2vq9"}
ACCOUNT = Account(
    account_id=AccountId("ca_gmo"),
    merchant_id=MerchantId("mer_1"),
    channel=ChannelKind.KONBINI_DIGITAL,
    format="gmo",
    config=CONFIG,
)
AT = datetime(2026, 11, 24, 1, 15, 3, tzinfo=UTC)
CARD, KONBINI = "0", "3"


def posted(**members: str) -> Incoming:
    status = members.pop("status", "PAYSUCCESS")
    pay_type = members.pop("pay_type", KONBINI)
    headers, body = gmo_request(
        config=CONFIG,
        order_id="ORD-1001",
        amount_yen=12_800,
        at=AT,
        status=status,
        pay_type=pay_type,
        **members,
    )
    return Incoming(body=body, content_type=headers["Content-Type"])


def read(**members: str) -> tuple[Notice, ...]:
    incoming = posted(**members)
    CHANNEL.authenticate(incoming, CONFIG)
    return CHANNEL.parse(incoming, ACCOUNT)


@pytest.mark.parametrize(
    ("pay_type", "status", "kind"),
    [
        (KONBINI, "UNPROCESSED", None),
        (KONBINI, "REQSUCCESS", None),
        (KONBINI, "PAYSUCCESS", NoticeKind.CONFIRMED),
        (KONBINI, "PAYFAIL", None),
        (KONBINI, "EXPIRED", None),
        (KONBINI, "CANCEL", None),
        (CARD, "UNPROCESSED", None),
        (CARD, "AUTHENTICATED", None),
        (CARD, "CHECK", None),
        (CARD, "AUTH", None),
        (CARD, "SAUTH", None),
        (CARD, "CAPTURE", NoticeKind.CONFIRMED),
        (CARD, "SALES", NoticeKind.CONFIRMED),
        (CARD, "VOID", NoticeKind.REVERSED),
        (CARD, "RETURN", NoticeKind.REVERSED),
        (CARD, "RETURNX", NoticeKind.REVERSED),
    ],
)
def test_each_status_says_something_about_money_or_nothing(
    pay_type: str, status: str, kind: NoticeKind | None
) -> None:
    kinds = [notice.kind for notice in read(pay_type=pay_type, status=status)]

    assert kinds == ([kind] if kind else [])


@pytest.mark.parametrize(
    ("pay_type", "status"),
    [
        (KONBINI, "CAPTURE"),
        (CARD, "PAYSUCCESS"),
        (KONBINI, "paysuccess"),
        (KONBINI, ""),
        ("4", "PAYSUCCESS"),
    ],
)
def test_a_pair_that_is_not_known_is_not_guessed(pay_type: str, status: str) -> None:
    with pytest.raises(Malformed, match="PayType and Status"):
        read(pay_type=pay_type, status=status)


def test_a_konbini_payment() -> None:
    (notice,) = read(chain="00007")

    assert notice.channel is ChannelKind.KONBINI_DIGITAL
    assert notice.reference == "ORD-1001"
    assert notice.amount_yen == 12_800
    assert notice.paid_at == AT
    assert notice.channel_at is None
    assert notice.store == Store(chain="00007")


def test_the_code_of_a_chain_is_short_and_no_card_number() -> None:
    (card,) = read(chain="4111111111111111")
    (long,) = read(chain="x" * 5_000)

    assert card.store == Store(chain="************1111")
    assert long.store == Store(chain="x" * 128)


def test_a_card_payment_comes_over_the_same_account() -> None:
    (notice,) = read(pay_type=CARD, status="SALES")

    assert notice.channel is ChannelKind.CARD
    assert (notice.paid_at, notice.channel_at, notice.store) == (AT, AT, None)


def test_a_sale_and_what_undoes_it_are_one_payment() -> None:
    (sale,) = read(pay_type=CARD, status="CAPTURE")
    (undone,) = read(pay_type=CARD, status="VOID", TranDate="20261124120000")

    assert sale.payment_id == undone.payment_id
    assert sale.notice_id != undone.notice_id


def test_a_sale_of_another_amount_is_another_notice_of_the_same_payment() -> None:
    (sale,) = read(pay_type=CARD, status="CAPTURE")
    (changed,) = read(pay_type=CARD, status="CAPTURE", Amount="9800", TranDate="20261125120000")

    assert sale.payment_id == changed.payment_id
    assert sale.notice_id != changed.notice_id
    assert changed.channel_at is not None
    assert sale.channel_at is not None
    assert changed.channel_at > sale.channel_at


def test_tax_is_part_of_the_amount() -> None:
    assert read(Tax="1280")[0].amount_yen == 14_080
    assert read(Tax="")[0].amount_yen == 12_800


@pytest.mark.parametrize(
    "amount", ["", "0", "-1", "+1", " 1", "1.0", "1e3", "1_000", "１", "9" * 11]
)
def test_an_amount_is_digits_alone(amount: str) -> None:
    with pytest.raises(Malformed, match="Amount must be"):
        read(Amount=amount)


def test_amount_and_tax_together_have_a_limit() -> None:
    with pytest.raises(Malformed, match="more than"):
        read(Amount="9999999999", Tax="1")


def test_another_currency_is_refused() -> None:
    with pytest.raises(Malformed, match="JPN"):
        read(Currency="USD")


def test_the_time_of_payment_is_the_first_that_is_filled() -> None:
    times = {
        "FinishDate": "20261124235959",
        "ReceiptDate": "20261125000000",
        "TranDate": "20261126000000",
    }

    assert read(**times)[0].paid_at == datetime(2026, 11, 24, 14, 59, 59, tzinfo=UTC)
    assert read(**times | {"FinishDate": ""})[0].paid_at == datetime(2026, 11, 24, 15, tzinfo=UTC)
    late = read(**times | {"FinishDate": "", "ReceiptDate": ""})[0]
    assert late.paid_at == datetime(2026, 11, 25, 15, tzinfo=UTC)
    with pytest.raises(Malformed, match="FinishDate must have"):
        read(FinishDate="", ReceiptDate="", TranDate="")


@pytest.mark.parametrize("time", ["00000101000000", "00010101000000", "20260230000000"])
def test_a_time_that_does_not_exist_is_refused(time: str) -> None:
    with pytest.raises(Malformed, match="FinishDate is not a date"):
        read(FinishDate=time)


def test_fields_that_do_not_matter_may_be_shift_jis_or_nothing_at_all() -> None:
    plain = posted()
    body = (
        plain.body
        + "&ClientField1=株式会社ソ&ClientField2=%81%5C%FF&".encode("cp932")
        + b"\x81\xff"
    )

    assert CHANNEL.parse(Incoming(body=body), ACCOUNT) == CHANNEL.parse(plain, ACCOUNT)


@pytest.mark.parametrize(
    "name", ["Amount", "OrderID", "Status", "PayType", "AccessID", "FinishDate"]
)
def test_a_field_that_is_given_twice_has_no_meaning(name: str) -> None:
    body = posted().body + f"&{name}=1".encode()

    with pytest.raises(Malformed, match=f"{name} is given twice"):
        CHANNEL.parse(Incoming(body=body), ACCOUNT)


@pytest.mark.parametrize("name", ["ShopID", "ShopPass"])
def test_a_shop_that_is_named_twice_is_nobody(name: str) -> None:
    value = CONFIG["shop_id" if name == "ShopID" else "shop_pass"]
    body = posted().body + f"&{name}={value}".encode()

    with pytest.raises(NotAuthentic):
        CHANNEL.authenticate(Incoming(body=body), CONFIG)


@pytest.mark.parametrize("access_id", ["", "a" * 33, "a b", "あ"])
def test_an_access_id_has_its_form(access_id: str) -> None:
    with pytest.raises(Malformed, match="AccessID"):
        read(AccessID=access_id)


@pytest.mark.parametrize("order_id", ["", "a" * 28, "ORD_1", "ORD 1", "注文1"])
def test_an_order_id_has_its_form(order_id: str) -> None:
    with pytest.raises(Malformed, match="OrderID"):
        read(OrderID=order_id)


def test_a_form_of_too_many_fields_or_bytes_is_refused() -> None:
    for body in (b"&" * 300, b"a" * 70_000):
        with pytest.raises(Malformed, match=r"200 fields|65536 bytes"):
            CHANNEL.parse(Incoming(body=body), ACCOUNT)
        with pytest.raises(NotAuthentic):
            CHANNEL.authenticate(Incoming(body=body), CONFIG)


def test_the_replies_byte_for_byte() -> None:
    received = Reply(status=200, content_type="text/plain", body=b"0")
    failed = Reply(status=200, content_type="text/plain", body=b"1")

    assert CHANNEL.accepted(NoticeId("ntc_1"), False) == received  # noqa: FBT003  # as the API calls
    assert CHANNEL.accepted(None, True) == received  # noqa: FBT003  # as the API calls it
    assert CHANNEL.unreadable("reason") == received
    assert CHANNEL.not_authentic("reason") == failed
    assert CHANNEL.unavailable("reason") == failed
    assert CHANNEL.fit(received, posted()) == received
