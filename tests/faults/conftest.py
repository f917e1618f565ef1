"""Brokers of the tests' own, which are killed here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.stack.kafka import JARS as KAFKA_JARS
from ops.stack.kafka import KafkaCluster
from tests.real_engines import JAR_CACHE, need_java, running


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    """Three empty Kafka brokers that replicate to one another."""
    need_java(KAFKA_JARS)
    yield from running(KafkaCluster(tmp_path / "cluster", jar_cache=JAR_CACHE))
