"""The webhooks of `keshikomi certify`: made by the product's own step, of invented payments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import orjson

from agents.settling import settling
from agents.step import Envelope, Step
from streams.codecs import decode_notification_message, encode
from streams.domain.ids import (
    AccountId,
    InvoiceId,
    MerchantId,
    NotificationId,
    invoice_id,
    notice_id,
    payment_id,
)
from streams.domain.invoice import Customer, InvoiceTerms, Reference
from streams.domain.notice import ChannelKind, Notice, NoticeKind, Store
from streams.domain.notification import Notification
from streams.domain.sequence import numbered_body
from streams.messages import InvoiceMessage, InvoiceRegistered, NoticeMatched, Notified
from streams.payloads import rfc3339
from streams.ports import Place
from streams.topics import INVOICES, NOTIFICATIONS

MERCHANT, ACCOUNT = MerchantId("mer_certify"), AccountId("ca_certify")
AMOUNT_YEN = 12_800
PARTS_OF_LARGE = 90
"""So many payments of one yen make a body of 20 KB."""
PING = "endpoint.ping"
STEP = timedelta(milliseconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One webhook: its id, its type and its body."""

    id: str
    type: str
    body: bytes


class Numbering:
    """Gives webhooks their places among all that one endpoint is sent, as the product does."""

    def __init__(self, first: int) -> None:
        self.first, self.last = first, first - 1
        self._last_id = NotificationId(f"evt_{self.last:032x}")

    def give(self, webhook: Webhook) -> Webhook:
        """The webhook with the next number."""
        numbered = self.show(webhook)
        self.last += 1
        self._last_id = NotificationId(webhook.id)
        return numbered

    def show(self, webhook: Webhook) -> Webhook:
        """The webhook with the next number, which stays free: for what must be refused."""
        body = numbered_body(webhook.body.decode(), self.last + 1, self._last_id)
        return replace(webhook, body=body.encode())


class Story:
    """One invoice and what its payments make the product say, in the order in which it is true."""

    def __init__(self, invoice_number: str, *, at: datetime) -> None:
        self.invoice_number = invoice_number
        self._invoice_id = invoice_id(MERCHANT, invoice_number)
        self._at = at
        self._offset = 0
        self._step: Step = settling(invoices={}, watch=_watch)
        list(self._say(InvoiceRegistered(terms=self._terms())))

    def _terms(self) -> InvoiceTerms:
        return InvoiceTerms(
            invoice_id=self._invoice_id,
            merchant_id=MERCHANT,
            invoice_number=self.invoice_number,
            amount_yen=AMOUNT_YEN,
            due_at=self._at + timedelta(days=7),
            created_at=self._at - timedelta(hours=1),
            references=(Reference(account_id=ACCOUNT, value=self.invoice_number),),
            customer=Customer(name="山田 太郎", kana="ﾔﾏﾀﾞ ﾀﾛｳ"),
        )

    def tell(
        self, kind: NoticeKind, *, payment: str = "one", amount_yen: int = AMOUNT_YEN
    ) -> list[Webhook]:
        """What the merchant is told when the channel says this of a payment."""
        said = NoticeMatched(
            merchant_id=MERCHANT,
            invoice_id=self._invoice_id,
            notice=self._notice(kind, payment, amount_yen),
            received_at=self._at,
        )
        return [
            Webhook(id=told.notification_id, type=told.type, body=told.body.encode())
            for told in self._say(said)
        ]

    def _notice(self, kind: NoticeKind, payment: str, amount_yen: int) -> Notice:
        return Notice(
            notice_id=notice_id(ACCOUNT, self.invoice_number, payment, kind),
            payment_id=payment_id(ACCOUNT, self.invoice_number, payment),
            account_id=ACCOUNT,
            channel=ChannelKind.KONBINI_SLIP,
            kind=kind,
            reference=self.invoice_number,
            amount_yen=amount_yen,
            paid_at=self._at,
            store=Store(chain="7-11", code="000123"),
        )

    def _say(self, message: InvoiceMessage) -> Iterator[Notification]:
        self._at += STEP
        self._offset += 1
        envelope = Envelope(
            key=self._invoice_id.encode(),
            value=encode(message),
            place=Place(topic=INVOICES.name, partition=0, offset=self._offset),
            now=self._at,
        )
        for record in self._step(envelope).records:
            if record.topic == NOTIFICATIONS.name:
                told = decode_notification_message(record.value)
                assert isinstance(told, Notified), "settling tells merchants and nothing else"
                yield from told.notifications


def _watch(invoice: InvoiceId, merchant: MerchantId, deadline: datetime) -> None:
    """Nobody waits for the deadline of an invoice that is not."""


def large(invoice_number: str, *, at: datetime) -> Webhook:
    """A webhook with a body of 20 KB: an invoice that was paid in very many parts."""
    story = Story(invoice_number, at=at)
    for number in range(PARTS_OF_LARGE - 1):
        story.tell(NoticeKind.PRELIMINARY, payment=f"part {number}", amount_yen=1)
    return story.tell(NoticeKind.PRELIMINARY, payment="last part", amount_yen=1)[-1]


def ping(number: str, *, at: datetime) -> Webhook:
    """An `endpoint.ping`: of a type that is no notification, and without a number."""
    data = {"endpoint": {"id": "ep_certify", "url": "https://shop.example/webhooks"}}
    body = {"type": PING, "timestamp": rfc3339(at), "data": data}
    return Webhook(id=f"evt_{number}", type=PING, body=orjson.dumps(body))
