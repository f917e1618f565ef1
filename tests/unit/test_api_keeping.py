"""Raw notices are kept whole, but for card numbers and the account's own secrets."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from api.keeping import kept_raw, mask_raw
from connectors.channel import Account
from connectors.channels import dsk, generic, gmo, sbps
from connectors.providers import gmo_request
from streams.clock import monotonic_seconds
from streams.domain.notice import ChannelKind
from tests.builders import ACCOUNT, MERCHANT, NOW

CARD = "4111111111111111"
LONG_SECONDS = 10
DIGITS_IN_JSON = "".join(f"\\u{ord(digit):04x}" for digit in CARD)
CHANNELS = {each.name: each for each in (dsk.CHANNEL, generic.CHANNEL, gmo.CHANNEL, sbps.CHANNEL)}
CONFIGS: Mapping[str, Mapping[str, str]] = {
    "dsk": {"company_code": "12345"},
    "generic": {"secret": "a+secret/of-a-test"},
    "gmo": {"shop_id": "4242424242424242", "shop_pass": "a b/c"},
    "sbps": {"merchant_id": "99999", "service_id": "999", "hash_key": "key-of-sbps"},
}


def account(name: str, **config: str) -> Account:
    return Account(
        account_id=ACCOUNT,
        merchant_id=MERCHANT,
        channel=ChannelKind.KONBINI_DIGITAL,
        format=name,
        config={**CONFIGS[name], **config},
    )


def kept(name: str, raw: bytes, **config: str) -> bytes:
    return kept_raw(raw, account=account(name, **config), channel=CHANNELS[name])


def masked(raw: bytes, name: str = "gmo") -> bytes:
    return mask_raw(raw, account(name), CHANNELS[name])


@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
def test_a_card_number_is_masked_in_the_encoding_of_its_text(encoding: str) -> None:
    raw = f"備考 ｶｰﾄﾞ {CARD} 山田".encode(encoding)

    assert masked(raw) == "備考 ｶｰﾄﾞ ************1111 山田".encode(encoding)


@pytest.mark.parametrize("around", [b"\xff\xfe\x81", b"\x87\x90\xed\x40"])
def test_bytes_that_are_no_text_stay_the_same_around_a_card_number(around: bytes) -> None:
    raw = around + b" 4111 1111 1111 1111 " + around

    assert masked(raw) == around + b" **** **** **** 1111 " + around


@pytest.mark.parametrize("written", [b"a b/c", b"a%20b%2Fc", b"a+b%2Fc", b"a+b%2fc", b"wrong"])
@pytest.mark.parametrize("name", [b"ShopPass", b"AccessPass", b"Shop%50ass", b"shoppass"])
def test_a_password_is_masked_by_its_name_however_it_is_written(
    name: bytes, written: bytes
) -> None:
    assert kept("gmo", name + b"=" + written + b"&x=1") == name + b"=*****&x=1"
    assert masked(name + b"=" + written + b"&x=1") == name + b"=*****&x=1"


def test_what_is_not_secret_of_the_configuration_stays() -> None:
    assert kept("gmo", b"ShopID=4242424242424242") == b"ShopID=4242424242424242"


def test_a_password_that_the_provider_has_masked_stays_as_it_is() -> None:
    assert kept("gmo", b"AccessPass=%2A%2A**&x=1") == b"AccessPass=%2A%2A**&x=1"


def test_an_exact_field_of_a_form_does_not_stop_the_masking_of_the_others() -> None:
    raw = f"ShopPass=a+b%2Fc&OrderID={CARD}&AccessID={CARD}&ClientField1={CARD}".encode()

    assert kept("gmo", raw) == (
        f"ShopPass=*****&OrderID={CARD}&AccessID={CARD}&ClientField1=************1111".encode()
    )


def test_an_order_that_contains_the_password_stays_and_the_password_goes() -> None:
    raw = b"ShopPass=1001&OrderID=ORD-1001&ClientField1=it+is+1001"

    assert kept("gmo", raw, shop_pass="1001") == (
        b"ShopPass=****&OrderID=ORD-1001&ClientField1=it+is+****"
    )


@pytest.mark.parametrize(
    ("written", "left"),
    [
        (b"4111+1111+1111+1111", b"****+****+****+1111"),
        (b"4111%201111%201111%201111", b"****%20****%20****%201111"),
        (b"4111%2D1111-1111-1111", b"****%2D****-****-1111"),
        (b"%34111111111111111", b"************1111"),
        (b"4111%81%7C1111%81%7C1111%81%7C1111", b"****%81%7C****%81%7C****%81%7C1111"),
        (b"%8ER%93c+4111111111111111", b"%8ER%93c+************1111"),
        # A wide 4 in CP932, and fifteen ones.
        (b"%82%53111111111111111", b"************1111"),
    ],
)
def test_a_card_number_is_masked_however_a_form_writes_it(written: bytes, left: bytes) -> None:
    assert kept("gmo", b"a=1&ClientField1=" + written) == b"a=1&ClientField1=" + left


def test_fields_of_the_notice_that_have_not_their_form_are_free_text() -> None:
    raw = b"OrderID=4111+1111+1111+1111&TranDate=4111111111111111&CvsCode=4111111111111111"

    assert kept("gmo", raw) == (
        b"OrderID=****+****+****+1111&TranDate=************1111&CvsCode=************1111"
    )


def test_a_time_that_passes_for_a_card_number_stays() -> None:
    raw = b"TranDate=20261124101506&PaymentTerm=20261124101506"

    assert b"20261124101506" not in kept("gmo", b"x=20261124101506")
    assert kept("gmo", raw) == raw


def test_a_sent_form_changes_in_nothing_but_its_password() -> None:
    config = {**CONFIGS["gmo"], "shop_pass": "n7xk2vq9"}
    _, body = gmo_request(
        config=config, order_id="1", amount_yen=1, at=NOW, status="PAYSUCCESS", x="山田%"
    )

    assert kept("gmo", body, **config) == body.replace(b"n7xk2vq9", b"********")


def test_every_string_of_json_is_masked_but_those_that_are_matched() -> None:
    raw = (
        f'{{"notice_id": "{CARD}", "reference" : "{CARD}", "payment_id":"{CARD}", "store": '
        f'{{"chain": "店 {CARD}", "reference": "{DIGITS_IN_JSON}"}}, '
        f'"memo": ["4111-1111-1111-1111", "a+secret\\/of-a-test"], '
        f'"r\\u0065ference2": "\\u5e97{CARD}"}}'
    )

    said = kept("generic", raw.encode()).decode()

    assert said == (
        f'{{"notice_id": "************1111", "reference" : "{CARD}", '
        '"payment_id":"************1111", "store": '
        '{"chain": "店 ************1111", "reference": "************'
        f'{DIGITS_IN_JSON[-24:]}"}}, "memo": ["****-****-****-1111", '
        '"******************"], "r\\u0065ference2": "\\u5e97************1111"}'
    )


def test_elements_of_xml_are_masked_but_those_that_the_notice_is_made_of() -> None:
    raw = (
        "<?xml version='1.0' encoding='Shift_JIS' ?>\n"
        f'<sps-api-request id="{CARD}"><tracking_id> {CARD} </tracking_id><i><rec_extra>備考 ⅰ '
        f"&#52;{CARD[1:]}</rec_extra><e/><rec_mail><![CDATA[4111 1111 ]]><!-- {CARD} -->1111 1111"
        "</rec_mail><x>key-of-sbps</x></i><rec_datetime>20261124101506</rec_datetime>"
        f"<request_date>{CARD}</request_date></sps-api-request>"
    ).encode("cp932")

    said = kept("sbps", raw).decode("cp932")

    assert said == (
        "<?xml version='1.0' encoding='Shift_JIS' ?>\n"
        f'<sps-api-request id="************1111"><tracking_id> {CARD} </tracking_id><i><rec_extra>'
        "備考 ⅰ ************1111</rec_extra><e/><rec_mail><![CDATA[**** **** ]]>"
        "<!-- ************1111 -->**** 1111</rec_mail><x>***********</x></i>"
        "<rec_datetime>20261124101506</rec_datetime>"
        "<request_date>************1111</request_date></sps-api-request>"
    )


@pytest.mark.parametrize("end", ["?>", ">"])
@pytest.mark.parametrize(
    "opener",
    [*("<!--", "<![CDATA[", "<?x ", "<? <!--", "<a ", '<"', "<'", "<\"'", "<'\"<", "<&#1;", "</")],
)
def test_openers_without_an_end_take_no_time(opener: str, end: str) -> None:
    size = 256 * 1024
    raw = ("<?x " + opener * (size // len(opener)) + end + CARD).encode()
    began = monotonic_seconds()

    for body in (raw, raw[4:]):
        assert kept("sbps", body).endswith(b"1111")

    # It is a fraction of a second; what was quadratic took more than a minute.
    assert monotonic_seconds() - began < LONG_SECONDS


@pytest.mark.parametrize("before", ["<!--", "<![CDATA[", "<r><!--", "<?x <!--"])
def test_what_stands_behind_an_opener_without_an_end_is_masked(before: str) -> None:
    assert kept("sbps", f"{before} {CARD}".encode()) == f"{before} ************1111".encode()


def test_an_instruction_hides_no_comment_and_parts_no_number() -> None:
    raw = f"<?x <!-- ?><r><a>{CARD[:8]}<?y {CARD} > ?>{CARD[8:]}</a><b>{CARD}</b></r>".encode()

    assert kept("sbps", raw) == (
        b"<?x <!-- ?><r><a>********<?y ************1111 > ?>****1111</a><b>************1111</b></r>"
    )


def test_a_line_of_a_file_is_masked_as_text() -> None:
    assert kept("dsk", f"01,ローソン{CARD}".encode("cp932")) == (
        "01,ローソン************1111".encode("cp932")
    )


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"&",
        b"=",
        b"{",
        b'{"',
        b'{"a": "\\',
        b"<",
        b"<!--",
        b"<![CDATA[",
        b"\xff\x81",
        b"%",
        b"]",
    ],
)
def test_whatever_comes_is_kept_as_it_is_where_it_holds_nothing(name: str, raw: bytes) -> None:
    assert kept(name, raw) == raw
    assert masked(raw, name) == raw


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize(
    "written",
    [
        *(CARD, "4111+1111+1111+1111", "4111%201111%201111%201111", "%34" + CARD[1:]),
        *("\\u0034" + CARD[1:], "&#52;" + CARD[1:], "&#x34;" + CARD[1:]),
    ],
)
def test_nothing_is_spared_in_quarantine(name: str, written: str) -> None:
    left = masked(f"?OrderID={written}&tracking_id={written} 41 {{".encode(), name)

    assert b"1111" in left
    assert b"11111" not in left
    assert b"1111+1111" not in left
    assert b"1111%201111" not in left
    assert b" 41 {" in left


@pytest.mark.parametrize("written", ["a+secret/of-a-test", "a%2Bsecret%2Fof-a-test"])
def test_a_secret_is_masked_in_quarantine_as_text(written: str) -> None:
    assert masked(f"[{written}".encode(), "generic") == b"[" + b"*" * len(written)
