"""Adds up the laws from history and the log, and says in sentences what holds and what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ops.standing import LogPositions, Look
from streams.counts import Counts
from streams.ports import History
from streams.topics import STAGES, TOPICS, group_of_topic

LOOKS_MAX = 5
"""Under load the log moves while history is read; so often it is looked at again."""


NOT_PROVED = (
    "not proved: that each event went to every endpoint that wanted it (history does not keep who "
    "wanted what at the time), and that the log took what a channel was answered 2xx for"
)
"""Said at the end of every audit, so that nobody takes it for more than it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """One law, whether it holds, and the figures that say so."""

    name: str
    holds: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The answer of an audit; `differences` is empty when every law holds."""

    laws: tuple[Law, ...]
    differences: tuple[str, ...]
    remarks: tuple[str, ...]
    counts: Counts
    lag: Mapping[str, int]

    def also(self, law: Law) -> Report:
        """The same with one more law."""
        broken = () if law.holds else (law.sentence,)
        return replace(self, laws=(*self.laws, law), differences=(*self.differences, *broken))

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def lag_by_stage(log: LogPositions, partitions: Mapping[str, int]) -> dict[str, int]:
    """How many records each stage has yet to take, from topics and their partitions."""
    lag = dict.fromkeys(STAGES, 0)
    for stage, _, _, taken, end in _readers(log, partitions):
        lag[stage] += max(end - taken, 0)
    return lag


def cut_off(log: LogPositions, partitions: Mapping[str, int]) -> list[str]:
    """Where a stage has read further than the log goes, in sentences; lag would say nothing."""
    return [
        f"{stage} has read partition {partition} of {topic} up to offset {taken}, and it ends at "
        f"{end}: the log has lost its end"
        for stage, topic, partition, taken, end in _readers(log, partitions)
        if taken > end
    ]


def _readers(
    log: LogPositions, partitions: Mapping[str, int]
) -> Iterator[tuple[str, str, int, int, int]]:
    """Stage, topic, partition, how far it was taken, and its end, which is asked for last."""
    groups = group_of_topic()
    for topic in TOPICS:
        if topic.stage is None:
            continue
        for partition in range(partitions.get(topic.name, 0)):
            taken = log.committed(groups[topic.name], topic.name, partition)
            if taken is None:
                taken = log.earliest(topic.name, partition)
            yield topic.stage, topic.name, partition, taken, log.end(topic.name, partition)


async def audit(
    history: History,
    look: Look,
    partitions: Mapping[str, int],
    *,
    since: datetime | None = None,
    strangeness: Sequence[str] = (),
) -> Report:
    """Compare history with the laws at a moment when both stand still, if there is one.

    With `since`, only what changed then or later is compared, which is quicker where much is
    kept. `strangeness` is what speaks against history being this log's.
    Raises `Unavailable` when the log or history cannot be read.
    """
    looks = 0
    while True:
        log = await look()
        before = _ends(log, partitions)
        # The lag first: what every stage had taken by then is in the counts read after it.
        lag = lag_by_stage(log, partitions)
        counts = await history.counts(since)
        still = before == _ends(await look(), partitions)
        looks += 1
        if still or looks == LOOKS_MAX:
            report = judge(counts, lag, still=still, strangeness=strangeness)
            report = report.also(_whole(cut_off(log, partitions)))
            if since is None:
                return report
            remark = f"what was last changed before {since:%Y-%m-%dT%H:%M:%SZ} is not looked at"
            return replace(report, remarks=(remark, *report.remarks))


def _ends(log: LogPositions, partitions: Mapping[str, int]) -> Sequence[int]:
    return [log.end(name, number) for name, many in partitions.items() for number in range(many)]


def judge(
    counts: Counts, lag: Mapping[str, int], *, still: bool, strangeness: Sequence[str] = ()
) -> Report:
    """Judge figures that were read; `still` says that the log did not move meanwhile."""
    idle = still and not any(lag.values())
    laws = (
        _accepted(counts, idle=idle),
        _told(counts, idle=idle),
        _notified(counts),
        _stored(strangeness),
    )
    return Report(
        laws=laws,
        differences=tuple(law.sentence for law in laws if not law.holds),
        remarks=tuple(_remarks(counts, lag, still=still)),
        counts=counts,
        lag=dict(lag),
    )


def _accepted(counts: Counts, *, idle: bool) -> Law:
    settled = counts.matched + counts.unmatched + counts.quarantined
    sums = (
        f"accepted {counts.accepted} = matched {counts.matched} + unmatched {counts.unmatched} "
        f"+ quarantined {counts.quarantined}"
    )
    if counts.in_flight:
        sums += f" + on the way {counts.in_flight}"
    gap = counts.accepted - settled - counts.in_flight
    holds = gap == 0 and not (idle and counts.in_flight)
    if gap:
        sums += f": it does not add up, {abs(gap)} {'too few' if gap > 0 else 'too many'}"
    elif not holds:
        sums += (
            ": every stage has read everything, and so many accepted notices have no outcome: "
            f"{counts.in_flight}"
        )
    return Law(name="no accepted notice is lost or silent", holds=holds, sentence=sums)


def _told(counts: Counts, *, idle: bool) -> Law:
    """While something moves, a notice may be counted a moment after the events were."""
    sums = f"events that tell of a matched notice {counts.told}"
    if counts.untold:
        sums += f" + notices older than the feed {counts.untold}"
    sums += f" >= matched {counts.matched}"
    gap = counts.matched - counts.told - counts.untold
    holds = gap <= 0 or not idle
    if not holds:
        sums += f": so many were matched and never told: {gap} at least"
    elif gap > 0:
        sums += f": not judged while records are on their way, {gap} differ"
    return Law(name="no matched notice is silent", holds=holds, sentence=sums)


def _stored(strangeness: Sequence[str]) -> Law:
    sentence = "; ".join(strangeness) or "all that was committed is stored, and by this log"
    name = "history has what its archiver said is stored"
    return Law(name=name, holds=not strangeness, sentence=sentence)


def _whole(cut: Sequence[str]) -> Law:
    sentence = "; ".join(cut) or "no stage has read further than the log goes"
    return Law(name="the log has what was read of it", holds=not cut, sentence=sentence)


def _notified(counts: Counts) -> Law:
    # A delivery that waits for a retry is pending in the words of the law.
    pending = counts.pending + counts.retrying
    sums = (
        f"notified {counts.notified} = delivered {counts.delivered} + pending {pending} "
        f"+ failed {counts.failed}"
    )
    if counts.superseded:
        sums += f" + superseded {counts.superseded}"
    gap = counts.notified - counts.delivered - pending - counts.failed - counts.superseded
    if gap:
        sums += f": it does not add up, {abs(gap)} {'too few' if gap > 0 else 'too many'}"
    return Law(name="no notification is lost", holds=gap == 0, sentence=sums)


def _remarks(counts: Counts, lag: Mapping[str, int], *, still: bool) -> list[str]:
    """What an operator wants to know and no law forbids."""
    remarks = [
        f"repeats, counted apart: {counts.repeated}",
        f"not about money: {counts.noted}",
    ]
    behind = [f"{stage} {records}" for stage, records in lag.items() if records]
    if behind:
        remarks.append(f"records still to be taken: {', '.join(behind)}")
    elif not still:
        remarks.append("notices came in during the audit; on a quiet system it can say more")
    if counts.quarantined:
        remarks.append(f"notices in quarantine: {counts.quarantined} (`keshikomi quarantine list`)")
    if counts.failed:
        remarks.append(f"deliveries that failed for good and can be sent again: {counts.failed}")
    return [*remarks, NOT_PROVED]
