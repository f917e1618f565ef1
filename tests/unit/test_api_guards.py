"""Files come a few at a time, a refusal of the log is remembered, history is asked politely."""

from __future__ import annotations

from typing import Any

import pytest

from api.errors import Problem
from api.guards import REFUSAL_SECONDS, FileSlots, WatchedAppender
from api.recent import HISTORY_REST_SECONDS, Recent
from streams.domain.errors import Unavailable
from streams.domain.ids import NoticeId
from tests.fakes import FailingAppender, FailingHistory, ManualSeconds


def test_a_merchant_has_one_file_read_at_a_time_and_all_have_a_few() -> None:
    slots = FileSlots(at_once_max=2)

    with slots.taken("a"), slots.taken("b"):
        for merchant, status in (("a", 429), ("c", 503)):
            with pytest.raises(Problem) as refused, slots.taken(merchant):
                pass
            assert refused.value.status == status
            assert "Retry-After" in refused.value.headers
    with slots.taken("a"), slots.taken("c"):
        pass


class Sink:
    async def append(self, records: Any) -> Any:
        return ()


async def refused(watched: WatchedAppender) -> None:
    with pytest.raises(Unavailable):
        await watched.append(())


async def test_a_refusal_of_the_log_counts_until_time_passes() -> None:
    seconds = ManualSeconds()
    watched = WatchedAppender(FailingAppender(Sink(), is_down=True), seconds=seconds)

    await refused(watched)
    at_once = watched.refuses
    seconds.seconds += REFUSAL_SECONDS

    assert (at_once, watched.refuses) == (True, False)


async def test_a_refusal_of_the_log_counts_until_an_append_succeeds() -> None:
    inner = FailingAppender(Sink(), is_down=True)
    watched = WatchedAppender(inner, seconds=ManualSeconds())

    await refused(watched)
    inner.is_down = False
    await watched.append(())

    assert not watched.refuses


class Heard:
    def __init__(self) -> None:
        self.asked = 0

    async def has_notice(self, notice_id: NoticeId) -> bool:
        self.asked += 1
        return True


async def test_history_that_fails_is_left_alone_for_a_while() -> None:
    heard, seconds = Heard(), ManualSeconds()
    history: Any = FailingHistory(heard)  # type: ignore[arg-type]  # one method of it is enough
    recent = Recent(seconds=seconds)

    history.is_down = True
    assert not await recent.was_heard(NoticeId("ntc_a"), history)
    history.is_down = False
    assert not await recent.was_heard(NoticeId("ntc_a"), history)
    assert heard.asked == 0
    seconds.seconds += HISTORY_REST_SECONDS
    assert await recent.was_heard(NoticeId("ntc_a"), history)


async def test_recent_notices_are_bounded() -> None:
    recent = Recent(size_max=2)
    for name in ("a", "b", "a", "c"):
        recent.add(NoticeId(name))

    assert [NoticeId(name) in recent for name in "abc"] == [True, False, True]


def test_of_equal_notices_the_first_to_be_durable_is_the_new_one() -> None:
    recent = Recent()

    assert [recent.add(NoticeId("ntc_a")) for _ in range(3)] == [True, False, False]
