"""What the processes that make the load are told to do, as one file that each of them reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import orjson
from pydantic import TypeAdapter

from loadtests.formats import FORMATS, Account, Told, invoice_number, path_of, reference_of
from loadtests.generator import http_request
from loadtests.merchants import AMOUNT_YEN
from loadtests.profiles.reading import Profile
from loadtests.schedule import Notice, Payment, Schedule, plan

FILE = "orders.json"
PAID_AGAIN_AFTER = timedelta(hours=1)
"""Slips tell acts of paying apart by the minute at best."""
VARIABLE = "KESHIKOMI_LOAD_ORDERS"
"""Names the file to the processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A pull feed to follow."""

    merchant: int
    api_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """A run; the schedule is worked out again from it, so it stays small."""

    folder: Path
    port: int
    profile: Profile
    rate: float
    seconds: float
    merchants: int
    seed: int
    workers: int
    paid_from: datetime
    due_at: datetime
    accounts: Mapping[str, Account]
    """By the merchant's rank and the format, with a blank between."""
    readings: tuple[Reading, ...]

    def schedule(self) -> Schedule:
        """What is to be sent."""
        return plan(
            self.profile,
            rate=self.rate,
            seconds=self.seconds,
            merchants=self.merchants,
            seed=self.seed,
        )

    @property
    def due(self) -> date:
        """The day that slips show."""
        return self.due_at.date()

    def account(self, payment: Payment) -> Account:
        """The account by which a payment comes."""
        return self.accounts[f"{payment.merchant} {payment.format}"]

    def request(self, schedule: Schedule, notice: Notice) -> tuple[str, dict[str, str], bytes]:
        """Path, headers and body of a notice: the same bytes each time that it is sent."""
        payments = [schedule.payments[number] for number in notice.payments]
        account, form = self.account(payments[0]), payments[0].format
        told = [
            Told(
                number=each.number,
                reference=reference_of(each, self.due),
                kind=notice.kind,
                paid_at=self.paid_from
                + timedelta(seconds=int(each.at_seconds))
                + PAID_AGAIN_AFTER * each.pays_again,
            )
            for each in payments
        ]
        headers, body = FORMATS[form].request(account, told)
        return path_of(account, form), headers, body

    def invoice(self, payment: Payment) -> dict[str, object]:
        """The body that registers the invoice of a payment."""
        account, reference = self.account(payment), reference_of(payment, self.due)
        return {
            "invoice_number": invoice_number(payment),
            "amount_yen": AMOUNT_YEN,
            "due_at": self.due_at.isoformat(),
            "references": [{"account_id": account.id, "value": reference}],
            "customer": {"name": "山田 太郎", "kana": "ﾔﾏﾀﾞ ﾀﾛｳ"},
            "metadata": {"cart": "77"},
        }

    def invoice_request(self, payment: Payment) -> bytes:
        """The registration of the invoice of a payment."""
        key = self.account(payment).api_key
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        return http_request("POST", "/v1/invoices", orjson.dumps(self.invoice(payment)), headers)

    def for_houses(
        self, *, accounts: Mapping[str, Account], readings: tuple[Reading, ...]
    ) -> Orders:
        """The same, once the merchants are there."""
        return replace(self, accounts=accounts, readings=readings)


_ORDERS = TypeAdapter(Orders)


def write_orders(orders: Orders) -> Path:
    """Keep the orders in the folder of the run; they hold secrets of this run only."""
    path = orders.folder / FILE
    path.write_bytes(_ORDERS.dump_json(orders))
    return path


def read_orders(path: Path) -> Orders:
    """The orders that were written."""
    return _ORDERS.validate_json(path.read_bytes())
