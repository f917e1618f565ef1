"""Invoices: registered, looked at, waited for, listed and cancelled by the merchant."""

from __future__ import annotations

import secrets

import orjson

from api.call import Answer, Call, answer
from api.errors import Problem, come_back, not_found
from api.requests import InvoiceQuery, InvoiceRequest, InvoicesQuery, Nothing
from api.tracing import trace_headers
from streams.codecs import encode
from streams.domain.ids import InvoiceId
from streams.domain.invoice import InvoiceStatus
from streams.messages import CancelRequested
from streams.ports import InvoiceRow, Record
from streams.topics import INVOICES

DONE = ""
ALREADY_CANCELLED = "already_cancelled"


async def register_invoice(call: Call[InvoiceRequest, Nothing]) -> Answer:
    merchant = call.services.directory.merchant(call.merchant_id)
    if merchant is None:
        raise not_found("merchant")
    headers = trace_headers(call.request)
    row, is_new = await call.services.registrar.register(call.body, merchant, headers)
    return answer(201 if is_new else 200, shown(row))


async def get_invoice(call: Call[None, InvoiceQuery]) -> Answer:
    row = await _invoice(call)
    was = call.query.status_was or row.status
    if call.query.wait and row.status is was:
        watcher = call.services.watcher
        await watcher.changed(row.invoice_id, was, seconds_max=call.query.wait)
        row = await _invoice(call)
    return answer(200, shown(row))


async def list_invoices(call: Call[None, InvoicesQuery]) -> Answer:
    query = call.query
    rows, cursor = await call.services.ports.history.invoices(
        call.merchant_id,
        status=query.status,
        invoice_number=query.invoice_number,
        after=query.after,
        limit=query.limit,
    )
    return answer(200, {"data": [shown(row) for row in rows], "next": cursor})


async def cancel_invoice(call: Call[Nothing, Nothing]) -> Answer:
    ports, row = call.services.ports, await _invoice(call)
    if row.status is InvoiceStatus.CANCELLED:
        return answer(200, shown(row))
    command = CancelRequested(
        merchant_id=call.merchant_id,
        invoice_id=row.invoice_id,
        request_id=f"req_{secrets.token_hex(16)}",
    )
    key, headers = row.invoice_id.encode(), trace_headers(call.request)
    await ports.appender.append(
        [Record(topic=INVOICES.name, key=key, value=encode(command), headers=headers)]
    )
    refused = await call.services.lookout.until(
        command.request_id,
        lambda: ports.history.command(command.request_id),
        seconds_max=ports.limits.effect_seconds_max,
    )
    if refused is None:
        raise come_back(503, "the cancellation was taken and is not decided yet")
    if refused not in {DONE, ALREADY_CANCELLED}:
        raise Problem(409, f"the invoice cannot be cancelled: {refused}")
    return answer(200, shown(await _invoice(call)))


def shown(row: InvoiceRow) -> orjson.Fragment:
    """The invoice's JSON, as the step that settles it wrote it."""
    return orjson.Fragment(row.shown)


async def _invoice(call: Call[object, object]) -> InvoiceRow:
    invoice_id = InvoiceId(call.path("invoice_id"))
    row = await call.services.ports.history.invoice(call.merchant_id, invoice_id)
    if row is None:
        raise not_found("invoice")
    return row
