"""What `keshikomi certify` does to a receiver, one attack after the other, each with its advice."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

from connectors.signing import SECRET_BYTES, signed_headers
from ops.certify_sending import Request
from ops.certify_webhooks import Story, Webhook, large
from streams.domain.notice import NoticeKind
from streams.domain.signing import SigningKey

Make = Callable[[int], Request]
"""Makes a request at the moment of its sending, in seconds since 1970."""

RUN_BYTES = 3
CANCELLED = NoticeKind.PRELIMINARY_CANCELLED
STALE_SECONDS = 600
"""Twice the tolerance of the standard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """Some requests, whether the receiver must take or refuse them, and advice if it does not."""

    name: str
    requests: tuple[Make, ...]
    must_take: bool
    advice: str
    is_at_once: bool = False
    """Whether the requests go out at the same moment instead of one after the other."""


class Plan:
    """All attacks of one run, and what the merchant's shop must look like after them.

    `secret` is the endpoint's; `old_secret` one that is good still, where there is any.
    """

    def __init__(self, *, secret: bytes, old_secret: bytes | None, at: datetime) -> None:
        self._secret, self._old_secret = secret, old_secret
        self._stranger = secrets.token_bytes(SECRET_BYTES)
        self._at = at
        run = secrets.token_hex(RUN_BYTES)
        self._numbers = (f"CERTIFY-{run}-{number}" for number in count(1))
        self.to_look_at: list[str] = []
        self.attacks = (*self._true(), *self._large_and_slow(), *self._rotated(), *self._false())

    def _story(self) -> Story:
        return Story(next(self._numbers), at=self._at)

    def _paid(self) -> Webhook:
        """`invoice.paid` of an invoice that nothing else is about."""
        return self._story().tell(NoticeKind.PRELIMINARY)[-1]

    def _genuine(self, webhook: Webhook, *, late_seconds: int = 0) -> Make:
        return _signed(webhook, self._secret, late_seconds=late_seconds)

    def _take(self, name: str, webhooks: list[Webhook], advice: str) -> Attack:
        makes = tuple(self._genuine(webhook) for webhook in webhooks)
        return Attack(name=name, requests=makes, must_take=True, advice=advice)

    def _true(self) -> Iterator[Attack]:
        """What is genuine, in every order in which it may come."""
        story = self._story()
        first, paid = story.tell(NoticeKind.PRELIMINARY)
        yield self._take("a genuine webhook", [first], GENUINE)
        yield self._take("the same again", [first], REPEAT)
        yield replace(self._take("the same twice at once", [paid, paid], TWICE), is_at_once=True)
        self.to_look_at.append(f"{story.invoice_number} is released, and once only")

        story = self._story()
        before, after = story.tell(NoticeKind.PRELIMINARY), story.tell(NoticeKind.CONFIRMED)
        yield self._take("payment.confirmed before payment.preliminary", after + before, ORDER)
        self.to_look_at.append(f"{story.invoice_number} is released, and once only")

        story = self._story()
        before, after = story.tell(NoticeKind.PRELIMINARY), story.tell(CANCELLED)
        yield self._take("invoice.reopened before invoice.paid", after + before, ORDER)
        self.to_look_at.append(f"{story.invoice_number} is not released: what came last was older")

        story = self._story()
        told = story.tell(NoticeKind.PRELIMINARY) + story.tell(CANCELLED)
        yield self._take("a 速報取消: paid, and then taken back", told, STOP)
        self.to_look_at.append(f"{story.invoice_number} was released, and then stopped")

    def _large_and_slow(self) -> Iterator[Attack]:
        yield self._take("a body of 20 KB", [large(next(self._numbers), at=self._at)], LARGE)
        make = self._genuine(self._paid())
        yield Attack(
            name="a slow body",
            requests=(lambda now: replace(make(now), is_slow=True),),
            must_take=True,
            advice=SLOW,
        )

    def _rotated(self) -> Iterator[Attack]:
        """What comes while a secret is rotated, and with signatures of the future."""
        secret, stranger = self._secret, self._stranger
        cases = [
            ("two signatures, the first is right", _signed(self._paid(), secret, stranger)),
            ("two signatures, the second is right", _signed(self._paid(), stranger, secret)),
        ]
        if self._old_secret is not None:
            cases.append(("the old secret alone", _signed(self._paid(), self._old_secret)))
        for name, make in cases:
            yield Attack(name=name, requests=(make,), must_take=True, advice=ROTATION)
        versions = _changed(self._genuine(self._paid()), "webhook-signature", _with_unknown)
        name = "an unknown version beside a right signature"
        yield Attack(name=name, requests=(versions,), must_take=True, advice=VERSIONS)

    def _false(self) -> Iterator[Attack]:
        """What is not genuine, each of an invoice of its own, so that none is a repeat."""
        story = self._story()
        webhook = story.tell(NoticeKind.PRELIMINARY)[-1]
        yield _refuse("a bad signature", _signed(webhook, self._stranger), FORGED)
        yield self._take("the genuine one after its forgery", [webhook], HARMLESS)
        self.to_look_at.append(f"{story.invoice_number} is released, though it was forged before")
        for name, late_seconds in (("old", STALE_SECONDS), ("future", -STALE_SECONDS)):
            make = self._genuine(self._paid(), late_seconds=late_seconds)
            yield _refuse(f"a timestamp that is {name}", make, STALE)
        yield _refuse("a changed body", _longer(self._genuine(self._paid())), RAW)
        for name, header, change in ALTERED:
            make = _changed(self._genuine(self._paid()), header, change)
            yield _refuse(name, make, UNREADABLE)
        yield self._take("a genuine webhook after all that", [self._paid()], GENUINE)


def _refuse(name: str, make: Make, advice: str) -> Attack:
    return Attack(name=name, requests=(make,), must_take=False, advice=advice)


def _signed(webhook: Webhook, *keys: bytes, late_seconds: int = 0) -> Make:
    signing = [SigningKey(key) for key in keys]

    def make(now: int) -> Request:
        headers = signed_headers(signing, webhook.id, now - late_seconds, webhook.body)
        return Request(headers=headers, body=webhook.body)

    return make


def _changed(make: Make, name: str, change: Callable[[str], str | None]) -> Make:
    """The request with one header changed, or without it where the change is None."""

    def changed(now: int) -> Request:
        request = make(now)
        value = change(request.headers[name])
        kept = {header: given for header, given in request.headers.items() if header != name}
        return replace(request, headers=kept if value is None else {**kept, name: value})

    return changed


def _longer(make: Make) -> Make:
    """The request with a line end that was not signed."""

    def longer(now: int) -> Request:
        request = make(now)
        return replace(request, body=request.body + b"\n")

    return longer


def _with_unknown(right: str) -> str:
    return f"v9,AAAA {right}"


ALTERED: tuple[tuple[str, str, Callable[[str], str | None]], ...] = (
    ("a changed webhook-id", "webhook-id", lambda right: f"{right}0"),
    ("no webhook-id", "webhook-id", lambda _: None),
    ("no webhook-timestamp", "webhook-timestamp", lambda _: None),
    ("no webhook-signature", "webhook-signature", lambda _: None),
    ("an empty webhook-signature", "webhook-signature", lambda _: ""),
    ("a webhook-timestamp that is no number", "webhook-timestamp", lambda _: "now"),
    ("a signature that is not base64", "webhook-signature", lambda _: "v1,%%%"),
    ("a signature without a version", "webhook-signature", lambda right: right[3:]),
    ("a signature of an unknown version only", "webhook-signature", lambda right: f"v9{right[2:]}"),
    ("a signature beyond ASCII", "webhook-signature", lambda right: f"{right[:-2]}é="),
)

GENUINE = (
    "Verify the raw bytes of the body with this endpoint's secret;"
    " docs/signature-vectors.json shows where a verifier goes wrong."
)
REPEAT = "A repeat is no error: answer 2xx to a webhook-id that you have, and do nothing more."
TWICE = (
    "Let the database decide which of two is first: webhook-id as a primary key, and 2xx to both."
)
ORDER = (
    "Take webhooks in any order: keep each, and let the newest data.invoice.updated_at decide"
    " what is done about the invoice."
)
STOP = "Take invoice.reopened after invoice.paid: the store gave the money back, so stop the order."
LARGE = "Bodies reach some tens of KB: let your server and your proxy take 1 MB."
SLOW = "Wait for the whole body before you verify it: networks deliver it in pieces."
ROTATION = (
    "Take a webhook when any of its signatures, which spaces separate, is right under any secret"
    " that is still good."
)
VERSIONS = "Pass over signatures of versions that you do not know, and look at the others."
FORGED = "Answer 401 unless a signature is right: anybody could release orders at your shop."
STALE = (
    "Answer 401 when webhook-timestamp is more than five minutes from your clock: else whoever"
    " has recorded a webhook can send it for ever."
)
RAW = "Verify the bytes as they came, neither trimmed nor written anew from parsed JSON."
UNREADABLE = "Answer 401 to headers that are missing or cannot be read; never act on the body."
HARMLESS = "Verify first and remember webhook-id afterwards: a forgery must not use up an id."
