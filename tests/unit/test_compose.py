"""`compose.yaml` offers the servers of `make stack`: the same versions, addresses and settings."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types

from ops.stack import cassandra, kafka, redis
from tests.architecture.sources import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
ENGINES = {
    "kafka": (f"apache/kafka:{kafka.VERSION}", kafka.PORT),
    "cassandra": (f"cassandra:{cassandra.VERSION}", cassandra.PORT),
    "redis": (f"redis:{redis.VERSION}", redis.PORT),
}
ONE_PLACE_ONLY = {"listeners", "controller.quorum.voters", "log.dirs", "advertised.listeners"}
SYNCED = "log.flush.interval.messages"
"""Set for docker alone: the stack is for trying and measuring, and says so in docs/operate.md."""


def test_compose_offers_exactly_the_servers_of_the_stack() -> None:
    assert SERVICES.keys() == ENGINES.keys()


@pytest.mark.parametrize("name", ENGINES)
def test_a_service_has_the_version_and_the_port_of_the_stack(name: str) -> None:
    image, port = ENGINES[name]

    assert SERVICES[name]["image"] == image
    assert SERVICES[name]["ports"] == [f"127.0.0.1:{port}:{port}"]


@pytest.mark.parametrize("name", ENGINES)
def test_a_service_keeps_its_data_and_tells_its_health(name: str) -> None:
    (mount,) = SERVICES[name]["volumes"]

    assert mount.partition(":")[0] in COMPOSE["volumes"]
    assert SERVICES[name]["healthcheck"].keys() == {"test", "interval", "timeout", "retries"}


def test_kafka_has_the_settings_of_the_stack() -> None:
    text = files("ops.stack").joinpath("kafka.properties").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    ours = dict(line.split("=", 1) for line in lines)
    prefixed = SERVICES["kafka"]["environment"]

    theirs = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): prefixed[name] for name in prefixed
    }

    assert theirs.keys() - {SYNCED} <= ours.keys()
    fixed = {name for name in theirs if "$" not in ours.get(name, "$")} - ONE_PLACE_ONLY
    assert {name: theirs[name] for name in fixed} == {name: ours[name] for name in fixed}
    assert len(fixed) >= 6


def test_kafka_tells_clients_the_address_of_the_host() -> None:
    advertised = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]

    assert advertised == f"PLAINTEXT://127.0.0.1:{kafka.PORT}"


def test_a_kafka_without_replicas_syncs_what_it_acknowledges() -> None:
    environment = SERVICES["kafka"]["environment"]

    assert environment["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"] == "1"
    assert environment["KAFKA_LOG_FLUSH_INTERVAL_MESSAGES"] == "1"


def test_a_cassandra_without_replicas_syncs_as_that_of_the_stack_does() -> None:
    text = files("ops.stack").joinpath("cassandra.yaml").read_text("utf-8")
    ours = re.search(r"^commitlog_sync: (\w+)$", text, re.MULTILINE)
    theirs = dict(
        option.removeprefix("-Dcassandra.").split("=", 1)
        for option in SERVICES["cassandra"]["environment"]["JVM_EXTRA_OPTS"].split()
    )

    assert ours
    assert theirs["settings.commitlog_sync"] == ours[1] == "batch"
    assert theirs["config.allow_system_properties"] == "true"
