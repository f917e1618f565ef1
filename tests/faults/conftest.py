"""Brokers of the tests' own: a product's topics have fixed names, and here they are killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.stack.kafka import JARS, KafkaCluster, KafkaServer
from tests.real_engines import JAR_CACHE, need_java, running


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    """Three empty Kafka brokers that replicate to one another."""
    need_java(JARS)
    yield from running(KafkaCluster(tmp_path / "cluster", jar_cache=JAR_CACHE))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One empty Kafka broker for the tests of a file."""
    need_java(JARS)
    yield from running(KafkaServer(tmp_path_factory.mktemp("broker"), jar_cache=JAR_CACHE))
