"""The rights in docs/operate.md are those of every topic and group that there is."""

from __future__ import annotations

from ops.engines import topic_plans
from ops.settings import read
from streams.topics import group_of_topic
from tests.rights import CASSANDRA, GROUPS, TOPICS, documented, named


def test_the_docs_name_every_topic_and_every_group() -> None:
    settings = read(
        {"KESHIKOMI_BROKER": "kafka://127.0.0.1", "KESHIKOMI_HISTORY": "sqlite:///h"}, {}
    )

    assert named(TOPICS) == {plan.name for plan in topic_plans(settings)}
    assert named(GROUPS) == set(group_of_topic().values())
    assert named(CASSANDRA) == {"ALL KEYSPACES", "KEYSPACE keshikomi"}
    assert len(documented()) == 5
