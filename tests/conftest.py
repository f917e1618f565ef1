"""What every test gets: fixed random choices, no silent errors, an account of what was skipped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# kafka_server, cassandra_server, redis_server and more; a Kafka that lets in only whom it knows
pytest_plugins = ["tests.real_engines", "tests.kafka_guarded", "tests.sharing"]

# The same examples everywhere, so a red run is red for everyone; look further with
# `pytest --hypothesis-profile=thorough`.
settings.register_profile("ci", derandomize=True, max_examples=200, deadline=None, print_blob=True)
settings.register_profile("thorough", max_examples=5_000, deadline=None, print_blob=True)
settings.load_profile("ci")

UNIT_TESTS = Path(__file__).parent / "unit"
EVENTUALLY_SECONDS = 30.0
EVENTUALLY_PAUSE_SECONDS = 0.01


class ErrorKeeper(logging.Handler):
    """Remembers what was logged at ERROR or above."""

    def __init__(self) -> None:
        super().__init__(level=logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = logging.Formatter().format(record)
        self.lines.append(f"{record.levelname} {record.name}: {text}")


@pytest.fixture(autouse=True)
def no_unexpected_errors(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test during which anything logged an error; `allows_errors` marks the exceptions."""
    keeper = ErrorKeeper()
    root = logging.getLogger()
    root.addHandler(keeper)
    try:
        yield
    finally:
        root.removeHandler(keeper)
    if keeper.lines and request.node.get_closest_marker("allows_errors") is None:
        pytest.fail("errors were logged:\n" + "\n".join(keeper.lines), pytrace=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Only the unit tests count as covering code: they are quick, and assert what it does.

    Tracing costs the others as much again as they do, and what they run by the way proves little.
    """
    for item in items:
        if UNIT_TESTS not in item.path.parents:
            item.add_marker("no_cover")


Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


@pytest.fixture
def eventually() -> Eventually:
    """Wait until another process or thread has made something true; the only pause in the tests.

    `await eventually(lambda: sink.count == 3)`; within one event loop await the event itself.
    """

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(EVENTUALLY_SECONDS):
            while not condition():  # noqa: ASYNC110  # another process sets no event of ours
                await asyncio.sleep(EVENTUALLY_PAUSE_SECONDS)

    return wait


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Keep the skipped tests for the last lines of `make test`."""
    lines = [skip_line(report) for report in terminalreporter.stats.get("skipped", [])]
    count = f"{len(lines)} SKIPPED" if lines else "No test was skipped."
    cache = config.rootpath / config.getini("cache_dir")
    cache.mkdir(exist_ok=True, parents=True)
    (cache / "skipped.txt").write_text("\n".join([count, *lines]) + "\n")


def skip_line(report: pytest.TestReport) -> str:
    """Which test (or file) was skipped, and why."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return f"  {report.nodeid}: {reason.removeprefix('Skipped: ')}"
