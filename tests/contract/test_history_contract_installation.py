"""What every engine of history owes whoever asks whose it is: the first claim holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streams.installations import Claim
from streams.ports import History
from tests.history_engines import Engine, an_open_history, archived
from tests.message_builders import a_notice_accepted

OURS, THEIRS = Claim(installation_id="ins_ours"), Claim(installation_id="ins_theirs")


@pytest.fixture
def url(engine: Engine, tmp_path: Path) -> str:
    return engine(tmp_path)


@pytest.fixture
async def history(url: str) -> AsyncIterator[History]:
    async with an_open_history(url) as opened:
        yield opened


async def test_a_new_history_is_nobodys_and_to_ask_claims_nothing(history: History) -> None:
    assert await history.installation() == ""
    assert await history.installation() == ""


async def test_the_first_claim_holds_whoever_claims_it_next(history: History, url: str) -> None:
    assert await history.installation(OURS) == "ins_ours"
    assert await history.installation(THEIRS) == "ins_ours"
    assert await history.installation(OURS) == "ins_ours"

    async with an_open_history(url) as again:
        assert await again.installation() == "ins_ours"


async def test_a_claim_says_from_where_on_the_log_is_to_be_stored(history: History) -> None:
    await history.store(archived(a_notice_accepted(), first_offset=6, partition=1))
    begins = {("history", 0): 5, ("history", 1): 3, ("quarantine", 0): 2}

    await history.installation(Claim(installation_id="ins_ours", begins=begins))

    assert (await history.archived_to("history", 0))[0] == 5
    assert (await history.archived_to("history", 1))[0] == 7, "more than that was stored"
    assert (await history.archived_to("quarantine", 0))[0] == 2


async def test_a_claim_that_does_not_hold_changes_nothing(history: History) -> None:
    await history.installation(OURS)
    begins = {("history", 0): 5}

    await history.installation(Claim(installation_id="ins_theirs", begins=begins))

    assert await history.archived_to("history", 0) == (0, None)


async def test_what_is_stored_after_a_claim_counts_on_from_there(history: History) -> None:
    await history.installation(Claim(installation_id="ins_ours", begins={("history", 0): 5}))

    await history.store(archived(a_notice_accepted(), first_offset=5))

    assert (await history.archived_to("history", 0))[0] == 6
