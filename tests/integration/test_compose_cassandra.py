"""The options that `compose.yaml` gives to Cassandra take effect on a real node."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ops.stack.cassandra import JARS, CassandraServer
from tests.real_engines import JAR_CACHE, need_java
from tests.unit.test_compose import SERVICES

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

OURS = "commitlog_sync: batch\n"
OF_THE_IMAGE = "commitlog_sync: periodic\ncommitlog_sync_period: 10000ms\n"


class AsInTheImage(CassandraServer):
    """A node whose file says what the image's says, and which has the options of `compose.yaml`."""

    def prepare(self) -> Sequence[str]:
        java, *others = super().prepare()
        file = self.directory / "cassandra.yaml"
        text = file.read_text()
        assert OURS in text
        file.write_text(text.replace(OURS, OF_THE_IMAGE))
        return [java, *SERVICES["cassandra"]["environment"]["JVM_EXTRA_OPTS"].split(), *others]


def test_a_row_is_synced_before_it_is_acknowledged(tmp_path: Path) -> None:
    need_java(JARS)
    server = AsInTheImage(tmp_path, jar_cache=JAR_CACHE)
    server.start()
    try:
        server.wait_usable()
        settings = server.execute(
            "SELECT name, value FROM system_views.settings"
            " WHERE name IN ('commitlog_sync', 'commitlog_sync_period')"
        )
    finally:
        server.kill()

    assert settings == [("commitlog_sync", "batch"), ("commitlog_sync_period", "0ms")]
