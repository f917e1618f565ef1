"""A release of Faust or aiokafka that changes what our drivers rely on inside of it is noticed."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import faust
import pytest
from aiokafka import (  # type: ignore[import-untyped]  # it ships no types
    AIOKafkaConsumer,
    AIOKafkaProducer,
)
from faust.assignor.partition_assignor import PartitionAssignor
from faust.tables.recovery import Recovery
from faust.transport.conductor import Conductor
from faust.transport.consumer import Consumer
from faust.transport.drivers.aiokafka import Consumer as KafkaConsumer

from connectors.kafka.broken import Connection
from tests.architecture.reliance import Reliance
from tests.architecture.reliance_kafka import OF_KAFKA
from tests.architecture.reliance_log import OF_THE_LOG
from tests.architecture.sources import ROOT, Source, all_sources

READ_WITH = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}
"""The versions whose source was read, and with which the drivers were tried and measured."""


RELIANCES = OF_KAFKA + OF_THE_LOG
DRIVERS = ("connectors/kafka/", "connectors/log/", "ops/worker.py", "tables/")
PUBLIC = frozenset({"_exit", "_replace", "_asdict"})
"""Private by their looks alone: of `os` and of named tuples."""

LIST_THEM = "say in reliance_kafka.py or reliance_log.py what these are and what stands on them"
STARS: dict[object, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}
NAMES = [(reliance, name) for reliance in RELIANCES for name in reliance.names]
STATES = [reliance for reliance in RELIANCES if reliance.state]


def shape_of(thing: Any) -> str:
    """As `reliance_kafka` and `reliance_log` write it."""
    if isinstance(thing, classmethod | staticmethod):
        thing = thing.__func__
    if inspect.isclass(thing):
        return "class"
    if not callable(thing):
        return type(thing).__name__
    parts: list[str] = []
    has_star = False
    for parameter in inspect.signature(thing).parameters.values():
        star = STARS.get(parameter.kind, "")
        if parameter.kind is parameter.KEYWORD_ONLY and not has_star:
            parts.append("*")
        has_star |= star == "*" or parameter.kind is parameter.KEYWORD_ONLY
        optional = "" if parameter.default is parameter.empty else "="
        parts.append(f"{star}{parameter.name}{optional}")
    return f"{'async ' * inspect.iscoroutinefunction(thing)}({', '.join(parts)})"


@pytest.mark.parametrize("package", READ_WITH)
def test_the_installed_version_is_the_one_that_was_read(package: str) -> None:
    assert version(package) == READ_WITH[package], (
        f"read what changed in {package} since {READ_WITH[package]}, look again at what "
        "reliance_kafka.py and reliance_log.py list, run tests/contract, and write the version here"
    )


@pytest.mark.parametrize(
    ("reliance", "name"), NAMES, ids=[f"{each.what}.{name}" for each, name in NAMES]
)
def test_a_name_has_the_shape_that_we_rely_on(reliance: Reliance, name: str) -> None:
    missing = object()
    found = inspect.getattr_static(reliance.theirs, name, missing)

    shape = "gone" if found is missing else shape_of(found)
    assert shape == reliance.names[name], told(reliance, name)


@pytest.mark.parametrize("reliance", STATES, ids=[each.what for each in STATES])
async def test_an_object_has_the_state_that_we_rely_on(reliance: Reliance) -> None:
    made = await MAKERS[reliance.theirs]()

    for name, kind in reliance.state.items():
        assert hasattr(made, name), told(reliance, name)
        assert isinstance(getattr(made, name), kind), told(reliance, name)


def told(reliance: Reliance, name: str) -> str:
    return (
        f"{reliance.module} relies on {name} of {reliance.what}, which has changed. "
        f"On it stands {reliance.why}"
    )


def an_app(broker: str) -> Any:
    return faust.App("names", broker=broker, web_enabled=False)


async def a_consumer(broker: str) -> Any:
    async def ignore(*_: object) -> None:
        return None

    return an_app(broker).transport.create_consumer(
        callback=ignore, on_partitions_revoked=ignore, on_partitions_assigned=ignore
    )


async def a_client() -> Any:
    client = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    await client.stop()
    return client


async def a_writing_client() -> Any:
    client = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")
    await client.stop()
    return client


async def a_connection() -> Any:
    return Connection("127.0.0.1", 1)


async def a_recovery() -> Any:
    app = an_app("kafka://127.0.0.1:1")
    return Recovery(app, app.tables)


async def a_conductor() -> Any:
    return Conductor(an_app("kafka://127.0.0.1:1"))


async def an_assignor() -> Any:
    return PartitionAssignor(an_app("kafka://127.0.0.1:1"))


MAKERS: dict[object, Callable[[], Any]] = {
    KafkaConsumer: lambda: a_consumer("kafka://127.0.0.1:1"),
    Consumer: lambda: a_consumer("kafka://127.0.0.1:1"),
    Conductor: a_conductor,
    Connection.__base__: a_connection,  # aiokafka's own
    AIOKafkaConsumer: a_client,
    AIOKafkaProducer: a_writing_client,
    PartitionAssignor: an_assignor,
    Recovery: a_recovery,
}


# --- nothing is left out


@pytest.mark.parametrize(
    "reliance", [each for each in RELIANCES if each.ours], ids=lambda each: each.what
)
def test_every_name_that_we_override_is_listed(reliance: Reliance) -> None:
    overridden = {
        name
        for name in vars(reliance.ours)
        if hasattr(reliance.theirs, name)
        and name not in {"_abc_impl", "logger"}  # made for each class
        and (name == "__post_init__" or not name.startswith("__"))
    }

    assert overridden - set(reliance.names) == set(), LIST_THEM


def driver_sources() -> list[Source]:
    return [source for source in all_sources() if source.path.startswith(DRIVERS)]


@pytest.mark.parametrize("source", driver_sources(), ids=lambda source: source.path)
def test_every_private_name_that_is_not_ours_is_listed(source: Source) -> None:
    here = [each for each in RELIANCES if each.module == source.path]
    listed = {name for each in here for name in [*each.names, *each.state]}
    bases = {each.ours.__name__: each.theirs for each in here if each.ours}

    assert foreign_names(source, bases) - listed == set(), LIST_THEM


def foreign_names(source: Source, bases: Mapping[str, object]) -> set[str]:
    """Private attributes that are used in a file and made elsewhere: not in it, or in a base."""
    made = set(PUBLIC)
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            made.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            made |= {node.attr} if ast.unparse(node.value) == "self" else set()
    return {
        node.attr
        for top in source.tree.body
        for node in ast.walk(top)
        if isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr)
        if node.attr not in made or hasattr(bases.get(getattr(top, "name", "")), node.attr)
    }


def test_every_module_that_is_listed_is_there() -> None:
    assert {each.module for each in RELIANCES if not (ROOT / each.module).is_file()} == set()
