"""On Kafka a topic that a log in use lacks is made by `keshikomi setup` alone, which says so."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from connectors.kafka.topics import make_topics
from ops.engines import topic_plans
from ops.installation import begin
from ops.keys import with_keys
from ops.settings import Settings, read
from ops.stack.kafka import KafkaServer
from streams.topics import CHANGELOGS, DIRECTORY, REFERENCES
from tests.integration.test_installation_on_real_engines import Machine

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

LOST = (REFERENCES.name, CHANGELOGS[0])
STARTS = 3


@pytest.fixture
def machine(tmp_path: Path, own_kafka: KafkaServer) -> Machine:
    history = f"sqlite://{tmp_path / 'history.db'}"
    return Machine(data=tmp_path / "data", broker=own_kafka.url, history=history)


def topics(kafka: KafkaServer) -> set[str]:
    return set(kafka.ask(lambda admin: admin.list_topics()))


async def test_what_was_deleted_is_named_by_every_start_and_made_by_setup_with_a_warning(
    machine: Machine, own_kafka: KafkaServer
) -> None:
    assert "warning" not in await machine.must_do("setup")
    await asyncio.to_thread(own_kafka.ask, lambda admin: admin.delete_topics(list(LOST)))

    tells = f"is in use and lacks {', '.join(LOST)}: either this version"
    for command in (["check"], ["up"], ["api"], ["worker", "--stage", "resolving"]):
        await machine.must_refuse(*command, saying=tells)
    assert not topics_lost(await asyncio.to_thread(topics, own_kafka))

    said = await machine.must_do("setup")
    assert f"warning: the log is in use and lacked {', '.join(LOST)}, made empty now" in said
    assert topics_lost(await asyncio.to_thread(topics, own_kafka)) == set(LOST)
    assert "everything is in order" in await machine.must_do("check")


def topics_lost(there: set[str]) -> set[str]:
    return there & set(LOST)


async def test_first_starts_that_find_one_half_done_end_it_and_agree(machine: Machine) -> None:
    settings = settings_of(machine.environment)
    assert settings.kafka is not None
    plans = topic_plans(settings)
    await make_topics(settings.kafka, [each for each in plans if each.name == DIRECTORY.name])

    starts = [asyncio.to_thread(begin, settings) for _ in range(STARTS)]
    made = await asyncio.gather(*starts)

    assert len({each.installation_id for each in made}) == 1


def settings_of(environment: Mapping[str, str]) -> Settings:
    return with_keys(read(environment, {}))
