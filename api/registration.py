"""Registering an invoice: claim its number and references, then tell the log, in this order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import orjson

from api.accounts import AccountConfigs
from api.directory import Directory
from api.errors import Problem, come_back
from api.issuing import Issuer, Tied
from api.ports import ApiPorts
from api.requests import InvoiceRequest
from streams.codecs import encode
from streams.domain.errors import Conflict
from streams.domain.ids import MerchantId, invoice_id
from streams.domain.invoice import Customer, Invoice, InvoiceTerms, Reference
from streams.domain.notice import ChannelKind
from streams.messages import InvoiceRegistered, MerchantSet, ReferenceIssued
from streams.payloads import full_invoice_object
from streams.ports import InvoiceRow, Record
from streams.topics import INVOICES, REFERENCES, reference_key

ATTEMPTS_MAX = 8
"""A number of eleven digits is taken by chance once in thousands of millions."""
PURPOSE = "payment numbers"

Headers = tuple[tuple[str, bytes], ...]


class Registrar:
    """Registers invoices; the same content again publishes the same records again.

    That heals a crash between the claim and the log: the merchant tries again and is heard.
    """

    def __init__(self, *, ports: ApiPorts, directory: Directory, configs: AccountConfigs) -> None:
        self._ports, self._directory = ports, directory
        key = ports.sealer.derive(PURPOSE)
        self._issuer = Issuer(key=key, channels=ports.channels, configs=configs)

    async def register(
        self, asked: InvoiceRequest, merchant: MerchantSet, headers: Headers
    ) -> tuple[InvoiceRow, bool]:
        """The invoice as it stands now, and whether it is new."""
        terms = self._terms(asked, merchant)
        tied = await self._tied(asked, merchant.merchant_id, terms)
        row, claimed = await self._claim(asked, terms, tied)
        if not row.created:
            registered = await self._ports.history.terms_of(row.invoice_id)
            assert registered is not None, "it was registered before"
            claimed = registered
        await self._ports.appender.append(_records(row, claimed, headers))
        return row, row.created

    def _terms(self, asked: InvoiceRequest, merchant: MerchantSet) -> InvoiceTerms:
        customer = asked.customer
        return InvoiceTerms(
            invoice_id=invoice_id(merchant.merchant_id, asked.invoice_number),
            merchant_id=merchant.merchant_id,
            invoice_number=asked.invoice_number,
            amount_yen=asked.amount_yen,
            due_at=asked.due_at,
            created_at=self._ports.clock(),
            grace_seconds=merchant.grace_seconds,
            release=merchant.release,
            customer=Customer(name=customer.name, kana=customer.kana) if customer else None,
            metadata=asked.metadata,
        )

    async def _tied(
        self, asked: InvoiceRequest, merchant_id: MerchantId, terms: InvoiceTerms
    ) -> list[Tied]:
        if asked.channels or asked.references:
            await self._directory.catch_up()
        accounts = self._directory.accounts_of(merchant_id)
        drawn = [
            self._issuer.draw(draw, asked, terms.invoice_id)
            for draw in self._issuer.plan(asked, accounts)
        ]
        return [*drawn, *self._issuer.given(asked, accounts)]

    async def _claim(
        self, asked: InvoiceRequest, terms: InvoiceTerms, tied: Sequence[Tied]
    ) -> tuple[InvoiceRow, InvoiceTerms]:
        """The invoice's row, and the terms as this call claimed them."""
        content = content_of(asked)
        for _ in range(ATTEMPTS_MAX):
            shown = replace(terms, references=tuple(each.shown for each in tied))
            claimed = replace(terms, references=tuple(each.claimed for each in tied))
            try:
                row = await self._ports.history.register_invoice(
                    claimed,
                    content=content,
                    shown=orjson.dumps(full_invoice_object(Invoice(terms=shown))).decode(),
                )
            except Conflict:
                tied = await self._redrawn(asked, terms, tied)
            else:
                return row, claimed
        raise come_back(503, "no free payment number was found")

    async def _redrawn(
        self, asked: InvoiceRequest, terms: InvoiceTerms, tied: Sequence[Tied]
    ) -> list[Tied]:
        """Draw again what is taken; a conflict that another draw cannot solve is the caller's."""
        history = self._ports.history
        if await history.invoice(terms.merchant_id, terms.invoice_id) is not None:
            raise Problem(409, "this invoice_number was registered with other content")
        redrawn: list[Tied] = []
        for each in tied:
            owner = await history.claimed_by(each.shown.account_id, each.canonical)
            if owner in {None, terms.invoice_id}:
                redrawn.append(each)
            elif each.draw is None:
                raise Problem(409, f"the reference {each.shown.value!r} is another invoice's")
            else:
                next_draw = replace(each.draw, attempt=each.draw.attempt + 1)
                redrawn.append(self._issuer.draw(next_draw, asked, terms.invoice_id))
        return redrawn


def _records(row: InvoiceRow, claimed: InvoiceTerms, headers: Headers) -> list[Record]:
    terms = replace(claimed, references=shown_references(row.shown))
    issued = encode(ReferenceIssued(merchant_id=row.merchant_id, invoice_id=row.invoice_id))
    # The invoice comes first: a reference that is resolved before its invoice is registered
    # would lead a notice to nobody.
    return [
        Record(
            topic=INVOICES.name,
            key=row.invoice_id.encode(),
            value=encode(InvoiceRegistered(terms=terms)),
            headers=headers,
        ),
        *(
            Record(
                topic=REFERENCES.name,
                key=reference_key(reference.account_id, reference.value),
                value=issued,
                headers=headers,
            )
            for reference in claimed.references
        ),
    ]


def content_of(asked: InvoiceRequest) -> str:
    """A digest of what the merchant means; the order of names and the offset of times is not."""
    document = orjson.dumps(asked.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(document).hexdigest()


def shown_references(shown: str) -> tuple[Reference, ...]:
    """The references in an invoice's JSON."""
    return tuple(
        Reference(
            account_id=each["account_id"],
            value=each["value"],
            channel=ChannelKind(each["channel"]) if "channel" in each else None,
            chain=each.get("chain"),
        )
        for each in orjson.loads(shown)["references"]
    )
