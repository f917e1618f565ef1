"""The simulated channels: each says what it has to say in the bytes that its provider sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.providers import DskRow, dsk_file, gmo_request, sbps_request

GMO = {"shop_id": "tshop00000001", "shop_pass": "demo-pass-gmo"}
GMO_HANGING = {"shop_id": "tshop00000002", "shop_pass": "demo-pass-gmo-2"}
SBPS = {"merchant_id": "30132", "service_id": "001", "hash_key": "demo-hash-key-sbps"}
Request = tuple[dict[str, str], bytes]
"""Headers and body."""

DSK = {"company_code": "12345"}
PRELIMINARY, CANCELLED, CONFIRMED = "1", "2", "3"
GMO_RECEIVED = b"0"
SBPS_OK = b"<res_result>OK</res_result>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A channel account as the product gave it."""

    id: str
    notice_path: str
    config: Mapping[str, str]


def gmo(account: Account, order_id: str, amount_yen: int, at: datetime) -> Request:
    """結果通知: paid in a konbini."""
    return gmo_request(config=account.config, order_id=order_id, amount_yen=amount_yen, at=at)


def gmo_unreadable(account: Account, order_id: str, at: datetime) -> Request:
    """An authentic notice whose amount is no amount."""
    return gmo_request(config=account.config, order_id=order_id, amount_yen=1, at=at, Amount="1e3")


def sbps(
    account: Account, tracking_id: str, amount_yen: int, at: datetime, kind: str = PRELIMINARY
) -> Request:
    """入金通知: 速報, 速報取消 or 確報 of a payment that was made at this time."""
    return sbps_request(
        config=account.config,
        tracking_id=tracking_id,
        amount_yen=amount_yen,
        at=at,
        rec_type=kind,
        total_yen=0 if kind == CANCELLED else amount_yen,
    )


def dsk(barcodes: Sequence[str], at: datetime) -> bytes:
    """収納データ: a file with a 速報 for each of these slips."""
    return dsk_file([DskRow(code="01", barcode=barcode, at=at) for barcode in barcodes])
