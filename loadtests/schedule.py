"""When which notice leaves, worked out before anything is sent: the same again for the same seed.

A notice is one request of a provider. Each payment has an invoice of its own, but for those whose
reference nobody issued; a file of slips tells of several payments of one merchant at once.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

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
PRELIMINARY, CONFIRMED = "preliminary", "confirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One act of paying; `is_live` is an invoice that a shop registers during the load."""

    number: int
    at_seconds: float
    format: str
    merchant: int
    is_known: bool
    is_live: bool


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
    payments: list[Payment] = []
    groups: list[tuple[float, tuple[int, ...]]] = []
    while len(payments) < len(times):
        form = chance.choices([*profile.formats], [*profile.formats.values()])[0]
        merchant = chance.choices(range(merchants), cum_weights=weights)[0]
        size = FILE_ROWS if form == FILED else 1
        group = times[len(payments) : len(payments) + size]
        numbers = tuple(range(len(payments), len(payments) + len(group)))
        for number in numbers:
            at = group[-1]
            is_known = chance.random() >= profile.unknown
            is_live = is_known and at >= LEAD_SECONDS and chance.random() < profile.live
            payment = Payment(
                number=number,
                at_seconds=at,
                format=form,
                merchant=merchant,
                is_known=is_known,
                is_live=is_live,
            )
            payments.append(payment)
        groups.append((group[-1], numbers))
    told = list(_told(chance, profile, seconds, payments, groups))
    return Schedule(payments=payments, notices=_in_order(told))


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
        known = tuple(number for number in group if payments[number].is_known)
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
