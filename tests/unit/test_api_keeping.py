"""Raw notices are kept whole, but for card numbers and the account's own secrets."""

from __future__ import annotations

import pytest

from api.keeping import kept_raw, mask_raw
from connectors.channel import Account
from connectors.channels.gmo import CHANNEL
from streams.domain.errors import Malformed
from streams.domain.notice import ChannelKind
from tests.builders import ACCOUNT, MERCHANT

CARD = "4111111111111111"
GMO = Account(
    account_id=ACCOUNT,
    merchant_id=MERCHANT,
    channel=ChannelKind.KONBINI_DIGITAL,
    format="gmo",
    config={"shop_id": "shop", "shop_pass": "a b/c"},
)


def masked(raw: bytes) -> bytes:
    return mask_raw(raw, GMO, CHANNEL)


@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
def test_a_card_number_is_masked_in_the_encoding_of_its_text(encoding: str) -> None:
    raw = f"備考 ｶｰﾄﾞ {CARD} 山田".encode(encoding)

    assert masked(raw) == "備考 ｶｰﾄﾞ ************1111 山田".encode(encoding)


@pytest.mark.parametrize("around", [b"\xff\xfe\x81", b"\x87\x90\xed\x40"])
def test_bytes_that_are_no_text_stay_the_same_around_a_card_number(around: bytes) -> None:
    raw = around + b" 4111 1111 1111 1111 " + around

    assert masked(raw) == around + b" **** **** **** 1111 " + around


@pytest.mark.parametrize("written", [b"a b/c", b"a%20b%2Fc", b"a+b%2Fc"])
def test_the_secret_is_masked_however_a_form_writes_it(written: bytes) -> None:
    assert masked(b"ShopPass=" + written + b"&x=1") == b"ShopPass=" + b"*" * len(written) + b"&x=1"


def test_what_is_not_secret_of_the_configuration_stays() -> None:
    assert masked(b"ShopID=shop") == b"ShopID=shop"


def test_a_number_that_the_notice_needs_is_kept_and_the_secret_is_not() -> None:
    def reads_the_same(raw: bytes) -> bool:
        if CARD.encode() not in raw:
            raise Malformed("the reference is gone")
        return True

    raw = f"OrderID={CARD}&ShopPass=a+b%2Fc".encode()
    kept = kept_raw(raw, account=GMO, channel=CHANNEL, reads_the_same=reads_the_same)

    assert kept == f"OrderID={CARD}&ShopPass=*******".encode()


def test_what_reads_otherwise_without_the_secret_is_kept_as_it_came() -> None:
    raw = b"OrderID=a+b%2Fc"

    assert kept_raw(raw, account=GMO, channel=CHANNEL, reads_the_same=lambda _: False) == raw
