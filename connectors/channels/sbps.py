"""The format `sbps`: payment notices of SB Payment Service, API type (NT01-00103, NT01-00104).

After SB Payment Service's published interface of the API type: XML in Shift_JIS, signed by a SHA-1
over the values of all its elements and a shared key, in a contract without 3DES encryption of
fields.

The reference is `tracking_id`, the number under which SBPS took the order; the shop has it from
SBPS's answer to the order.

One act of paying is told from another of the same order by `rec_datetime`, the time of payment,
which the 確報 repeats from its 速報, while `request_date` is the time of the notice. Where
`rec_datetime` is a bare date, two payments of one order on one day differ by the running total
only, so the payment's place in it (total / amount) is part of the identity. That keeps the sum
of the money right however a 確報 or a cancel counts the total, because all payments of one order
have the same amount. What it cannot tell apart is a number that was paid, cancelled and paid
again within one day: it shows as cancelled until its 確報 comes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from connectors.channel import (
    Account,
    Channel,
    ConfigField,
    Incoming,
    Reply,
    is_japan_time,
    japan_time,
    yen,
)
from connectors.keeping import keep_xml
from streams.domain.errors import Malformed, NotAuthentic
from streams.domain.ids import notice_id, payment_id
from streams.domain.notice import ChannelKind, Notice, NoticeKind

PAID = {
    "NT01-00103-701": ChannelKind.KONBINI_DIGITAL,
    "NT01-00103-703": ChannelKind.PAYEASY,
}
EXPIRED = {"NT01-00104-701", "NT01-00104-703"}
"""期限切れ取消: nobody paid in time, so it says nothing about money."""
REQUEST_ID = re.compile(
    rb"<sps-api-request[ \t\r\n]+id[ \t\r\n]*=[ \t\r\n]*[\"'](NT01-0010[34]-70[13])[\"']"
)
REQUEST_ID_WITHIN_BYTES = 1_000
ANY_REQUEST_ID = "NT01-00103-701"

KINDS = {
    "1": NoticeKind.PRELIMINARY,
    "2": NoticeKind.PRELIMINARY_CANCELLED,
    "3": NoticeKind.CONFIRMED,
    "4": NoticeKind.REVERSED,
}
PAYING = {NoticeKind.PRELIMINARY, NoticeKind.CONFIRMED}

DECLARATION = re.compile(
    r"<\?xml[ \t\r\n]+version=[\"']1\.[0-9]+[\"']"
    r"(?:[ \t\r\n]+encoding=[\"']([A-Za-z0-9._-]+)[\"'])?"
    r"(?:[ \t\r\n]+standalone=[\"'](?:yes|no)[\"'])?[ \t\r\n]*\?>"
)
SHIFT_JIS = "cp932"
"""What SBPS calls Shift_JIS holds the Windows extensions (①, ㈱, 髙)."""
SHIFT_JIS_NAMES = {"shift_jis", "shift-jis", "sjis", "windows-31j", "cp932"}
DATE_DIGITS = 8
XML_SPACE = " \t\r\n"
BODY_BYTES_MAX = 65_536
"""A notice has less than one kilobyte."""
TRACKING_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
AMOUNT = re.compile(r"[0-9]{1,10}")
HASH = re.compile(r"[0-9A-Fa-f]{40}")
EXACT = {
    "tracking_id": lambda value: TRACKING_ID.fullmatch(value) is not None,
    "sps_hashcode": lambda value: HASH.fullmatch(value) is not None,
    **dict.fromkeys(
        ("rec_amount", "rec_amount_total"), lambda value: AMOUNT.fullmatch(value) is not None
    ),
    **dict.fromkeys(("rec_datetime", "request_date"), is_japan_time),
    "rec_type": KINDS.__contains__,
}
"""What a notice is made of stays exact, as long as it has the form of what it is."""

Values = list[tuple[str, str]]
"""Names and trimmed values in document order; `pay_method_info`'s stand in its place."""


def authenticate(incoming: Incoming, config: Mapping[str, str]) -> None:
    """Compare the hash code and both ids in constant time."""
    try:
        values = _values(_root(incoming.body))
        given = _one(values, "sps_hashcode")
        ids = _one(values, "merchant_id"), _one(values, "service_id")
        signed = "".join(value for name, value in values if name != "sps_hashcode")
        expected = hash_code(signed, config["hash_key"])
    except Malformed as error:
        raise NotAuthentic(str(error)) from None
    right_hash = hmac.compare_digest(given.lower().encode(), expected.encode())
    wanted = config["merchant_id"], config["service_id"]
    right_ids = hmac.compare_digest("/".join(ids).encode(), "/".join(wanted).encode())
    if not (right_hash and right_ids):
        raise NotAuthentic("sps_hashcode, merchant_id or service_id is wrong")


def hash_code(signed: str, hash_key: str) -> str:
    """SHA-1 in hexadecimal over the joined values and the key, in Shift_JIS."""
    try:
        data = (signed + hash_key).encode(SHIFT_JIS)
    except UnicodeEncodeError:
        raise Malformed("a value holds a character that Shift_JIS does not have") from None
    return hashlib.sha1(data).hexdigest()  # noqa: S324  # the provider's rule, not ours to choose


def parse(incoming: Incoming, account: Account) -> tuple[Notice, ...]:
    """One notice of a payment, none of an expiry."""
    root = _root(incoming.body)
    request_id = root.get("id", "")
    if request_id in EXPIRED:
        return ()
    if request_id not in PAID:
        raise Malformed("the id of sps-api-request is not one that this format knows")
    values = _values(root)
    kind = KINDS.get(_one(values, "rec_type"))
    if kind is None:
        raise Malformed("rec_type must be 1, 2, 3 or 4")
    amount_yen, total_yen = _amounts(values, kind)
    tracking_id = canonical_reference(_one(values, "tracking_id"))
    paid = _one(values, "rec_datetime")
    place = max(1, total_yen // amount_yen) if len(paid) == DATE_DIGITS else 1
    said = (tracking_id, kind, paid, str(amount_yen), str(total_yen))
    return (
        Notice(
            notice_id=notice_id(account.account_id, *said),
            payment_id=payment_id(account.account_id, tracking_id, paid, str(place)),
            account_id=account.account_id,
            channel=PAID[request_id],
            kind=kind,
            reference=tracking_id,
            amount_yen=amount_yen,
            paid_at=japan_time(paid, name="rec_datetime"),
            channel_at=japan_time(_one(values, "request_date"), name="request_date"),
        ),
    )


def _amounts(values: Values, kind: NoticeKind) -> tuple[int, int]:
    """The amount of this payment and the running total of the order.

    A total above the amount is a payment that was made twice: the other one has its own notice.
    """
    amount_yen = yen(_one(values, "rec_amount"), name="rec_amount")
    total_yen = yen(_one(values, "rec_amount_total"), least=0, name="rec_amount_total")
    if kind in PAYING and total_yen < amount_yen:
        raise Malformed("rec_amount_total is less than rec_amount")
    return amount_yen, total_yen


def _root(body: bytes) -> Element:
    """Parse without DTD and entities.

    expat does not know Shift_JIS, so the bytes are decoded here, by the letter; from text it
    takes no notice of a declared encoding.
    """
    if len(body) > BODY_BYTES_MAX:
        raise Malformed(f"a notice has at most {BODY_BYTES_MAX} bytes")
    try:
        text = body.decode(SHIFT_JIS)
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not Shift_JIS at byte {error.start}") from None
    declaration = DECLARATION.match(text)
    if declaration and (declaration[1] or SHIFT_JIS).lower() not in SHIFT_JIS_NAMES:
        raise Malformed("the declared encoding is not Shift_JIS")
    try:
        root: Element = fromstring(
            text[declaration.end() :] if declaration else text, forbid_dtd=True
        )
    except DefusedXmlException:
        raise Malformed("a DTD or an entity is not allowed") from None
    except ParseError as error:
        line, column = error.position
        raise Malformed(f"not XML at line {line} column {column}") from None
    if root.tag != "sps-api-request":
        raise Malformed("the root element must be sps-api-request")
    return root


def _values(root: Element) -> Values:
    values: Values = []
    for child in root:
        for leaf in child if len(child) else [child]:
            if len(leaf):
                raise Malformed("the elements are nested deeper than this format has them")
            values.append((leaf.tag, (leaf.text or "").strip(XML_SPACE)))
    return values


def _one(values: Values, name: str) -> str:
    found = [value for known, value in values if known == name]
    if len(found) != 1:
        raise Malformed(f"{name} must be given once")
    return found[0]


def canonical_reference(reference: str) -> str:
    """The tracking id of the order."""
    if not TRACKING_ID.fullmatch(reference):
        raise Malformed("a tracking_id has 1 to 64 letters, digits, hyphens and underscores")
    return reference


def _reply(result: str, reason: str = "", request_id: str = ANY_REQUEST_ID) -> Reply:
    told = b64encode(reason.encode(SHIFT_JIS, "replace")).decode()
    message = f"<res_err_msg>{told}</res_err_msg>" if told else ""
    text = (
        '<?xml version="1.0" encoding="Shift_JIS"?>'
        f'<sps-api-response id="{request_id}"><res_result>{result}</res_result>{message}'
        "</sps-api-response>"
    )
    return Reply(status=200, content_type="text/xml; charset=Shift_JIS", body=text.encode("ascii"))


def _kept(*_: object) -> Reply:
    """OK, also where it was unreadable: quarantine has it, and a repeat would be no clearer."""
    return _reply("OK")


def _refused(reason: str) -> Reply:
    return _reply("NG", reason)


def fit(reply: Reply, incoming: Incoming) -> Reply:
    """Put the id of the request into the answer, wherever the request can still be recognised."""
    match = REQUEST_ID.search(incoming.body, 0, REQUEST_ID_WITHIN_BYTES)
    if match is None:
        return reply
    body = reply.body.replace(ANY_REQUEST_ID.encode(), match[1], 1)
    return Reply(status=reply.status, content_type=reply.content_type, body=body)


def keep(raw: bytes, config: Mapping[str, str]) -> bytes:
    """The XML without the hash key, and without card numbers but in what the notice is made of."""
    ids = {name: config[name].__eq__ for name in ("merchant_id", "service_id")}
    return keep_xml(raw, encoding=SHIFT_JIS, exact=EXACT | ids, secrets=[config["hash_key"]])


CHANNEL = Channel(
    name="sbps",
    config=(
        ConfigField(
            name="merchant_id", meaning="merchant_id (マーチャントID)", pattern=r"[0-9A-Za-z]{1,20}"
        ),
        ConfigField(
            name="service_id", meaning="service_id (サービスID)", pattern=r"[0-9A-Za-z]{1,20}"
        ),
        ConfigField(
            name="hash_key",
            meaning="The hash key (ハッシュキー) of the contract",
            pattern=r"[\x21-\x7e]{1,128}",
            secret=True,
        ),
    ),
    content_types=frozenset({"text/xml", "application/xml"}),
    authenticate=authenticate,
    parse=parse,
    canonical_reference=canonical_reference,
    accepted=_kept,
    not_authentic=_refused,
    unreadable=_kept,
    unavailable=_refused,
    fit=fit,
    keep=keep,
)
