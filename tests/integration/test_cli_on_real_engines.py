"""What the commands say of real engines that nobody has set up yet, and after `setup`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.cli import main
from ops.engines import setup
from ops.settings import from_environment
from ops.stack.kafka import KafkaServer
from tests.history_keyspaces import Keyspaces
from tests.real_engines import fresh_name

pytestmark = pytest.mark.integration


def test_whoever_looks_before_setup_is_told_of_setup(
    own_kafka: KafkaServer,
    pool: Keyspaces,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keyspace = fresh_name("audited")
    for name, value in {
        "DATA": str(tmp_path / "data"),
        "BROKER": own_kafka.url,
        "KAFKA_REPLICATION": "1",
        "HISTORY": pool.url(keyspace),
    }.items():
        monkeypatch.setenv(f"KESHIKOMI_{name}", value)

    for command in (["audit"], ["quarantine", "list"]):
        assert main(command) == 1
        told = f"{own_kafka.url} has no topics of ours; start with `keshikomi setup`\n"
        assert capsys.readouterr().err == f"keshikomi: {told}"

    setup(from_environment())
    assert main(["audit"]) == 1
    told = f"history: the keyspace {keyspace} is not made yet; `keshikomi setup` makes it\n"
    assert capsys.readouterr().err == f"keshikomi: {told}"

    assert main(["setup"]) == 0
    assert f"the keyspace {keyspace} has all its tables" in capsys.readouterr().out
    assert main(["audit"]) == 0
