"""What the notices of one invoice must come to, worked out apart from the product's own rules.

The truth of a run stands here: an invoice is paid by the first payment that is heard of; what comes
beside it is a duplicate, and the invoice is overpaid; a preliminary payment that is taken back
(速報取消) opens it again. A confirmation changes nothing but the word for the money.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from loadtests.arrivals import Said, Standing
from loadtests.formats import invoice_number
from loadtests.merchants import AMOUNT_YEN, MATCHED, PAID_ONCE
from loadtests.schedule import CANCELLED, CONFIRMED, PRELIMINARY, Payment
from loadtests.verify import Fact

PAID, UNMATCHED = "invoice.paid", "payment.unmatched"
OVERPAID, REOPENED = "invoice.overpaid", "invoice.reopened"
TOLD_PRELIMINARY, TOLD_CONFIRMED, TOLD_CANCELLED = (
    f"payment.{kind}" for kind in (PRELIMINARY, CONFIRMED, CANCELLED)
)
DUPLICATE = "duplicate"
STANDINGS = (
    Standing("open", 0, 0),
    PAID_ONCE,
    Standing("overpaid", AMOUNT_YEN, AMOUNT_YEN),
)
"""Where an invoice stands by how many payments of it count."""
NO_INVOICE = Said("unmatched", AMOUNT_YEN)
PAYING = frozenset({PRELIMINARY, CONFIRMED})
NEVER_NS = 1 << 62

Kinds = frozenset[str]
NONE: Kinds = frozenset()


@cache
def _and(kinds: Kinds, kind: str) -> Kinds:
    """One set for all that are equal: there are hundreds of thousands of payments."""
    return kinds | {kind}


@dataclass(slots=True, kw_only=True)
class Sent:
    """What was sent of one payment: the kinds that were accepted, and those without an answer."""

    payment: Payment
    reference: str
    """As it is told."""
    accepted: Kinds = NONE
    uncertain: Kinds = NONE
    was_early: bool = False
    """A notice may have come before its invoice, so that it was unmatched at first."""
    is_in_order: bool = True
    """The payment was accepted before anyone sent that it is taken back."""
    sent_ns: int = NEVER_NS
    """When the first notice left."""
    taken_ns: int = NEVER_NS
    """When the first one was accepted."""

    def take(self, kind: str, answered_ns: int) -> None:
        """A notice of this kind was accepted."""
        self.accepted = _and(self.accepted, kind)
        self.taken_ns = min(self.taken_ns, answered_ns)

    def doubt(self, kind: str) -> None:
        """A notice of this kind has no answer."""
        self.uncertain = _and(self.uncertain, kind)

    def doubt_all(self) -> None:
        """Nobody knows whether the invoice was there: each may have been matched or not."""
        self.uncertain, self.accepted = self.uncertain | self.accepted, NONE


def sure(several: Sequence[Sent]) -> Counter[Fact]:
    """What must be told of an invoice whose payments these are."""
    return _facts(several, lambda sent: sent.accepted, _surely_counts)


def possible(several: Sequence[Sent]) -> Counter[Fact]:
    """What may be told beside that: of notices without an answer, or that overtook another."""
    most = _facts(several, lambda sent: sent.accepted | sent.uncertain, lambda _: True)
    most -= sure(several)
    for sent in several:
        if sent.was_early:
            most[UNMATCHED, sent.reference] += len(sent.accepted | sent.uncertain)
    return most


def settled(several: Sequence[Sent]) -> Mapping[Fact, list[str]]:
    """How the notices of each sure fact must have been settled, as far as it is sure."""
    order = _order(several)
    found: dict[Fact, list[str]] = {}
    for fact, times in sure(several).items():
        name, reference = fact
        if name == UNMATCHED:
            found[fact] = ["unmatched"] * times
        elif name == OVERPAID:
            found[fact] = [DUPLICATE]
        elif name in {PAID, REOPENED}:
            found[fact] = [MATCHED]
        elif order is not None:
            kind = name.removeprefix("payment.")
            found[fact] = [
                DUPLICATE if place else MATCHED
                for place, sent in enumerate(order)
                if kind in sent.accepted and sent.reference == reference
            ]
    return found


def says(several: Sequence[Sent]) -> Mapping[Fact, Collection[Said]]:
    """What may be said of each fact: by when it is told, other payments may count or not."""
    number = invoice_number(several[0].payment)

    def words(outcome: str, *counting: int) -> list[Said]:
        return [Said(outcome, AMOUNT_YEN, number, STANDINGS[many]) for many in counting]

    never = [] if all(map(_surely_counts, several)) else [0]
    again = [2] if len(several) > 1 else []
    of_a_payment = [*words(MATCHED, *never, 1, *again), *words(DUPLICATE, *again)]
    of_type = {
        UNMATCHED: [NO_INVOICE],
        PAID: words(MATCHED, 1),
        OVERPAID: words(DUPLICATE, 2),
        REOPENED: words(MATCHED, 0),
        TOLD_PRELIMINARY: of_a_payment,
        TOLD_CONFIRMED: of_a_payment,
        TOLD_CANCELLED: words(MATCHED, 0),
    }
    return {(name, several[0].reference): said for name, said in of_type.items()}


def ending(several: Sequence[Sent]) -> Standing | None:
    """Where the invoice must stand in the end, or nothing where nobody can know it."""
    if not several[0].payment.is_known or any(sent.uncertain - sent.accepted for sent in several):
        return None
    paying = [sent for sent in several if sent.accepted & PAYING]
    return STANDINGS[sum(CANCELLED not in sent.accepted for sent in paying)]


def _order(several: Sequence[Sent]) -> list[Sent] | None:
    """The payments in the order in which they were heard of, or nothing where it is not known."""
    if len(several) == 1:
        return [*several]
    first, *others = sorted(several, key=lambda sent: sent.taken_ns)
    is_known = all(first.taken_ns < other.sent_ns for other in others)
    return [first, *others] if is_known else None


def _surely_counts(sent: Sent) -> bool:
    return CANCELLED not in sent.accepted | sent.uncertain or sent.is_in_order


def _facts(
    several: Sequence[Sent], kinds_of: Callable[[Sent], Kinds], counts: Callable[[Sent], bool]
) -> Counter[Fact]:
    found: Counter[Fact] = Counter()
    is_known, reference = several[0].payment.is_known, several[0].reference
    for sent in several:
        for kind in kinds_of(sent):
            found[f"payment.{kind}" if is_known else UNMATCHED, reference] += 1
    paying = [sent for sent in several if kinds_of(sent) & PAYING and counts(sent)]
    if is_known and paying:
        found[PAID, reference] = 1
        if len(paying) > 1:
            found[OVERPAID, reference] = 1
        if any(CANCELLED in kinds_of(sent) for sent in paying):
            found[REOPENED, reference] = 1
    return found
