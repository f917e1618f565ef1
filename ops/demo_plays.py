"""What the payments of the demo do: each play sends notices and waits for what must follow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ops import demo_channels as channels
from ops.demo_market import Market, call
from ops.demo_shop import Missing, Told
from streams.clock import system_clock

AMOUNTS_YEN = (980, 3_300, 12_800, 24_600, 48_000)
BETWEEN_WORDS_SECONDS = 0.4
LOOKS_MAX = 50
LOOK_PAUSE_SECONDS = 0.1
"""What the API shows is read from history, which follows the log by a moment."""
REPEATS = 2


@dataclass(slots=True, kw_only=True)
class Payment:
    """One row of the table: a payment, what happens to it, and what came of it."""

    number: int
    channel: str
    what: str
    scene: str
    outcome: str = ""
    ms: float | None = None
    problem: str | None = None
    is_done: bool = False

    @property
    def amount_yen(self) -> int:
        """An amount like those that people pay."""
        return AMOUNTS_YEN[self.number % len(AMOUNTS_YEN)]

    def tell(self, left: float, told: Told) -> None:
        """Note the outcome, and the time from the notice to its webhook."""
        invoice = f"invoice {told.status}" if told.status else "no invoice"
        self.outcome = f"{told.outcome}, {invoice}"
        self.ms = (told.at - left) * 1_000


Play = Callable[[Market, Sequence[Payment]], Awaitable[None]]


async def paid_by_gmo(market: Market, payments: Sequence[Payment]) -> None:
    """A 結果通知 clears an invoice."""
    payment, number = payments[0], market.next_number()
    await market.register(number, payment.amount_yen, references=_at(market.gmo, number))
    await _pay_by_gmo(market, payment, number)
    await _must_be(market, number, "paid")


async def _pay_by_gmo(market: Market, payment: Payment, number: str, short_yen: int = 0) -> None:
    request = channels.gmo(market.gmo, number, payment.amount_yen - short_yen, system_clock())
    left = await market.send(market.gmo, request)
    kind = "invoice.part_paid" if short_yen else "invoice.paid"
    payment.tell(left, await market.shop.wait(kind, number))


async def paid_by_sbps(market: Market, payments: Sequence[Payment]) -> None:
    """A 速報 clears an invoice; its 確報 is the same payment."""
    payment, number, at = payments[0], market.next_number(), system_clock()
    tracking_id = f"S{number[4:]}"
    await market.register(number, payment.amount_yen, references=_at(market.sbps, tracking_id))
    said = channels.sbps(market.sbps, tracking_id, payment.amount_yen, at)
    left = await market.send(market.sbps, said)
    payment.tell(left, await market.shop.wait("invoice.paid", number))
    await asyncio.sleep(BETWEEN_WORDS_SECONDS)
    kind = channels.CONFIRMED
    said = channels.sbps(market.sbps, tracking_id, payment.amount_yen, at, kind)
    await market.send(market.sbps, said)
    await market.shop.wait("payment.confirmed", number)
    await _must_be(market, number, "paid")


async def taken_back(market: Market, payments: Sequence[Payment]) -> None:
    """A 速報 and its 速報取消: the invoice is open again."""
    payment, number, at = payments[0], market.next_number(), system_clock()
    tracking_id = f"S{number[4:]}"
    await market.register(number, payment.amount_yen, references=_at(market.sbps, tracking_id))
    said = channels.sbps(market.sbps, tracking_id, payment.amount_yen, at)
    await market.send(market.sbps, said)
    await market.shop.wait("invoice.paid", number)
    await asyncio.sleep(BETWEEN_WORDS_SECONDS)
    kind = channels.CANCELLED
    said = channels.sbps(market.sbps, tracking_id, payment.amount_yen, at, kind)
    left = await market.send(market.sbps, said)
    payment.tell(left, await market.shop.wait("invoice.reopened", number))
    await _must_be(market, number, "open")
    if number in market.shop.released:
        raise Missing("the order is still released although the payment was taken back")


async def paid_by_file(market: Market, payments: Sequence[Payment]) -> None:
    """A DSK file clears invoices; uploaded again it changes nothing."""
    numbers = [market.next_number() for _ in payments]
    barcodes = []
    for payment, number in zip(payments, numbers, strict=True):
        made = await market.register(number, payment.amount_yen, channels=["konbini_slip"])
        barcodes.append(made["references"][0]["value"])
    file = channels.dsk(barcodes, system_clock())
    left, said = await market.send_file(file)
    if said["accepted"] != len(payments):
        raise Missing(f"the file was answered {said}")
    for payment, number in zip(payments, numbers, strict=True):
        payment.tell(left, await market.shop.wait("invoice.paid", number))
    _, said = await market.send_file(file)
    if said["accepted"]:
        raise Missing(f"the same file again was answered {said}")


async def repeated(market: Market, payments: Sequence[Payment]) -> None:
    """The same notice three times is told once."""
    payment, number = payments[0], market.next_number()
    await market.register(number, payment.amount_yen, references=_at(market.gmo, number))
    request = channels.gmo(market.gmo, number, payment.amount_yen, system_clock())
    left = await market.send(market.gmo, request)
    for _ in range(REPEATS):
        await market.send(market.gmo, request, repeat=True)
    payment.tell(left, await market.shop.wait("invoice.paid", number))
    invoice = await _must_be(market, number, "paid")
    if len(invoice["payments"]) != 1:
        raise Missing(f"{len(invoice['payments'])} payments were counted for one")


async def wrong_amount(market: Market, payments: Sequence[Payment]) -> None:
    """Too little money leaves the rest open."""
    payment, number = payments[0], market.next_number()
    await market.register(number, payment.amount_yen, references=_at(market.gmo, number))
    await _pay_by_gmo(market, payment, number, short_yen=100)
    invoice = await _must_be(market, number, "part_paid")
    if invoice["balance_yen"] != 100:  # noqa: PLR2004  # what was missing, three lines above
        raise Missing(f"{invoice['balance_yen']} yen are open, not 100")


async def paid_twice(market: Market, payments: Sequence[Payment]) -> None:
    """A second payment over another channel is a duplicate."""
    first, second = payments
    number = market.next_number()
    tracking_id = f"S{number[4:]}"
    references = [*_at(market.gmo, number), *_at(market.sbps, tracking_id)]
    await market.register(number, first.amount_yen, references=references)
    await _pay_by_gmo(market, first, number)
    said = channels.sbps(market.sbps, tracking_id, first.amount_yen, system_clock())
    left = await market.send(market.sbps, said)
    second.tell(left, await market.shop.wait("payment.preliminary", tracking_id))
    await market.shop.wait("invoice.overpaid", number)
    await _must_be(market, number, "overpaid")
    if not second.outcome.startswith("duplicate"):
        raise Missing(f"the second payment was told as {second.outcome}")


async def paid_before_registered(market: Market, payments: Sequence[Payment]) -> None:
    """A notice waits for its invoice."""
    payment, number = payments[0], market.next_number()
    request = channels.gmo(market.gmo, number, payment.amount_yen, system_clock())
    left = await market.send(market.gmo, request)
    payment.tell(left, await market.shop.wait("payment.unmatched", number))
    await asyncio.sleep(BETWEEN_WORDS_SECONDS)
    await market.register(number, payment.amount_yen, references=_at(market.gmo, number))
    told = await market.shop.wait("invoice.paid", number)
    payment.outcome = f"unmatched, then {told.outcome}, invoice {told.status}"
    await _must_be(market, number, "paid")


async def paid_after_cancel(market: Market, payments: Sequence[Payment]) -> None:
    """Money for a cancelled invoice is told."""
    payment, number = payments[0], market.next_number()
    made = await market.register(number, payment.amount_yen, references=_at(market.gmo, number))
    path = f"/v1/invoices/{made['id']}/cancel"
    await call(market.http, "POST", path, {}, key=market.merchant.api_key)
    request = channels.gmo(market.gmo, number, payment.amount_yen, system_clock())
    left = await market.send(market.gmo, request)
    payment.tell(left, await market.shop.wait("payment.confirmed", number))
    await _must_be(market, number, "cancelled")
    if not payment.outcome.startswith("after_cancel"):
        raise Missing(f"the payment was told as {payment.outcome}")


async def hanging_server(market: Market, payments: Sequence[Payment]) -> None:
    """A payment for the merchant whose server hangs."""
    payment, number, account = payments[0], market.next_number(), market.gmo_of_hanging
    references = _at(account, number)
    await market.register(number, payment.amount_yen, by=market.hanging, references=references)
    request = channels.gmo(account, number, payment.amount_yen, system_clock())
    await market.send(account, request)
    payment.outcome = "told later: its own server hangs"


async def nobodys(market: Market, payments: Sequence[Payment]) -> None:
    """A notice for an order that nobody knows stays visible."""
    payment, number = payments[0], market.next_number()
    request = channels.gmo(market.gmo, number, payment.amount_yen, system_clock())
    left = await market.send(market.gmo, request)
    payment.tell(left, await market.shop.wait("payment.unmatched", number))
    for _ in range(LOOKS_MAX):
        if number in await market.unmatched():
            return
        await asyncio.sleep(LOOK_PAUSE_SECONDS)
    raise Missing("the payment is not listed as unmatched")


async def unreadable(market: Market, payments: Sequence[Payment]) -> None:
    """An authentic notice without a readable amount is acknowledged and kept."""
    request = channels.gmo_unreadable(market.gmo, market.next_number(), system_clock())
    await market.send(market.gmo, request)
    payments[0].outcome = "quarantined, acknowledged"


def _at(account: channels.Account, value: str) -> list[dict[str, str]]:
    return [{"account_id": account.id, "value": value}]


async def _must_be(market: Market, number: str, status: str) -> dict[str, Any]:
    """The invoice must stand so, at the latest in a few seconds."""
    invoice = await market.invoice(number)
    for _ in range(LOOKS_MAX):
        if invoice["status"] == status:
            return invoice
        await asyncio.sleep(LOOK_PAUSE_SECONDS)
        invoice = await market.invoice(number)
    raise Missing(f"the invoice is {invoice['status']}, not {status}")
