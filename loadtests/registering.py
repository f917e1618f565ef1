"""Registers invoices for a load: over the API as shops do, or straight into the log."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from connectors.kafka.appender import KafkaAppender
from connectors.kafka.connection import SCHEME, KafkaConnection
from loadtests.merchants import AMOUNT_YEN, CUSTOMER, METADATA, Merchant
from loadtests.world import World
from streams.clock import system_clock
from streams.codecs import encode
from streams.domain.ids import AccountId, MerchantId, invoice_id
from streams.domain.invoice import Customer, InvoiceTerms, Reference
from streams.messages import InvoiceRegistered, ReferenceIssued
from streams.ports import Record
from streams.topics import INVOICES, REFERENCES, reference_key

AT_ONCE = 32
INVOICES_PER_APPEND = 500
DUE = timedelta(days=30)


async def over_the_api(
    world: World, count: int, merchants: Sequence[Merchant] | None = None
) -> float:
    """Register invoices, in turn for each merchant; returns how many a second."""
    due_at = (system_clock() + DUE).isoformat()
    bills = world.bills(count, merchants)
    return await register(
        world, [merchant.invoice_request(number, due_at) for merchant, number in bills]
    )


async def register(world: World, requests: Iterable[bytes]) -> float:
    """Send registrations, some at once, as they are made; returns how many a second."""
    begun = time.perf_counter()
    left = iter(requests)
    sent = await asyncio.gather(*(_each(world, left) for _ in range(AT_ONCE)))
    return sum(sent) / (time.perf_counter() - begun)


async def _each(world: World, requests: Iterator[bytes]) -> int:
    """Send what is left, one after the other; returns how many."""
    sent = 0
    for request in requests:
        status, answer = await world.client.ask(request)
        if status not in {200, 201}:  # 200: an earlier try had made it after all
            raise RuntimeError(f"an invoice was answered {status} {answer.decode()[:500]}")
        sent += 1
    return sent


async def in_the_log(world: World, count: int) -> float:
    """Append what the API appends once it has claimed numbers that nobody else can want.

    The API needs three conditional statements of Cassandra for each: a load that is not about
    registering would spend most of its time on them. On Kafka only; returns how many a second.
    """
    begun = time.perf_counter()
    broker = world.engines.environment["KESHIKOMI_BROKER"]
    servers = tuple(broker.removeprefix(SCHEME).split(","))
    appender = KafkaAppender(KafkaConnection(servers=servers))
    now = system_clock()
    bills = iter(world.bills(count))
    try:
        while some := list(itertools.islice(bills, INVOICES_PER_APPEND)):
            # First the invoices: what is matched before its invoice is there is quarantined.
            terms = [terms_of(merchant, number, now) for merchant, number in some]
            await appender.append([registered(each) for each in terms])
            await appender.append(list(issued(terms)))
    finally:
        await appender.close()
    return count / (time.perf_counter() - begun)


def terms_of(merchant: Merchant, number: str, now: datetime) -> InvoiceTerms:
    """What the API makes of the merchant's request."""
    merchant_id = MerchantId(merchant.merchant_id)
    return InvoiceTerms(
        invoice_id=invoice_id(merchant_id, number),
        merchant_id=merchant_id,
        invoice_number=number,
        amount_yen=AMOUNT_YEN,
        due_at=now + DUE,
        created_at=now,
        references=(Reference(account_id=AccountId(merchant.account_id), value=number),),
        customer=Customer(**CUSTOMER),
        metadata=METADATA,
    )


def registered(terms: InvoiceTerms) -> Record:
    """The record that tells the log of an invoice."""
    message = InvoiceRegistered(terms=terms)
    return Record(topic=INVOICES.name, key=terms.invoice_id.encode(), value=encode(message))


def issued(many: Iterable[InvoiceTerms]) -> Iterable[Record]:
    """The records that tell it of their references."""
    for terms in many:
        message = ReferenceIssued(merchant_id=terms.merchant_id, invoice_id=terms.invoice_id)
        for reference in terms.references:
            key = reference_key(reference.account_id, reference.value)
            yield Record(topic=REFERENCES.name, key=key, value=encode(message))
