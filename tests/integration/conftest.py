"""What several tests of real engines begin with: an empty keyspace, and history in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from streams.ports import History
from tests.history_engines import an_open_history
from tests.history_keyspaces import Keyspaces, an_empty_keyspace, keyspaces


@pytest.fixture
def pool(request: pytest.FixtureRequest) -> Keyspaces:
    return keyspaces(request)


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return an_empty_keyspace(request)


@pytest.fixture
def another(request: pytest.FixtureRequest) -> Callable[[], str]:
    """As `url`, another one at each call."""
    return lambda: an_empty_keyspace(request)


@pytest.fixture
async def history(url: str) -> AsyncIterator[History]:
    async with an_open_history(url) as opened:
        yield opened
