"""The format `gmo`: the result notification (結果通知プログラム) of GMO Payment Gateway.

After GMO-PG's published interface of the protocol type (プロトコルタイプ): a form post whose
`PayType` and `Status` say what happened, answered by `0` (received) or `1` (failed) and sent again
about every hour, five times, unless `0` came within 15 seconds.

A konbini payment (`PAYSUCCESS`) is read as **confirmed**. GMO speaks once about it: there is no
second word that would confirm it and none that would take it back. Read as preliminary, an
invoice of a merchant who waits for confirmations would stay open for ever.

`CANCEL` and `EXPIRED` end an application that nobody has paid, so they say nothing about money.

What proves the sender is `ShopID` with `ShopPass`. GMO can mask the password in notices with
asterisks; then the asterisks are what to configure, and only the unguessable path of the account
and a filter on GMO's addresses keep forgers out.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from connectors.channel import (
    Account,
    Channel,
    ConfigField,
    Incoming,
    Reply,
    free_text,
    is_japan_time,
    japan_time,
    yen,
)
from connectors.keeping import keep_form
from streams.domain.errors import Malformed, NotAuthentic
from streams.domain.ids import notice_id, payment_id
from streams.domain.notice import AMOUNT_YEN_MAX, ChannelKind, Notice, NoticeKind, Store

CARD = "0"
KONBINI = "3"
CHANNELS = {CARD: ChannelKind.CARD, KONBINI: ChannelKind.KONBINI_DIGITAL}
"""One shop's notices of every method come to one address, so the notice says which it is."""

NO_MONEY = None
KINDS: dict[tuple[str, str], NoticeKind | None] = {
    (KONBINI, "UNPROCESSED"): NO_MONEY,
    (KONBINI, "REQSUCCESS"): NO_MONEY,
    (KONBINI, "PAYSUCCESS"): NoticeKind.CONFIRMED,
    (KONBINI, "PAYFAIL"): NO_MONEY,
    (KONBINI, "EXPIRED"): NO_MONEY,
    (KONBINI, "CANCEL"): NO_MONEY,
    (CARD, "UNPROCESSED"): NO_MONEY,
    (CARD, "AUTHENTICATED"): NO_MONEY,
    (CARD, "CHECK"): NO_MONEY,
    (CARD, "AUTH"): NO_MONEY,  # a hold: the money comes with SALES, or not at all
    (CARD, "SAUTH"): NO_MONEY,
    (CARD, "CAPTURE"): NoticeKind.CONFIRMED,
    (CARD, "SALES"): NoticeKind.CONFIRMED,
    (CARD, "VOID"): NoticeKind.REVERSED,
    (CARD, "RETURN"): NoticeKind.REVERSED,
    (CARD, "RETURNX"): NoticeKind.REVERSED,
}
PAID_AT = {KONBINI: ("FinishDate", "ReceiptDate", "TranDate"), CARD: ("TranDate",)}
"""Where the time of payment stands; the first that is filled counts."""

FIELDS_MAX = 200
BODY_BYTES_MAX = 65_536
"""A notice has about 30 fields and 600 bytes."""
ORDER_ID = re.compile(r"[0-9A-Za-z-]{1,27}")
ACCESS_ID = re.compile(r"[0-9A-Za-z]{1,32}")
YEN = "JPN"
AMOUNT = re.compile(r"[0-9]{1,10}")
SECRET = frozenset({"shoppass", "accesspass"})
"""Names of fields that are secret whatever they hold, in lower case."""
EXACT = {
    "OrderID": lambda value: ORDER_ID.fullmatch(value) is not None,
    "AccessID": lambda value: ACCESS_ID.fullmatch(value) is not None,
    **dict.fromkeys(("Amount", "Tax"), lambda value: AMOUNT.fullmatch(value) is not None),
    **dict.fromkeys(("FinishDate", "ReceiptDate", "TranDate", "PaymentTerm"), is_japan_time),
    "PayType": CHANNELS.__contains__,
    "Status": {status for _, status in KINDS}.__contains__,
    "Currency": {YEN}.__contains__,
}
"""What a notice is made of stays exact, as long as it has the form of what it is."""

Fields = dict[str, list[bytes]]


def authenticate(incoming: Incoming, config: Mapping[str, str]) -> None:
    """Compare `ShopID` and `ShopPass`, both always, in constant time."""
    try:
        fields = _fields(incoming.body)
    except Malformed as error:
        raise NotAuthentic(str(error)) from None
    right_shop = hmac.compare_digest(_only(fields, "ShopID"), config["shop_id"].encode())
    right_pass = hmac.compare_digest(_only(fields, "ShopPass"), config["shop_pass"].encode())
    if not (right_shop and right_pass):
        raise NotAuthentic("ShopID or ShopPass is wrong")


def parse(incoming: Incoming, account: Account) -> tuple[Notice, ...]:
    """One notice where money moved, none where it did not."""
    fields = _fields(incoming.body)
    pay_type, status = _text(fields, "PayType"), _text(fields, "Status")
    if (pay_type, status) not in KINDS:
        raise Malformed("PayType and Status are not a pair that this format knows")
    kind = KINDS[pay_type, status]
    if kind is NO_MONEY:
        return ()
    access_id = _access_id(fields)
    amount_yen = _amount_yen(fields)
    filled = (name for name in PAID_AT[pay_type] if _text(fields, name))
    name = next(filled, PAID_AT[pay_type][0])
    when = _text(fields, name)
    paid_at = japan_time(when, name=name)
    chain = free_text(_text(fields, "CvsCode"))
    return (
        Notice(
            # The amount and the time tell a changed sale from the same notice sent again.
            notice_id=notice_id(account.account_id, access_id, status, str(amount_yen), when),
            payment_id=payment_id(account.account_id, access_id),
            account_id=account.account_id,
            channel=CHANNELS[pay_type],
            kind=kind,
            reference=canonical_reference(_text(fields, "OrderID")),
            amount_yen=amount_yen,
            paid_at=paid_at,
            # A card's TranDate is when this was done to the sale; of a shop's payment only the
            # payment's own time is told.
            channel_at=paid_at if pay_type == CARD else None,
            store=Store(chain=chain) if chain else None,
        ),
    )


def _fields(body: bytes) -> Fields:
    """Split the form; values stay bytes, because fields that do not matter may be Shift_JIS."""
    if len(body) > BODY_BYTES_MAX:
        raise Malformed(f"a notice has at most {BODY_BYTES_MAX} bytes")
    pairs = body.split(b"&", FIELDS_MAX)
    if len(pairs) > FIELDS_MAX:
        raise Malformed(f"the form has more than {FIELDS_MAX} fields")
    fields: Fields = {}
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        key = unquote_to_bytes(name.replace(b"+", b" ")).decode("ascii", "replace")
        fields.setdefault(key, []).append(unquote_to_bytes(value.strip().replace(b"+", b" ")))
    return fields


def _only(fields: Fields, name: str) -> bytes:
    """The value of a field that is given once; a field given twice would have two meanings."""
    values = fields.get(name, [])
    return values[0] if len(values) == 1 else b""


def _text(fields: Fields, name: str) -> str:
    if len(fields.get(name, [])) > 1:
        raise Malformed(f"{name} is given twice")
    try:
        return _only(fields, name).decode("ascii")
    except UnicodeDecodeError:
        raise Malformed(f"{name} must be ASCII") from None


def _access_id(fields: Fields) -> str:
    """GMO's id of the transaction: the same for its sale and for whatever undoes it."""
    access_id = _text(fields, "AccessID")
    if not ACCESS_ID.fullmatch(access_id):
        raise Malformed("AccessID must have 1 to 32 letters and digits")
    return access_id


def _amount_yen(fields: Fields) -> int:
    if _text(fields, "Currency") not in {"", YEN}:
        raise Malformed(f"Currency must be {YEN}")
    amount_yen = yen(_text(fields, "Amount"), name="Amount")
    amount_yen += yen(_text(fields, "Tax") or "0", least=0, name="Tax")
    if amount_yen > AMOUNT_YEN_MAX:
        raise Malformed(f"Amount and Tax make more than {AMOUNT_YEN_MAX} yen")
    return amount_yen


def canonical_reference(reference: str) -> str:
    """The order id that the shop gave to GMO."""
    if not ORDER_ID.fullmatch(reference):
        raise Malformed("an OrderID has 1 to 27 letters, digits and hyphens")
    return reference


def keep(raw: bytes, config: Mapping[str, str]) -> bytes:
    """The form without passwords, and without card numbers but in what the notice is made of."""
    exact = EXACT | {"ShopID": config["shop_id"].__eq__}
    return keep_form(raw, exact=exact, secret=SECRET, secrets=[config["shop_pass"]])


def _received(*_: object) -> Reply:
    """`0`: do not send it again."""
    return Reply(status=200, content_type="text/plain", body=b"0")


def _failed(_: str) -> Reply:
    """`1`: send it again; with status 200, because GMO's rule is about the body."""
    return Reply(status=200, content_type="text/plain", body=b"1")


CHANNEL = Channel(
    name="gmo",
    config=(
        ConfigField(
            name="shop_id",
            meaning="ShopID (ショップID) of the contract",
            pattern=r"[\x21-\x7e]{1,64}",
        ),
        ConfigField(
            name="shop_pass",
            meaning="ShopPass (ショップパスワード) as the notices carry it",
            pattern=r"[\x21-\x7e]{1,64}",
            secret=True,
        ),
    ),
    content_types=frozenset({"application/x-www-form-urlencoded"}),
    authenticate=authenticate,
    parse=parse,
    canonical_reference=canonical_reference,
    accepted=_received,
    not_authentic=_failed,
    # It is kept in quarantine, and five repeats would not say it more clearly.
    unreadable=_received,
    unavailable=_failed,
    keep=keep,
)
