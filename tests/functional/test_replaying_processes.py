"""The processes that work on replays: killed, doubled, cut off; each portion is said once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from agents import replay_course, replaying
from agents.replaying import Replaying
from streams.codecs import decode_notification_message
from streams.domain.ids import DeliveryId, MerchantId, ReplayId
from streams.messages import ResendRequested
from streams.ports import History, Place, Record
from streams.replays import DeliveryStanding
from tests.api_shop import Shop, a_shop
from tests.conftest import Eventually
from tests.fakes import FailingHistory
from tests.functional.test_api_completeness import offered, told
from tests.functional.test_api_replays import asked, failed, replays_of, turns
from tests.functional.test_api_told import attempted


class Process:
    """A process that works on replays, and which numbers it had sent again."""

    def __init__(self, shop: Shop, history: History | FailingHistory | None = None) -> None:
        self._shop = shop
        self.resent: list[int] = []
        self.runner = Replaying(
            history=history or shop.world.history,
            publish=self._publish,
            is_ours=lambda _: True,
            clock=shop.world.clock,
            monotonic=itertools.count(0.0, 60.0).__next__,
        )

    async def _publish(self, records: Sequence[Record]) -> Sequence[Place]:
        for each in records:
            if each.topic == "notifications":
                message = decode_notification_message(each.value)
                assert isinstance(message, ResendRequested)
                self.resent.append(message.delivery.sequence)
        return await self._shop.world.log.append(records)


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """One resend in each portion, so that there is something between two of them."""
    monkeypatch.setattr(replay_course, "RESENDS_PER_PORTION_MAX", 1)


async def delivered(shop: Shop, count: int) -> str:
    """So many deliveries, all delivered; the path to ask for replays at."""
    path = replays_of(await told(shop, count))
    for sequence in range(1, count + 1):
        await attempted(shop, offered(shop, sequence).delivery_id, status_code=204)
    return path


async def test_a_replay_goes_on_where_a_process_left_it(tmp_path: Path) -> None:
    """The one that died had said more than history knew: none of it is said again."""
    async with a_shop(tmp_path) as shop:
        path = await delivered(shop, 3)
        begun = await asked(shop, path, statuses=["delivered"])
        killed, following = Process(shop), Process(shop)
        await turns(shop, killed.runner, 2)
        await killed.runner.turn()  # history does not hear of this portion for a while
        await following.runner.turn()
        await following.runner.turn()
        said_at_first = list(following.resent)
        await turns(shop, following.runner)
        done = await shop.get(f"{path}/{begun['id']}")

    assert (killed.resent, said_at_first, following.resent) == ([1, 2], [], [3])
    assert (done["status"], done["found"], done["resent"]) == ("done", 3, 3)


async def test_of_two_processes_that_both_work_on_a_replay_one_lets_go(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = await delivered(shop, 5)
        begun = await asked(shop, path, statuses=["delivered"])
        one, other = Process(shop), Process(shop)
        await turns(shop, one.runner, 2)
        await turns(shop, other.runner, 2)
        # It learns that another has it, and takes it again, because nobody told it not to.
        await turns(shop, one.runner, 3)
        for _ in range(6):
            await turns(shop, one.runner, 1)
            await turns(shop, other.runner, 2)
        done = await shop.get(f"{path}/{begun['id']}")

    assert one.resent[:2] == [1, 3]
    assert sorted(one.resent + other.resent) == [1, 2, 3, 4, 5]
    assert (done["status"], done["resent"]) == ("done", 5)


class StaleList(FailingHistory):
    """A history whose list of what is running is late, as between two writes it may be."""

    async def running_replays(self) -> Sequence[tuple[MerchantId, ReplayId]]:
        return self.running

    running: Sequence[tuple[MerchantId, ReplayId]] = ()


async def test_a_cancel_counts_though_the_list_of_replays_is_late(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = await delivered(shop, 2)
        begun = await asked(shop, path, statuses=["delivered"])
        history = StaleList(shop.world.history)
        history.running = [(MerchantId(shop.merchant), ReplayId(begun["id"]))]
        process = Process(shop, history)
        await turns(shop, process.runner, 2)
        async with shop.world.worker():
            await shop.api.post(f"{path}/{begun['id']}/cancel")
        await turns(shop, process.runner)

    assert process.resent == [1]


async def test_a_replay_waits_for_history_that_is_away(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    eventually: Eventually,
) -> None:
    monkeypatch.setattr(replaying, "LOOK_SECONDS", 0.01)
    async with a_shop(tmp_path) as shop:
        path = await delivered(shop, 2)
        await asked(shop, path, statuses=["delivered"])
        process = Process(shop)
        shop.world.history.is_down = True
        work = asyncio.create_task(process.runner.run())
        await eventually(lambda: "replays wait for an engine" in caplog.text)
        shop.world.history.is_down = False
        async with shop.world.worker():
            await eventually(lambda: process.resent == [1, 2])
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def test_the_replays_of_other_workers_are_left_to_them(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = await delivered(shop, 1)
        begun = await asked(shop, path, statuses=["delivered"])
        theirs = Replaying(
            history=shop.world.history,
            publish=shop.world.log.append,
            is_ours=lambda merchant: merchant != shop.merchant,
            clock=shop.world.clock,
        )
        await turns(shop, theirs)
        row = await shop.world.history.replay(MerchantId(shop.merchant), ReplayId(begun["id"]))

    assert (row.taken, row.resent) == ("", 0)


async def test_an_invoice_is_replayed_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a portion, and from one portion to the next."""
    monkeypatch.setattr(replay_course, "RESENDS_PER_PORTION_MAX", 3)
    async with a_shop(tmp_path) as shop:
        path = replays_of(await told(shop, 2, types=["*"]))
        await failed(shop, 1, 2, 3, 4)
        await asked(shop, path)
        await turns(shop, Process(shop).runner)
        rows = [offered(shop, sequence) for sequence in (1, 2, 3, 4)]

    # Two events of each of two invoices: the second of each comes behind the first.
    assert [row.round for row in rows] == [1, 1, 1, 1]
    assert [row.after for row in rows] == ["", rows[0].key, "", rows[2].key]


class Forgetful(FailingHistory):
    """A history whose retention removes deliveries between two reads."""

    async def delivery_standings(self, _: object) -> Mapping[DeliveryId, DeliveryStanding]:
        return {}


async def test_what_is_removed_while_it_is_read_is_found_and_not_resent(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = await delivered(shop, 2)
        begun = await asked(shop, path, statuses=["delivered"])
        await turns(shop, Process(shop).runner, 2)
        process = Process(shop, Forgetful(shop.world.history))  # number 1 is under way, it heard
        await turns(shop, process.runner)
        done = await shop.get(f"{path}/{begun['id']}")

    assert process.resent == []
    assert (done["status"], done["found"], done["resent"]) == ("done", 2, 1)
