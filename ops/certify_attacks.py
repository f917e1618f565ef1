"""What `keshikomi certify` does to a receiver, one attack after the other, each with its advice."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import count

from connectors.signing import SECRET_BYTES
from ops import certify_advice as advice
from ops.certify_ed25519 import ALONE, ed25519_attacks
from ops.certify_requests import (
    ALTERED,
    Attack,
    Make,
    changed_header,
    longer_body,
    read,
    refused,
    signed,
    taken,
    with_unknown,
)
from ops.certify_webhooks import Numbering, Story, Webhook, large, ping
from streams.domain.notice import NoticeKind
from streams.domain.signing import Signing, SigningKey

RUN_BYTES, PING_BYTES = 3, 16
CANCELLED = NoticeKind.PRELIMINARY_CANCELLED
STALE_SECONDS = 600
"""Twice the tolerance of the standard."""
FIRST_NUMBERS = range(2**30, 2**31 - 1_000)
"""Where the numbers of a run begin, by chance: a receiver that is certified again, and keeps each
number once, must not have them; and they fit into 32 bits, as those of nearly every endpoint do."""


class Plan:
    """All attacks of one run, and what the merchant's shop must look like after them.

    `secret` is the endpoint's, `private_key` that of ed25519, and at least one of them is there;
    `old_secret` is one that is good still, where there is any.
    """

    def __init__(
        self,
        *,
        secret: bytes | None,
        old_secret: bytes | None,
        at: datetime,
        private_key: bytes | None = None,
    ) -> None:
        self._v1 = SigningKey(secret) if secret else None
        self._v1a = SigningKey(private_key, Signing.V1A) if private_key else None
        key = self._v1 or self._v1a
        assert key is not None, "something signs"
        self._key = key
        self._old = SigningKey(old_secret) if old_secret else None
        self._stranger = SigningKey(secrets.token_bytes(SECRET_BYTES))
        self._at = at
        run = secrets.token_hex(RUN_BYTES)
        self._numbers = (f"CERTIFY-{run}-{number}" for number in count(1))
        self.to_look_at: list[str] = []
        self._numbering = Numbering(secrets.choice(FIRST_NUMBERS))
        self.unjudged: list[tuple[str, str]] = []
        """What cannot be judged from outside: its name, and how to see it."""
        self.attacks = (
            *self._true(),
            *self._numbered(),
            self._acknowledged(),
            *self._large_and_slow(),
            *self._rotated(),
            *self._of_ed25519(),
            *self._false(),
        )
        self._say_what_is_missing()

    def _story(self) -> Story:
        return Story(next(self._numbers), at=self._at)

    def _tell(self, story: Story, kind: NoticeKind) -> list[Webhook]:
        return [self._numbering.give(told) for told in story.tell(kind)]

    def _paid(self) -> Webhook:
        """`invoice.paid` of an invoice that nothing else is about."""
        return self._numbering.give(self._story().tell(NoticeKind.PRELIMINARY)[-1])

    def _forged(self) -> Webhook:
        """The like for a request that must be refused: it uses up no number."""
        return self._numbering.show(self._story().tell(NoticeKind.PRELIMINARY)[-1])

    def _genuine(self, webhook: Webhook, *, late_seconds: int = 0) -> Make:
        return signed(webhook, self._key, late_seconds=late_seconds)

    def _take(self, name: str, webhooks: list[Webhook], said: str) -> Attack:
        return taken(name, said, *(self._genuine(webhook) for webhook in webhooks))

    def _true(self) -> Iterator[Attack]:
        """What is genuine, in every order in which it may come."""
        story = self._story()
        first, paid = self._tell(story, NoticeKind.PRELIMINARY)
        yield self._take("a genuine webhook", [first], advice.GENUINE)
        yield self._take("the same again", [first], advice.REPEAT)
        yield replace(
            self._take("the same twice at once", [paid, paid], advice.TWICE), is_at_once=True
        )
        self.to_look_at.append(f"{story.invoice_number} is released, and once only")

        story = self._story()
        before, after = self._both(story, NoticeKind.CONFIRMED)
        yield self._take(
            "payment.confirmed before payment.preliminary", after + before, advice.ORDER
        )
        self.to_look_at.append(f"{story.invoice_number} is released, and once only")

        story = self._story()
        before, after = self._both(story, CANCELLED)
        yield self._take("invoice.reopened before invoice.paid", after + before, advice.ORDER)
        self.to_look_at.append(f"{story.invoice_number} is not released: what came last was older")

        story = self._story()
        before, after = self._both(story, CANCELLED)
        yield self._take("a 速報取消: paid, and then taken back", before + after, advice.STOP)
        self.to_look_at.append(f"{story.invoice_number} was released, and then stopped")

    def _both(self, story: Story, kind: NoticeKind) -> tuple[list[Webhook], list[Webhook]]:
        """What a 速報 makes the product say, and what another notice does after it."""
        before = self._tell(story, NoticeKind.PRELIMINARY)
        return before, self._tell(story, kind)

    def _numbered(self) -> Iterator[Attack]:
        """What `sequence` does on its way: it overtakes, leaves gaps, and comes again."""
        one, two = self._paid(), self._paid()
        yield self._take("a sequence before the one below it", [two, one], advice.NUMBERS)
        self._left, after = self._paid(), self._paid()
        self._left_number = self._numbering.last - 1
        yield self._take("a sequence after a gap", [after], advice.NUMBERS)
        yield self._take("an older sequence again", [one], advice.REPEAT)
        told = [ping(secrets.token_hex(PING_BYTES), at=self._at)]
        yield self._take("endpoint.ping, which has no sequence", told, advice.PING)

    def _say_what_is_missing(self) -> None:
        first, last, left = self._numbering.first, self._numbering.last, self._left_number
        how = (
            f"of the numbers {first} to {last} your list of what is missing must name {left},"
            f" some minutes from now ({self._left.id}, which was never sent), and beside it only"
            " those that you did not answer with 2xx; of a real endpoint you would then ask"
            f" GET /v1/endpoints/{{id}}/completeness?from={left}&to={left}"
        )
        self.unjudged.append(("whether you find out what is missing", how))

    def _acknowledged(self) -> Attack:
        paid = self._paid()
        return read(self._take("told again, as by ack_required", [paid, paid], advice.REPEAT))

    def _large_and_slow(self) -> Iterator[Attack]:
        body = self._numbering.give(large(next(self._numbers), at=self._at))
        yield self._take("a body of 20 KB", [body], advice.LARGE)
        make = self._genuine(self._paid())
        yield taken("a slow body", advice.SLOW, lambda now: replace(make(now), is_slow=True))

    def _rotated(self) -> Iterator[Attack]:
        """What comes while a secret is rotated, and with signatures of the future."""
        key, stranger = self._key, self._stranger
        first = signed(self._paid(), key, stranger)
        yield taken("two signatures, the first is right", advice.ROTATION, first)
        second = signed(self._paid(), stranger, key)
        yield taken("two signatures, the second is right", advice.ROTATION, second)
        if self._old is not None:
            yield taken("the old secret alone", advice.ROTATION, signed(self._paid(), self._old))
        versions = changed_header(self._genuine(self._paid()), "webhook-signature", with_unknown)
        yield taken("an unknown version beside a right signature", advice.VERSIONS, versions)

    def _of_ed25519(self) -> Iterator[Attack]:
        yield from ed25519_attacks(
            v1=self._v1, v1a=self._v1a, genuine=self._paid, forged=self._forged
        )
        if self._v1a is None:
            how = "give --private-key, for an endpoint whose `signing` is v1a or will be"
            self.unjudged.append((ALONE, how))

    def _false(self) -> Iterator[Attack]:
        """What is not genuine, each of an invoice of its own, so that none is a repeat."""
        story = self._story()
        webhook = self._numbering.give(story.tell(NoticeKind.PRELIMINARY)[-1])
        yield refused("a bad signature", advice.FORGED, signed(webhook, self._stranger))
        yield self._take("the genuine one after its forgery", [webhook], advice.HARMLESS)
        self.to_look_at.append(f"{story.invoice_number} is released, though it was forged before")
        for name, late_seconds in (("old", STALE_SECONDS), ("future", -STALE_SECONDS)):
            make = self._genuine(self._forged(), late_seconds=late_seconds)
            yield refused(f"a timestamp that is {name}", advice.STALE, make)
        longer = longer_body(self._genuine(self._forged()))
        yield refused("a changed body", advice.RAW, longer)
        for name, header, change in ALTERED:
            make = changed_header(self._genuine(self._forged()), header, change)
            yield refused(name, advice.UNREADABLE, make)
        yield self._take("a genuine webhook after all that", [self._paid()], advice.GENUINE)
