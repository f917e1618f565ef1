"""The providers of channels: each sends its own notices, in its own format, on schedule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, ClassVar

from gevent.lock import Semaphore  # type: ignore[import-untyped]  # it has no types of its own
from locust import task

from loadtests.formats import FORMATS
from loadtests.schedule import Notice
from loadtests.users.connections import Answer
from loadtests.users.open_loop import SCHEDULE, OpenLoopUser


class Provider(OpenLoopUser):
    """A provider of one format."""

    abstract = True
    format: ClassVar[str]

    @task
    def send(self) -> None:
        """Send every notice of this format in this user's share."""
        mine = (
            (notice.at_seconds, notice)
            for notice in SCHEDULE.notices
            if SCHEDULE.format_of(notice) == self.format and self.is_mine(self.number_of(notice))
        )
        self.leave_on_time(mine, self._prepare)
        self.finish()

    def number_of(self, notice: Notice) -> int:
        """What decides in whose share a notice is: all sendings of one are in the same."""
        return notice.first

    def post(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send it once."""
        return self.ask("POST", path, headers, body)

    def _prepare(self, notice: Notice) -> Callable[[int], None]:
        path, headers, body = self.orders.request(SCHEDULE, notice)

        def start(intended_ns: int) -> None:
            self.insist(
                f"{self.format} {notice.kind}",
                lambda: self.post(path, headers, body),
                lambda answer: FORMATS[self.format].is_taken(*answer[:2]),
                what="notice",
                number=notice.place,
                intended_ns=intended_ns,
            )

        return start


class Generic(Provider):
    """Anyone who speaks our own JSON, signed by HMAC."""

    format = "generic"


class Gmo(Provider):
    """GMO Payment Gateway: form posts with a password, answered by `0`."""

    format = "gmo"


class Sbps(Provider):
    """SB Payment Service: XML in Shift_JIS with a hash code, answered by XML."""

    format = "sbps"


class Dsk(Provider):
    """The merchant who uploads what DSK collected: CP932 files of slips."""

    format = "dsk"

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._uploading: defaultdict[str, Semaphore] = defaultdict(Semaphore)

    def number_of(self, notice: Notice) -> int:
        """A merchant's files are all in one share."""
        return SCHEDULE.payments[notice.payments[0]].merchant

    def post(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """One file of a merchant after the other: two at a time would be refused."""
        with self._uploading[path]:
            return self.ask("POST", path, headers, body)
