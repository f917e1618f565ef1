"""Records of what a channel said, made so that one append makes a whole notice durable."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.channel import Account
from streams.codecs import encode
from streams.domain.errors import RemoteError
from streams.domain.ids import NoticeId, derive
from streams.domain.notice import Notice
from streams.happenings import (
    NoticeAccepted,
    Quarantined,
)
from streams.messages import NoticeReceived
from streams.ports import Record
from streams.topics import HISTORY, QUARANTINE, REFERENCES, reference_key

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came in: for which account, when, in which trace, and the bytes that are kept."""

    account: Account
    received_at: datetime
    headers: Headers
    raw: bytes
    content_type: str

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes that are kept, in hexadecimal."""
        return hashlib.sha256(self.raw).hexdigest()


def records_of_notices(heard: Heard, notices: Sequence[Notice]) -> list[Record]:
    """For each notice: what is resolved, and what is kept. The same notice twice is told once."""
    once = {notice.notice_id: notice for notice in notices}
    return [
        record
        for notice in once.values()
        for record in (_received(heard, notice), _accepted(heard, notice.notice_id))
    ]


def record_of_noted(heard: Heard) -> tuple[NoticeId, Record]:
    """For what is authentic and says nothing about money: it is only kept."""
    noted = NoticeId(derive("ntc", heard.account.account_id, heard.digest))
    return noted, _accepted(heard, noted, about_money=False)


def record_of_quarantined(heard: Heard, error: RemoteError) -> Record:
    """For what is authentic and cannot be used: its reason and its bytes."""
    account = heard.account
    quarantine_id = derive("qtn", account.account_id, heard.digest)
    row = Quarantined(
        quarantine_id=quarantine_id,
        at=heard.received_at,
        code=error.code,
        reason=str(error),
        raw_base64=_text(heard.raw),
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        content_type=heard.content_type,
    )
    return Record(
        topic=QUARANTINE.name,
        key=quarantine_id.encode(),
        value=encode(row),
        headers=heard.headers,
    )


def _received(heard: Heard, notice: Notice) -> Record:
    message = NoticeReceived(
        merchant_id=heard.account.merchant_id, notice=notice, received_at=heard.received_at
    )
    return Record(
        topic=REFERENCES.name,
        key=reference_key(notice.account_id, notice.reference),
        value=encode(message),
        headers=heard.headers,
    )


def _accepted(heard: Heard, notice_id: NoticeId, *, about_money: bool = True) -> Record:
    account = heard.account
    message = NoticeAccepted(
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        notice_id=notice_id,
        format=account.format,
        received_at=heard.received_at,
        raw_sha256=heard.digest,
        raw_base64=_text(heard.raw),
        content_type=heard.content_type,
        about_money=about_money,
    )
    return Record(
        topic=HISTORY.name,
        key=account.merchant_id.encode(),
        value=encode(message),
        headers=heard.headers,
    )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
