"""A load during which something goes wrong, with what came of it in figures and in truth."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from loadtests.load import Load
from loadtests.registering import in_the_log
from loadtests.report import Measured, latencies_ms, percentile, spread
from loadtests.truth import faults
from loadtests.world import World

CALM_SECONDS = 2.0
"""The load is under way before anything goes wrong."""

Fault = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Story:
    """What came of a load: `wrong` is everything that is untrue, in words.

    The fault began at `fault_ns` and was over at `over_ns`, on the clock of the generator.
    """

    name: str
    load: Load
    wrong: list[str]
    fault_ns: int
    over_ns: int

    @property
    def is_within_load(self) -> bool:
        """Whether notices were still to be sent when all that was to go wrong had done so."""
        return self.over_ns < self.load.offered.intended_ns[-1]

    @property
    def longest_pause_seconds(self) -> float:
        """The longest time without any webhook between the first and the last."""
        return _longest_seconds(arrival.at_ns for arrival in self.load.arrivals.values())

    @property
    def longest_intake_pause_seconds(self) -> float:
        """The longest time in which no notice was accepted, between the first and the last."""
        return _longest_seconds(self._accepted_ns())

    @property
    def late_seconds(self) -> float:
        """How much longer than the middle one the slowest of a hundred notices waited to be told.

        A busy machine delays them all; a part of the product that stands still does not.
        """
        told_ms = latencies_ms(self.load)
        return (percentile(told_ms, 0.99) - percentile(told_ms, 0.5)) / 1e3

    def longest_pause_within(self, seconds: float) -> float:
        """The longest time so soon after the fault that had no webhook, or no acceptance."""
        until_ns = self.fault_ns + int(seconds * 1e9)
        told = [arrival.at_ns for arrival in self.load.arrivals.values()]
        return max(
            _longest_seconds(
                [self.fault_ns, until_ns, *(at for at in times if self.fault_ns <= at <= until_ns)]
            )
            for times in (told, self._accepted_ns())
        )

    def accepted_per_second(self, after_seconds: float) -> float:
        """The rate of acceptances from so long after the fault to the end of the schedule."""
        begin = self.fault_ns + int(after_seconds * 1e9)
        end = self.load.offered.intended_ns[-1]
        assert begin < end, "the load was over before"
        return sum(begin <= at <= end for at in self._accepted_ns()) / (end - begin) * 1e9

    def _accepted_ns(self) -> list[int]:
        return [self.load.offered.answered_ns[place] for place in self.load.offered.accepted]

    def figures(self) -> Measured:
        """What the scenario table of the docs shows."""
        return {
            "scenario": self.name,
            "fault_seconds": round((self.over_ns - self.fault_ns) / 1e9, 1),
            "accepted": len(self.load.offered.accepted),
            "refused_at_first": dict(self.load.offered.refused),
            "told": len(self.load.arrivals.keys() & set(self.load.references)),
            "repeats": self.load.repeats,
            "longest_pause_seconds": round(self.longest_pause_seconds, 1),
            "longest_intake_pause_seconds": round(self.longest_intake_pause_seconds, 1),
            "drained_seconds": round(self.load.drained_seconds, 1),
            "latency_ms": spread(latencies_ms(self.load)),
            "wrong": len(self.wrong),
        }


def _longest_seconds(times_ns: Iterable[int]) -> float:
    gaps = (after - before for before, after in itertools.pairwise(sorted(times_ns)))
    return max(gaps, default=0) / 1e9


async def suffer(world: World, name: str, fault: Fault, *, seconds: float, rate: float) -> Story:
    """Offer notices until everything that was accepted has been told, while `fault` happens.

    Raises what `fault` raises; what it does must be over when it returns.
    """
    lacking = int(rate * seconds) - world.unpaid
    if lacking > 0:
        await in_the_log(world, lacking)
        await world.quiet()
    loading = asyncio.create_task(world.load(rate, seconds, insisting=True))
    try:
        await asyncio.sleep(CALM_SECONDS)
        fault_ns = time.perf_counter_ns()
        await fault()
        over_ns = time.perf_counter_ns()
    finally:
        # Also when the fault failed: what was sent must be known to whoever judges a later load.
        load = await loading
    wrong = await faults(world, repeats_allowed=True)
    ours = set(load.references)
    for arrival in world.arrivals:  # also what came after as many as were accepted
        if arrival.reference in ours:
            load.arrivals.setdefault(arrival.reference, arrival)
    story = Story(name=name, load=load, wrong=wrong, fault_ns=fault_ns, over_ns=over_ns)
    print(story.figures(), flush=True)
    return story
