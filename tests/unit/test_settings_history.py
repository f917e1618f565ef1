"""On Kafka the history must be named: a file would be another one on each machine."""

from __future__ import annotations

import pytest

from ops.settings import BadSettings, read

ON_KAFKA = {"KESHIKOMI_BROKER": "kafka://127.0.0.1:9092"}


def test_history_has_no_default_where_several_machines_may_share_a_log() -> None:
    with pytest.raises(BadSettings) as refused:
        read(ON_KAFKA, {})

    (fault,) = refused.value.faults
    assert fault.startswith("KESHIKOMI_HISTORY: must be named where the log is on Kafka")
    assert refused.value.unread == {"history"}, "a check leaves out what nobody named"


@pytest.mark.parametrize("history", ["cassandra://node/keyspace", "sqlite:///var/lib/history.db"])
def test_a_history_that_is_named_is_taken_beside_kafka(history: str) -> None:
    assert read({**ON_KAFKA, "KESHIKOMI_HISTORY": history}, {}).history == history
