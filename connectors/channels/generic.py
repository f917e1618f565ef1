"""The format `generic`: our own JSON, for anyone who has no other.

A notice is told from another by its `notice_id`, kind, reference and amount together: all four the
same is a repeat, and the same `notice_id` with another kind, reference or amount is another notice,
so nothing is swallowed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connectors.channel import Account, Channel, ConfigField, Incoming, Reply, free_text
from connectors.keeping import keep_json
from connectors.moments import read_rfc3339
from streams.codecs import check_json
from streams.domain.errors import Malformed, NotAuthentic
from streams.domain.ids import NoticeId, notice_id, payment_id
from streams.domain.masking import mask_card_numbers
from streams.domain.notice import (
    AMOUNT_YEN_MAX,
    REFERENCE_CHARACTERS_MAX,
    Notice,
    NoticeKind,
    Store,
)

SIGNATURE_HEADER = "x-keshikomi-signature"
EXACT = frozenset({"kind", "reference", "paid_at", "channel_at"})
"""What is matched, and what has a form of its own; ids are any text, and only digested."""
FAULTS_MAX = 20
POINTER_CHARACTERS_MAX = 100


Time = Annotated[datetime, BeforeValidator(read_rfc3339, json_schema_input_type=str)]
Text = Annotated[str, Field(min_length=1, max_length=REFERENCE_CHARACTERS_MAX)]


def canonical_reference(reference: str) -> str:
    """The reference as the sender writes it: nothing is folded."""
    if not 1 <= len(reference) <= REFERENCE_CHARACTERS_MAX or not reference.isprintable():
        raise Malformed(
            f"a reference must have 1 to {REFERENCE_CHARACTERS_MAX} printable characters"
        )
    return reference


def _reference(value: str) -> str:
    try:
        return canonical_reference(value)
    except Malformed as error:
        raise ValueError(str(error)) from None


Reference = Annotated[str, AfterValidator(_reference)]


class Where(BaseModel):
    """The shop, in whatever codes the sender uses."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    chain: Text
    code: Annotated[str, Field(max_length=REFERENCE_CHARACTERS_MAX)] = ""


class Body(BaseModel):
    """A notice as it is posted; a member that is not listed here is refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    notice_id: Text
    kind: NoticeKind
    reference: Reference
    amount_yen: Annotated[int, Field(ge=0, le=AMOUNT_YEN_MAX)]
    paid_at: Time
    channel_at: Time | None = None
    store: Where | None = None
    payment_id: Text | None = None


def signature(body: bytes, secret: str) -> str:
    """The value of the signature header for this body."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def authenticate(incoming: Incoming, config: Mapping[str, str]) -> None:
    """Check the HMAC over the body as it came, before anything of it is read."""
    given = incoming.headers.get(SIGNATURE_HEADER, "").strip()
    expected = signature(incoming.body, config["secret"])
    if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode()):
        raise NotAuthentic(f"{SIGNATURE_HEADER} does not fit the body")


def parse(incoming: Incoming, account: Account) -> tuple[Notice, ...]:
    """One notice per body; the payment's identity is made from the store as it was sent."""
    body = _read(incoming.body)
    where = body.store
    said = (body.notice_id, body.kind, body.reference, str(body.amount_yen))
    return (
        Notice(
            notice_id=notice_id(account.account_id, *said),
            payment_id=payment_id(account.account_id, *_act_of_paying(body)),
            account_id=account.account_id,
            channel=account.channel,
            kind=body.kind,
            reference=body.reference,
            amount_yen=body.amount_yen,
            paid_at=body.paid_at,
            channel_at=body.channel_at,
            store=Store(chain=free_text(where.chain), code=free_text(where.code))
            if where
            else None,
        ),
    )


def _act_of_paying(body: Body) -> tuple[str, ...]:
    """What the notices of one payment have in common."""
    if body.payment_id is not None:
        return ("id", body.payment_id)
    place = (body.store.chain, body.store.code) if body.store else ()
    return ("act", body.reference, body.paid_at.isoformat(), *place)


def _read(data: bytes) -> Body:
    check_json(data)
    try:
        body = Body.model_validate_json(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise _malformed([(_pointer(fault["loc"]), fault["msg"]) for fault in found]) from None
    if body.amount_yen == 0 and body.kind is not NoticeKind.CORRECTED:
        raise _malformed([("/amount_yen", "Only a correction can be of 0 yen")])
    return body


def _pointer(location: tuple[int | str, ...]) -> str:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in location)
    # The name of an unknown member is the sender's text: cut it, and let no card number through.
    return mask_card_numbers("".join(f"/{step}" for step in steps))[:POINTER_CHARACTERS_MAX]


def _malformed(faults: list[tuple[str, str]]) -> Malformed:
    listed = tuple(faults[:FAULTS_MAX])
    return Malformed("; ".join(f"{where}: {what}" for where, what in listed), faults=listed)


def accepted(notice: NoticeId | None, duplicate: bool) -> Reply:  # noqa: FBT001  # as `Channel` says
    """202 with the notice's id here."""
    body = json.dumps({"notice_id": notice, "duplicate": duplicate}).encode()
    return Reply(status=202, content_type="application/json", body=body)


def keep(raw: bytes, config: Mapping[str, str]) -> bytes:
    """Every string but those that say which notice it is."""
    return keep_json(raw, exact=EXACT, secrets=[config["secret"]])


def _problem(_: str) -> None:
    """Leave the answer to the API: its problem documents are our own format too."""


CHANNEL = Channel(
    name="generic",
    config=(
        ConfigField(
            name="secret",
            meaning="The key of the HMAC-SHA256 signature: 16 to 256 visible ASCII characters",
            pattern=r"[\x21-\x7e]{16,256}",
            secret=True,
        ),
    ),
    content_types=frozenset({"application/json"}),
    authenticate=authenticate,
    parse=parse,
    canonical_reference=canonical_reference,
    accepted=accepted,
    not_authentic=_problem,
    unreadable=_problem,
    unavailable=_problem,
    keep=keep,
)
