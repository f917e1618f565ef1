"""Requests as the providers build them, valid in every part, for simulators, load and tests.

Each function gives (headers, body) of a `POST /channels/{account_id}/notices`; `dsk_file` gives the
body of a `POST /v1/files`. They are written from the providers' side, and share no code with the
readers of the formats.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

JAPAN = timezone(timedelta(hours=9))
KONBINI = "3"
DSK_HEADER = (
    *("種別", "収納日", "収納時刻", "バーコード情報", "ユーザー使用欄１", "ユーザー使用欄２"),
    *("印紙フラグ", "金額", "コンビニ本部コード", "コンビニ名", "コンビニ店舗コード"),
    *("振込日", "データ作成日"),
)
DSK_CHAIN_NAMES = {
    "010": "セブン－イレブン",
    "020": "ローソン",
    "030": "ファミリーマート",
    "910": "郵便振替",
    "911": "郵便振替（窓口）",
}
DSK_SETTLED = {"02", "12", "22"}
DSK_PAYOUT_AFTER = timedelta(days=12)

Request = tuple[dict[str, str], bytes]


def gmo_request(
    *,
    config: Mapping[str, str],
    order_id: str,
    amount_yen: int,
    at: datetime,
    status: str = "PAYSUCCESS",
    pay_type: str = KONBINI,
    access_id: str | None = None,
    chain: str = "10001",
    **changed: str,
) -> Request:
    """A result notification of GMO-PG; `changed` replaces or adds fields."""
    stamp = _stamp(at)
    transaction = hashlib.sha256(order_id.encode()).hexdigest()
    konbini = pay_type == KONBINI
    own = _gmo_konbini(transaction, chain, at) if konbini else _gmo_card(transaction, status, at)
    fields = {
        "ShopID": config["shop_id"],
        "ShopPass": config["shop_pass"],
        "AccessID": access_id or transaction[:32],
        "AccessPass": "*" * 32,
        "OrderID": order_id,
        "Status": status,
        "Amount": str(amount_yen),
        "Tax": "0",
        "Currency": "JPN",
        "TranDate": stamp,
        "ErrCode": "",
        "ErrInfo": "",
        "PayType": pay_type,
        "FinishDate": stamp if status == "PAYSUCCESS" else "",
    }
    body = urlencode(fields | own | changed, encoding="cp932").encode("ascii")
    return {"Content-Type": "application/x-www-form-urlencoded"}, body


def _gmo_konbini(transaction: str, chain: str, at: datetime) -> dict[str, str]:
    return {
        "CvsCode": chain,
        "CvsConfNo": "12345",
        "CvsReceiptNo": f"LW{int(transaction[:8], 16):010d}",
        "PaymentTerm": _stamp(at + timedelta(days=3)),
        "ReceiptDate": _stamp(at),
    }


def _gmo_card(transaction: str, status: str, at: datetime) -> dict[str, str]:
    return {
        "JobCd": status,
        "Forward": "2a99662",
        "Method": "1",
        "PayTimes": "",
        "TranID": f"{_stamp(at)}{int(transaction[:11], 16):014d}",
        "Approve": f"{int(transaction[:5], 16):07d}",
    }


def sbps_request(
    *,
    config: Mapping[str, str],
    tracking_id: str,
    amount_yen: int,
    at: datetime,
    rec_type: str = "1",
    total_yen: int | None = None,
    request_id: str = "NT01-00103-701",
    paid: str | None = None,
    **changed: str,
) -> Request:
    """A payment notice of SBPS, its hash code over what it says; `changed` replaces values."""
    values = {
        "merchant_id": config["merchant_id"],
        "service_id": config["service_id"],
        "sps_transaction_id": hashlib.sha256(tracking_id.encode()).hexdigest()[:32],
        "tracking_id": tracking_id,
        "rec_datetime": paid or _stamp(at),
        "rec_type": rec_type,
        "rec_amount": str(amount_yen),
        "rec_amount_total": str(amount_yen if total_yen is None else total_yen),
        "rec_mail": "payer@example.jp",
        "rec_extra": "備考",
        "request_date": _stamp(at),
    } | changed
    method = [name for name in values if name.startswith("rec_") and name != "rec_datetime"]
    if "-00104-" in request_id:  # an expiry has no payment to tell about
        values = {name: value for name, value in values.items() if name not in method}
    signed = "".join(values.values()) + config["hash_key"]
    digest = hashlib.sha1(signed.encode("cp932")).hexdigest()  # noqa: S324  # SBPS's rule
    text = _sbps_xml(request_id, values | {"sps_hashcode": digest}, method)
    return {"Content-Type": "text/xml; charset=Shift_JIS"}, text.encode("cp932")


def _sbps_xml(request_id: str, values: Mapping[str, str], method: Sequence[str]) -> str:
    lines = ["<?xml version='1.0' encoding='Shift_JIS' ?>", f'<sps-api-request id="{request_id}">']
    for name, value in values.items():
        if name == "rec_type":
            lines.append("  <pay_method_info>")
        indent = "    " if name in method else "  "
        lines.append(f"{indent}<{name}>{value}</{name}>")
        if name == "rec_extra":
            lines.append("  </pay_method_info>")
    return "\n".join([*lines, "</sps-api-request>", ""])


@dataclass(frozen=True, slots=True, kw_only=True)
class DskRow:
    """One row of a DSK file; the barcode's own amount unless a correction says another."""

    code: str
    barcode: str
    at: datetime
    chain: str = "010"
    store: str = "110001"
    amount_yen: int | None = None
    created: datetime | None = None


def dsk_file(rows: Sequence[DskRow]) -> bytes:
    """A file of 収納データ: CP932, CRLF, header row."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(DSK_HEADER)
    for row in rows:
        barcode = row.barcode
        at = row.at.astimezone(JAPAN)
        amount_yen = int(barcode[37:43]) if row.amount_yen is None else row.amount_yen
        payout = f"{at + DSK_PAYOUT_AFTER:%Y%m%d}" if row.code in DSK_SETTLED else "0"
        writer.writerow(
            (
                *(row.code, f"{at:%Y%m%d}", "0000" if row.chain[0] == "9" else f"{at:%H%M}"),
                *(f"EAN{barcode}", barcode[13:19], barcode[19:30], barcode[36], amount_yen),
                *(row.chain, DSK_CHAIN_NAMES.get(row.chain, "コンビニ"), row.store, payout),
                f"{(row.created or row.at).astimezone(JAPAN):%Y%m%d}",
            )
        )
    return text.getvalue().encode("cp932")


def generic_request(*, config: Mapping[str, str], **members: object) -> Request:
    """A notice in our own JSON: `members` are those of the body."""
    body = json.dumps(members, ensure_ascii=False).encode()
    return signed_generic(config=config, body=body)


def signed_generic(*, config: Mapping[str, str], body: bytes) -> Request:
    """Any bytes with a signature that fits them."""
    digest = hmac.new(config["secret"].encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-Keshikomi-Signature": f"sha256={digest}",
    }
    return headers, body


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(JAPAN):%Y%m%d%H%M%S}"
