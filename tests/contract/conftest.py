"""Every engine of history, one after the other; other contracts have engines of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streams.ports import History
from tests.history_engines import ENGINES, Engine, an_open_history


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    """How a history of this engine is opened."""
    return ENGINES[request.param](request)


@pytest.fixture
async def history(engine: Engine, tmp_path: Path) -> AsyncIterator[History]:
    """A new one, which is closed at the end."""
    async with an_open_history(engine(tmp_path)) as opened:
        yield opened
