"""The providers of channels: each sends its own notices, in its own format, on schedule."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from locust import task

from loadtests.formats import FORMATS
from loadtests.results import Result
from loadtests.schedule import Notice
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
            if SCHEDULE.format_of(notice) == self.format and self.is_mine(notice.first)
        )
        self.leave_on_time(mine, self._prepare)
        self.finish()

    def _prepare(self, notice: Notice) -> Callable[[int], None]:
        path, headers, body = self.orders.request(SCHEDULE, notice)

        def start(intended_ns: int) -> None:
            sent_ns = time.perf_counter_ns()
            status, answer = self.ask("POST", path, headers, body)
            result = Result(
                what="notice",
                number=notice.place,
                intended_ns=intended_ns,
                sent_ns=sent_ns,
                answered_ns=time.perf_counter_ns(),
                status=status,
                is_good=FORMATS[self.format].is_taken(status, answer),
            )
            self.note(f"{self.format} {notice.kind}", result, answer)

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
