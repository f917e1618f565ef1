"""Open invoices by number, as their table keeps them, and the records that pay them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from streams.codecs import encode
from streams.domain.ids import (
    AccountId,
    InvoiceId,
    MerchantId,
    invoice_id,
    notice_id,
    payment_id,
)
from streams.domain.invoice import Invoice, InvoiceTerms, Reference
from streams.domain.notice import ChannelKind, Notice, NoticeKind
from streams.messages import NoticeMatched

MERCHANT, ACCOUNT = MerchantId("mer_recovery"), AccountId("ca_recovery")
REGISTERED = datetime(2026, 11, 1, 3, tzinfo=UTC)
DUE = timedelta(days=3_650)
AMOUNT_YEN = 12_800


def id_of(number: int) -> InvoiceId:
    """The id of the invoice with this number."""
    return invoice_id(MERCHANT, _number(number))


def rows(invoices: int) -> Iterator[tuple[bytes, bytes]]:
    """Rows of the invoices table; encoding each would take longer than writing it."""
    first, model = id_of(0), encode(an_invoice(0))
    for number in range(invoices):
        own = id_of(number)
        value = model.replace(first.encode(), own.encode())
        yield own.encode(), value.replace(_number(0).encode(), _number(number).encode())


def an_invoice(number: int, merchant_id: MerchantId = MERCHANT) -> Invoice:
    """An open invoice that is due in ten years."""
    text = _number(number)
    terms = InvoiceTerms(
        invoice_id=invoice_id(merchant_id, text),
        merchant_id=merchant_id,
        invoice_number=text,
        amount_yen=AMOUNT_YEN,
        due_at=REGISTERED + DUE,
        created_at=REGISTERED,
        references=(Reference(account_id=ACCOUNT, value=text),),
        metadata={"order": text, "shop": "recovery"},
    )
    return Invoice(terms=terms)


def a_payment(number: int, time: int) -> tuple[bytes, bytes]:
    """Key and value of the record which says that an invoice was paid in full."""
    text = _number(number)
    name = f"{text}-{time}"
    notice = Notice(
        notice_id=notice_id(ACCOUNT, name),
        payment_id=payment_id(ACCOUNT, name),
        account_id=ACCOUNT,
        channel=ChannelKind.KONBINI_SLIP,
        kind=NoticeKind.CONFIRMED,
        reference=text,
        amount_yen=AMOUNT_YEN,
        paid_at=REGISTERED,
    )
    own = invoice_id(MERCHANT, text)
    matched = NoticeMatched(
        merchant_id=MERCHANT, invoice_id=own, notice=notice, received_at=REGISTERED
    )
    return own.encode(), encode(matched)


def _number(number: int) -> str:
    return f"REC-{number:09}"
