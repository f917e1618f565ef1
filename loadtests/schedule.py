"""When which notice leaves, worked out before anything is sent: the same again for the same seed.

A notice is one request of a provider. Each payment has an invoice of its own, but for those whose
reference nobody issued, and those that pay an invoice again; a file of slips tells of several
payments of one merchant at once.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from loadtests.profiles.reading import Profile

FILE_ROWS = 4
"""Payments in one file of slips."""
FILED = "dsk"
CONFIRMS_AT_ONCE = "gmo"
"""This provider speaks once, and what it says is confirmed."""
POWER = 1.1
"""The exponent of the power law: how much larger each merchant is than the next one."""
LEAD_SECONDS = 3.0
"""So long before its payment a shop registers an invoice."""
PRELIMINARY, CONFIRMED, CANCELLED = "preliminary", "confirmed", "preliminary_cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One act of paying; `is_live` is an invoice that a shop registers during the load.

    `pays` is the number of the payment whose invoice it pays: its own, unless it pays again.
    """

    number: int
    at_seconds: float
    format: str
    merchant: int
    is_known: bool
    is_live: bool
    pays: int
    is_taken_back: bool = False

    @property
    def pays_again(self) -> bool:
        """Whether the invoice was paid by another payment before."""
        return self.pays != self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One request; `first` is the place of its first sending, which is its own for that one."""

    place: int
    at_seconds: float
    kind: str
    payments: tuple[int, ...]
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Everything that is to be sent, notices in the order in which they leave."""

    payments: Sequence[Payment]
    notices: Sequence[Notice]

    @property
    def live(self) -> list[Payment]:
        """Those whose invoices shops register during the load."""
        return [payment for payment in self.payments if payment.is_live]

    @property
    def early(self) -> list[Payment]:
        """Those whose invoices are registered beforehand."""
        return [
            payment
            for payment in self.payments
            if payment.is_known and not payment.is_live and not payment.pays_again
        ]

    def pairs(self) -> list[tuple[int, str]]:
        """Which merchants are paid, and by which formats."""
        return sorted({(payment.merchant, payment.format) for payment in self.payments})

    def format_of(self, notice: Notice) -> str:
        """The format that a notice is in."""
        return self.payments[notice.payments[0]].format


def plan(
    profile: Profile, *, rate: float, seconds: float, merchants: int, seed: int = 1
) -> Schedule:
    """Work out a run of so many payments a second, times what the profile's ramp says."""
    chance = random.Random(seed)  # noqa: S311  # a load that can be repeated, no secret
    weights = list(itertools.accumulate((place + 1) ** -POWER for place in range(merchants)))
    times = list(_times(profile.ramp, rate, seconds))
    draws = {form: many / _rows(form) for form, many in profile.formats.items()}
    payments: list[Payment] = []
    groups: list[tuple[float, tuple[int, ...]]] = []
    while len(payments) < len(times):
        form = chance.choices([*draws], [*draws.values()])[0]
        merchant = chance.choices(range(merchants), cum_weights=weights)[0]
        group = times[len(payments) : len(payments) + _rows(form)]
        numbers = tuple(range(len(payments), len(payments) + len(group)))
        payments += [_payment(chance, profile, each, group[-1], form, merchant) for each in numbers]
        groups.append((group[-1], numbers))
    for again in _again(chance, profile, seconds, payments):
        payments.append(again)
        groups.append((again.at_seconds, (again.number,)))
    told = list(_told(chance, profile, seconds, payments, groups))
    return Schedule(payments=payments, notices=_in_order(told))


def _rows(form: str) -> int:
    """How many payments one request of a format tells of."""
    return FILE_ROWS if form == FILED else 1


def _payment(  # noqa: PLR0917  # all that was drawn of it
    chance: random.Random, profile: Profile, number: int, at: float, form: str, merchant: int
) -> Payment:
    is_known = chance.random() >= profile.unknown
    is_live = is_known and at >= LEAD_SECONDS and chance.random() < profile.live
    # A shop that waits for an invoice would see it paid for a moment only.
    may_be_taken_back = is_known and not is_live and form != CONFIRMS_AT_ONCE
    return Payment(
        number=number,
        at_seconds=at,
        format=form,
        merchant=merchant,
        is_known=is_known,
        is_live=is_live,
        pays=number,
        is_taken_back=may_be_taken_back and chance.random() < profile.taken_back,
    )


def _again(
    chance: random.Random, profile: Profile, seconds: float, payments: Sequence[Payment]
) -> list[Payment]:
    """The payments of invoices that are paid twice, numbered from the last one on."""
    twice = [
        payment
        for payment in payments
        if payment.is_known and not payment.is_taken_back and chance.random() < profile.paid_twice
    ]
    later = profile.paid_twice_after * seconds
    return [
        replace(payment, number=number, at_seconds=payment.at_seconds + later, is_live=False)
        for number, payment in enumerate(twice, len(payments))
    ]


def _times(ramp: Sequence[tuple[float, float]], rate: float, seconds: float) -> Iterator[float]:
    at = 0.0
    while at < seconds:
        yield at
        at += 1 / (rate * factor(ramp, at / seconds))


def factor(ramp: Sequence[tuple[float, float]], share: float) -> float:
    """How many times the rate it is, after this share of the time."""
    for (begin, low), (end, high) in itertools.pairwise(ramp):
        if share <= end:
            return low + (high - low) * (share - begin) / (end - begin)
    return ramp[-1][1]


Told = tuple[float, str, tuple[int, ...], int]
"""When, which kind, of which payments, and the number of the notice whose sending this is."""


def _told(
    chance: random.Random,
    profile: Profile,
    seconds: float,
    payments: Sequence[Payment],
    groups: Sequence[tuple[float, tuple[int, ...]]],
) -> Iterator[Told]:
    numbers = itertools.count()
    for at, group in groups:
        kind = CONFIRMED if payments[group[0]].format == CONFIRMS_AT_ONCE else PRELIMINARY
        yield from _sendings(chance, profile, seconds, (at, kind, group, next(numbers)))
        back = tuple(number for number in group if payments[number].is_taken_back)
        known = tuple(each for each in group if payments[each].is_known and each not in back)
        if back:
            later = at + profile.taken_back_after * seconds
            yield from _sendings(chance, profile, seconds, (later, CANCELLED, back, next(numbers)))
        if kind == PRELIMINARY and known and chance.random() < profile.confirmed:
            later = at + profile.confirmed_after * seconds
            again = (later, CONFIRMED, known, next(numbers))
            yield from _sendings(chance, profile, seconds, again)


def _sendings(
    chance: random.Random, profile: Profile, seconds: float, told: Told
) -> Iterator[Told]:
    yield told
    for _ in range(chance.randint(1, profile.sendings_most) - 1):
        yield (told[0] + chance.random() * profile.again_within * seconds, *told[1:])


def _in_order(told: Sequence[Told]) -> list[Notice]:
    first: dict[int, int] = {}
    notices = []
    for place, (at, kind, group, number) in enumerate(sorted(told)):
        first.setdefault(number, place)
        notices.append(
            Notice(place=place, at_seconds=at, kind=kind, payments=group, first=first[number])
        )
    return notices


def shared_out(shares: Mapping[str, float], count: int) -> list[str]:
    """One of the names for each of so many, the larger shares more often, none in a row by luck."""
    had = dict.fromkeys(shares, 0)
    names = []
    for _ in range(count):
        name = min(shares, key=lambda each: (had[each] + 0.5) / shares[each])
        had[name] += 1
        names.append(name)
    return names
