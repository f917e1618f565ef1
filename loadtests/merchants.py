"""A merchant of a bench: what it is known by, what was sent for it, what it must be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from connectors.providers import generic_request
from loadtests.arrivals import Said, Standing
from loadtests.generator import http_request
from loadtests.verify import Event, Expected, facts

TOLD = frozenset({"invoice.paid"})
"""What the shops subscribe to: one webhook for each notice."""
IN_FEED = frozenset({"payment.preliminary", "invoice.paid"})
MATCHED = "matched"
AMOUNT_YEN = 12_800
PAID_ONCE = Standing("paid", AMOUNT_YEN, 0)
CUSTOMER = {"name": "山田 太郎", "kana": "ﾔﾏﾀﾞ ﾀﾛｳ"}
METADATA = {"cart": "77"}


@dataclass(slots=True, kw_only=True)
class Party:
    """Who is told at one endpoint of his, and what was read of his pull feed, up to `cursor`."""

    path: str
    merchant_id: str
    api_key: str
    endpoint_id: str
    endpoint_secret: str
    events: list[Event] = field(default_factory=list)
    cursor: str = ""
    is_read: bool = False
    """Whether others read his feed too, so that it is compared with what they read."""
    first_attempts: dict[str, float] = field(default_factory=dict)
    """When each event was first tried, in milliseconds since 1970."""

    @property
    def is_dead(self) -> bool:
        """Whether the server never answers with success, so that webhooks stay pending."""
        return self.path.startswith(("/hang/", "/fail/"))

    @property
    def notices(self) -> tuple[int, int]:
        """How many notices were accepted, and how many have no answer."""
        raise NotImplementedError

    def expected(self) -> Expected:
        """What must have been told after all that was sent."""
        raise NotImplementedError


@dataclass(slots=True, kw_only=True)
class Merchant(Party):
    """A merchant with one channel account, and what was sent for him."""

    account_id: str
    notice_path: str
    channel_secret: str
    metadata: Mapping[str, str] = field(default_factory=lambda: METADATA)
    accepted: list[str] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)

    def invoice_request(self, number: str, due_at: str) -> bytes:
        """The registration of an invoice, with its number as the reference of the channel."""
        body = {
            "invoice_number": number,
            "amount_yen": AMOUNT_YEN,
            "due_at": due_at,
            "references": [{"account_id": self.account_id, "value": number}],
            "customer": CUSTOMER,
            "metadata": self.metadata,
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

    @property
    def notices(self) -> tuple[int, int]:
        """How many notices were accepted, and how many have no answer."""
        return len(self.accepted), len(self.uncertain)

    def expected(self) -> Expected:
        """What must have been told after all that was sent."""
        sent = [*self.accepted, *self.uncertain]
        return Expected(
            path=self.path,
            secret=self.endpoint_secret,
            told=facts(TOLD, self.accepted),
            feed=facts(IN_FEED, self.accepted),
            may_be_told=facts(TOLD, self.uncertain),
            may_be_in_feed=facts(IN_FEED, self.uncertain),
            outcomes={fact: [MATCHED] for fact in facts(IN_FEED, self.accepted)},
            says={
                fact: [Said(MATCHED, AMOUNT_YEN, fact[1], PAID_ONCE)]
                for fact in facts(IN_FEED, sent)
            },
            complete=not self.is_dead,
        )
