"""Notices that wait for their invoice, and a person's decision which invoice one pays."""

from __future__ import annotations

from api.answers import StoreShown, UnmatchedPage, UnmatchedShown
from api.call import Answer, Call, answer
from api.errors import come_back, not_found, wrong
from api.invoices import shown as invoice_shown
from api.requests import AssignRequest, Nothing, PageQuery
from api.tracing import traced_record
from streams.domain.ids import InvoiceId, NoticeId
from streams.domain.invoice import Assignment
from streams.messages import NoticeAssigned
from streams.ports import InvoiceRow, Record, WaitingRow
from streams.topics import REFERENCES, reference_key


async def list_unmatched(call: Call[None, PageQuery]) -> Answer:
    rows, cursor = await call.services.ports.history.unmatched(
        call.merchant_id, after=call.query.after, limit=call.query.limit
    )
    return answer(200, UnmatchedPage(data=[_shown(row) for row in rows], next=cursor))


async def assign_notice(call: Call[AssignRequest, Nothing]) -> Answer:
    ports, asked = call.services.ports, call.body
    waiting = await ports.history.waiting_notice(call.merchant_id, NoticeId(call.path("notice_id")))
    if waiting is None:
        raise not_found("waiting notice")
    invoice = await _invoice(call)
    assignment = Assignment(by=f"key {call.caller.key_id}", reason=asked.reason)
    await ports.appender.append([_record(call, waiting, invoice, assignment)])

    async def settled() -> bool | None:
        now = await ports.history.waiting_notice(call.merchant_id, waiting.notice.notice_id)
        return True if now is None else None

    limit, notice_id = ports.limits.effect_seconds_max, waiting.notice.notice_id
    if not await call.services.lookout.until(notice_id, settled, seconds_max=limit):
        raise come_back(503, "the decision was taken and is not carried out yet")
    told = {
        "notice_id": waiting.notice.notice_id,
        "assigned_by": assignment.by,
        "reason": assignment.reason,
        "invoice": invoice_shown(await _invoice(call)),
    }
    return answer(200, told)


async def _invoice(call: Call[AssignRequest, Nothing]) -> InvoiceRow:
    invoice_id = InvoiceId(call.body.invoice_id)
    row = await call.services.ports.history.invoice(call.merchant_id, invoice_id)
    if row is None:
        raise wrong(("/invoice_id", "there is no such invoice"))
    return row


def _record(
    call: Call[AssignRequest, Nothing],
    waiting: WaitingRow,
    invoice: InvoiceRow,
    assignment: Assignment,
) -> Record:
    notice = waiting.notice
    assigned = NoticeAssigned(
        merchant_id=call.merchant_id,
        notice_id=notice.notice_id,
        invoice_id=invoice.invoice_id,
        assignment=assignment,
    )
    key = reference_key(notice.account_id, notice.reference)
    return traced_record(call.request, REFERENCES, key, assigned)


def _shown(row: WaitingRow) -> UnmatchedShown:
    notice = row.notice
    return UnmatchedShown(
        notice_id=notice.notice_id,
        payment_id=notice.payment_id,
        account_id=notice.account_id,
        channel=notice.channel,
        kind=notice.kind,
        reference=notice.reference,
        amount_yen=notice.amount_yen,
        paid_at=notice.paid_at,
        received_at=row.received_at,
        store=StoreShown(chain=notice.store.chain, code=notice.store.code)
        if notice.store
        else None,
    )
