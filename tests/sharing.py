"""Which files of tests run in one process, when there are several: those that share a server."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]  # it ships no types
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # as above

ROOT = Path(__file__).parents[1]
SERVERS = {
    "kafka": r"\b(kafka_server: Kafka|kafka_cluster: Kafka|log_engines\b)",
    "cassandra": r"^tests/(contract/test_history|integration/test_history_cassandra)"
    r"|\b(cassandra_server: Cass|pool: Keyspaces|another: Callable)|^    url: str,$",
}
"""What the path or a line of a file says whose tests use that server; each takes most of a core for
seconds to start. A file that says both goes with the first."""


class BySharedServer(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """As `--dist loadfile`, and all files of one server go to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return process_of(nodeid.partition("::")[0])


@cache
def process_of(path: str) -> str:
    """The name of the group of a file, given as pytest names it: its server, or its own path."""
    text = f"{path}\n{(ROOT / path).read_text('utf-8')}"
    found = (server for server, uses in SERVERS.items() if re.search(uses, text, re.MULTILINE))
    return next(found, path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BySharedServer | None:
    """Schedule by what is shared where files are not to be divided."""
    return BySharedServer(config, log) if config.getvalue("dist") == "loadfile" else None
