"""What became of an endpoint's numbers: which were delivered, and which are missing, as ranges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from streams.domain.delivery import DeliveryStatus

Range = tuple[int, int]
"""A first and a last number; both are in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """Each number of a stretch is in exactly one range, and the ranges ascend."""

    delivered: Sequence[Range]
    pending: Sequence[Range]
    """Also those that wait for a retry."""
    failed: Sequence[Range]
    superseded: Sequence[Range]
    unknown: Sequence[Range]
    """Too old to be kept, or not known yet, or never given."""

    @property
    def is_complete(self) -> bool:
        """Whether every number was delivered; one that was skipped was not."""
        return not (self.pending or self.failed or self.superseded or self.unknown)


def completeness(known: Mapping[int, DeliveryStatus], first: int, last: int) -> Completeness:
    """Sort the numbers from `first` to `last` by what is known of them, which must ascend."""

    def those(*statuses: DeliveryStatus) -> Sequence[Range]:
        return ranges(number for number, status in known.items() if status in statuses)

    return Completeness(
        delivered=those(DeliveryStatus.DELIVERED),
        pending=those(DeliveryStatus.PENDING, DeliveryStatus.RETRYING),
        failed=those(DeliveryStatus.FAILED),
        superseded=those(DeliveryStatus.SUPERSEDED),
        unknown=_between(ranges(known), first, last),
    )


def ranges(numbers: Iterable[int]) -> Sequence[Range]:
    """Ascending numbers as ranges, as few as there can be."""
    found: list[Range] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _between(found: Sequence[Range], first: int, last: int) -> Sequence[Range]:
    """What the ranges leave out of a stretch."""
    starts = [first, *(end + 1 for _, end in found)]
    ends = [*(start - 1 for start, _ in found), last]
    return [(start, end) for start, end in zip(starts, ends, strict=True) if start <= end]
