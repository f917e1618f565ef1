"""The engines on which the contract of history is tried, and shorthand for asking one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connectors.history.opening import open_history
from streams.domain.ids import MerchantId
from streams.happenings import (
    HistoryMessage,
    Quarantined,
)
from streams.ports import Archived, EventRow, History, Place
from tests.builders import MERCHANT, NOW
from tests.history_keyspaces import an_empty_keyspace

Engine = Callable[[Path], str]
"""From an empty directory to the URL of an empty history."""

ENGINES: dict[str, Callable[[pytest.FixtureRequest], Engine]] = {
    "cassandra": lambda request: lambda _: an_empty_keyspace(request),
    "sqlite": lambda _: lambda directory: f"sqlite://{directory / 'history.db'}",
}
"""The engines, each with what it needs of the test that asks for it."""

TEST_SECONDS_MAX = 30.0


@asynccontextmanager
async def an_open_history(url: str) -> AsyncIterator[History]:
    """A history that is closed at the end; within the block everything has a deadline."""
    history = open_history(url)
    try:
        async with asyncio.timeout(TEST_SECONDS_MAX):
            yield history
    finally:
        await history.close()


def archived(
    *messages: HistoryMessage | Quarantined,
    first_offset: int = 0,
    partition: int = 0,
    recorded_at: datetime = NOW,
) -> list[Archived]:
    """Messages in consecutive places, a second apart, each on the topic where it belongs."""
    return [
        Archived(
            message=message,
            place=Place(
                topic="quarantine" if isinstance(message, Quarantined) else "history",
                partition=partition,
                offset=first_offset + index,
            ),
            recorded_at=recorded_at + timedelta(seconds=index),
        )
        for index, message in enumerate(messages)
    ]


async def whole_feed(
    history: History,
    *,
    merchant: MerchantId = MERCHANT,
    types: Sequence[str] = (),
    limit: int = 3,
    after: str | None = None,
) -> list[EventRow]:
    """Every event of a merchant, page by page, until a page is empty."""
    found: list[EventRow] = []
    while True:
        rows, after = await history.events(merchant, after=after, types=types, limit=limit)
        if not rows:
            return found
        assert not found or rows[0].event_id != found[-1].event_id, "the feed stands still"
        found += rows
