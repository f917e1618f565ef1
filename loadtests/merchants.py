"""A merchant of a bench: what it is known by, what was sent for it, what it must be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from connectors.providers import generic_request
from loadtests.generator import http_request
from loadtests.verify import Expected

TOLD = frozenset({"invoice.paid"})
"""What the shops subscribe to: one webhook for each notice."""
IN_FEED = frozenset({"payment.preliminary", "invoice.paid"})
AMOUNT_YEN = 12_800


@dataclass(slots=True, kw_only=True)
class Merchant:
    """A merchant, one channel account and one endpoint of his, and what was sent for him."""

    path: str
    merchant_id: str
    api_key: str
    account_id: str
    endpoint_id: str
    notice_path: str
    channel_secret: str
    endpoint_secret: str
    accepted: list[str] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    """The pull feed as far as it was read, up to `cursor`."""
    cursor: str = ""

    @property
    def is_hanging(self) -> bool:
        """Whether the server never answers, so that webhooks stay pending."""
        return self.path.startswith("/hang/")

    def invoice_request(self, number: str, due_at: str) -> bytes:
        """The registration of an invoice, with its number as the reference of the channel."""
        body = {
            "invoice_number": number,
            "amount_yen": AMOUNT_YEN,
            "due_at": due_at,
            "references": [{"account_id": self.account_id, "value": number}],
            "customer": {"name": "山田 太郎", "kana": "ﾔﾏﾀﾞ ﾀﾛｳ"},
            "metadata": {"cart": "77"},
        }
        headers = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}
        return http_request("POST", "/v1/invoices", orjson.dumps(body), headers)

    def notice_request(self, reference: str, paid_at: str) -> bytes:
        """The notice that pays an invoice, signed."""
        headers, body = generic_request(
            config={"secret": self.channel_secret},
            notice_id=f"N-{reference}",
            kind="preliminary",
            reference=reference,
            amount_yen=AMOUNT_YEN,
            paid_at=paid_at,
            store={"chain": "020", "code": "110001"},
        )
        return http_request("POST", self.notice_path, body, headers)

    def expected(self) -> Expected:
        """What must have been told after all that was sent."""
        return Expected(
            path=self.path,
            secret=self.endpoint_secret,
            references=frozenset(self.accepted),
            uncertain=frozenset(self.uncertain),
            types=TOLD,
            feed_types=IN_FEED,
            complete=not self.is_hanging,
        )
