"""Numbers without a gap: which delivery of an endpoint comes after which, whatever crashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from streams.domain.ids import NotificationId

BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The record of the log that a notification follows from; `at` is when the log took it.

    A step that is made again after a crash says the same again at another place of the log; by
    its source it is known to be the same.
    """

    topic: str
    partition: int
    offset: int
    at: datetime

    @property
    def way(self) -> str:
        """Records of one way arrive in the order of their offsets, however often."""
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """How far an endpoint's deliveries are numbered, and by which records of the log.

    It is written after the deliveries that it counts, to the same changelog, so a counter that has
    `read` a record says that every delivery of this record is there or was finished.
    """

    last: int = 0
    last_id: NotificationId | None = None
    read: int = -1
    """The offset of the last record that was counted, in the one partition of its merchant."""
    read_at: datetime = BEFORE_ALL
    """The latest time of a counted record. One that is older by its offset and younger by its time
    is of a log that was made anew, and counts."""
    seen: Mapping[str, int] = field(default_factory=dict)
    """The last source of each way."""
    seen_at: datetime = BEFORE_ALL

    def has_read(self, offset: int, at: datetime) -> bool:
        """Whether this very record was counted before a crash."""
        return offset <= self.read and at <= self.read_at

    def has_seen(self, source: Source | None) -> bool:
        """Whether another record said the same before, because a step was made again."""
        if source is None or source.at > self.seen_at:
            return False
        return source.offset <= self.seen.get(source.way, -1)

    def counted(
        self,
        *,
        last: int,
        last_id: NotificationId | None,
        offset: int,
        at: datetime,
        source: Source | None,
    ) -> Counter:
        """The counter after a record; `last` never goes back."""
        seen, seen_at = self.seen, self.seen_at
        if source is not None:
            seen, seen_at = {**seen, source.way: source.offset}, max(source.at, seen_at)
        return Counter(
            last=last,
            last_id=last_id,
            read=offset,
            read_at=max(at, self.read_at),
            seen=seen,
            seen_at=seen_at,
        )


def numbered_body(body: str, sequence: int, previous_id: NotificationId | None) -> str:
    """A notification's body with its place among all that the endpoint is sent.

    The body is a JSON object with at least one member; the members are added at its end, so all
    else stays byte for byte as it was.
    """
    previous = f'"{previous_id}"' if previous_id is not None else "null"
    return f'{body[:-1]},"sequence":{sequence},"previous_id":{previous}}}'
