"""What each provider sends for a payment, in its own bytes, and how it hears that it was taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from connectors.providers import (
    JAPAN,
    DskRow,
    Request,
    dsk_file,
    generic_request,
    gmo_request,
    sbps_request,
)
from loadtests.merchants import AMOUNT_YEN
from loadtests.schedule import CANCELLED, CONFIRMED, FILED, PRELIMINARY, Payment
from streams.domain.slip import build_barcode, canonical_slip

COMPANY_CODE = "12345"
MAKER_CODE = "929023"
OK = 200
LATER = timedelta(minutes=1)
"""What follows a payment says that it was sent so much later."""
SBPS_TYPES = {PRELIMINARY: "1", CANCELLED: "2", CONFIRMED: "3"}
DSK_CODES = {PRELIMINARY: "01", CONFIRMED: "02", CANCELLED: "03"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A channel account of a merchant as the product gave it, with the merchant's own key."""

    id: str
    notice_path: str
    config: Mapping[str, str]
    api_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a request says of one payment; `number` tells it from others of the same reference."""

    number: int
    reference: str
    kind: str
    paid_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One provider: its accounts, its references, its requests, and the answer that it wants."""

    channel: str
    config: Callable[[int], dict[str, str]]
    reference: Callable[[int, date], str]
    request: Callable[[Account, Sequence[Told]], Request]
    is_taken: Callable[[int, bytes], bool]
    canonical: Callable[[str], str] = str
    """The reference as it is told to merchants."""


def _success(status: int, _body: bytes) -> bool:
    return status // 100 == OK // 100


def _generic(account: Account, told: Sequence[Told]) -> Request:
    (each,) = told
    members: dict[str, Any] = {
        "notice_id": f"N-{each.kind}-{each.number}",
        "kind": each.kind,
        "reference": each.reference,
        "amount_yen": AMOUNT_YEN,
        "payment_id": f"P-{each.number}",
        "paid_at": each.paid_at.isoformat(),
        "store": {"chain": "020", "code": "110001"},
    }
    return generic_request(config=account.config, **members)


def _gmo(account: Account, told: Sequence[Told]) -> Request:
    (each,) = told
    return gmo_request(
        config=account.config,
        order_id=each.reference,
        amount_yen=AMOUNT_YEN,
        at=each.paid_at,
        access_id=f"load{each.number:028d}",
    )


def _sbps(account: Account, told: Sequence[Told]) -> Request:
    (each,) = told
    return sbps_request(
        config=account.config,
        tracking_id=each.reference,
        amount_yen=AMOUNT_YEN,
        at=each.paid_at + LATER * (each.kind != PRELIMINARY),
        rec_type=SBPS_TYPES[each.kind],
        paid=f"{each.paid_at.astimezone(JAPAN):%Y%m%d%H%M%S}",
    )


def _dsk(account: Account, told: Sequence[Told]) -> Request:
    rows = [
        DskRow(
            code=DSK_CODES[each.kind],
            barcode=each.reference,
            at=each.paid_at,
        )
        for each in told
    ]
    headers = {"Content-Type": "text/csv", "Authorization": f"Bearer {account.api_key}"}
    return headers, dsk_file(rows)


def _slip(number: int, due: date) -> str:
    return build_barcode(
        maker_code=MAKER_CODE,
        free_use=f"{COMPANY_CODE}{number:016d}",
        due_date=due,
        amount_yen=AMOUNT_YEN,
    )


FORMATS: Mapping[str, Format] = {
    "generic": Format(
        channel="konbini_digital",
        config=lambda number: {"secret": f"load-secret-{number:08d}"},
        reference=lambda number, _due: f"ORD-{number:07d}",
        request=_generic,
        is_taken=_success,
    ),
    "gmo": Format(
        channel="konbini_digital",
        config=lambda number: {
            "shop_id": f"tshop{number:08d}",
            "shop_pass": f"load-pass-{number}",
        },
        reference=lambda number, _due: f"G-{number:07d}",
        request=_gmo,
        is_taken=lambda status, body: status == OK and body == b"0",
    ),
    "sbps": Format(
        channel="konbini_digital",
        config=lambda number: {
            "merchant_id": f"{number:05d}",
            "service_id": "001",
            "hash_key": f"load-key-{number}",
        },
        reference=lambda number, _due: f"S-{number:07d}",
        request=_sbps,
        is_taken=lambda status, body: status == OK and b"<res_result>OK</res_result>" in body,
    ),
    FILED: Format(
        channel="konbini_slip",
        config=lambda _number: {"company_code": COMPANY_CODE},
        reference=_slip,
        request=_dsk,
        is_taken=_success,
        canonical=canonical_slip,
    ),
}


def reference_of(payment: Payment, due: date) -> str:
    """The reference as the channel and the invoice give it."""
    return FORMATS[payment.format].reference(payment.pays, due)


def invoice_number(payment: Payment) -> str:
    """The number of the invoice that a payment pays."""
    return f"INV-{payment.pays:07d}"


def told_reference(payment: Payment, due: date) -> str:
    """The reference as merchants are told it."""
    return FORMATS[payment.format].canonical(reference_of(payment, due))


def path_of(account: Account, form: str) -> str:
    """Where the provider's requests go: files are uploaded by the merchant."""
    return f"/v1/files?account={account.id}" if form == FILED else account.notice_path
