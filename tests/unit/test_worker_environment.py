"""A worker is deaf to the environment variables that Faust reads for itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from faust.exceptions import ImproperlyConfigured
from faust.types.settings import Settings

from connectors.kafka.connection import KafkaConnection
from connectors.kafka.transport import register as register_kafka
from connectors.kafka.transport import worker_options
from connectors.log.transport import register as register_embedded
from ops.worker import Worker, WorkerParts
from streams.clock import system_clock
from tests.faust_variables import VARIABLES, other_value

DRIVERS: dict[str, Callable[[Path], Mapping[str, Any]]] = {
    "embedded": lambda directory: {"broker": f"sqlitelog://{directory / 'log.db'}"},
    "kafka": lambda _: worker_options(KafkaConnection(servers=("kafka:9092",)), "settling-one"),
}


def values(settings: Settings) -> dict[str, object]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # to look at a setting that will go is to be warned
        found = {name: getattr(settings, name) for name in Settings.SETTINGS}
    # Its end is chance; that its beginning is not another one is to be seen in the prefix.
    return found | {"reply_to": None}


@pytest.fixture(autouse=True)
def drivers() -> None:
    register_embedded()
    register_kafka()


def a_worker(directory: Path, driver: Mapping[str, Any]) -> Worker:
    def unused(*_: object, **__: object) -> Any:
        raise AssertionError("nothing runs here")

    return Worker(
        WorkerParts(
            driver=driver,
            store="memory://",
            partitions=4,
            data_dir=str(directory),
            stages=["settling"],
            clock=system_clock,
            report=unused,
            fail_stop=unused,
            make_lanes=unused,
            history=None,
            observe_archived=unused,
            publish_changes=unused,
            on_outage=unused,
            on_forgotten=unused,
        )
    )


@pytest.mark.parametrize("name", VARIABLES)
def test_faust_by_itself_would_listen(name: str) -> None:
    try:
        heard = values(Settings("id", env={name: other_value(name)}))
    except ImproperlyConfigured:
        return
    assert heard != values(Settings("id", env={}))


@pytest.mark.parametrize("driver", DRIVERS)
def test_no_variable_of_faust_changes_a_setting_of_a_worker(
    driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    expected = values(a_worker(tmp_path, DRIVERS[driver](tmp_path)).app.conf)

    for name in VARIABLES:
        with monkeypatch.context() as one:
            one.setenv(name, other_value(name))
            assert values(a_worker(tmp_path, DRIVERS[driver](tmp_path)).app.conf) == expected, name


def test_records_that_kafka_forgot_are_told_to_whom_the_worker_is_made_with(tmp_path: Path) -> None:
    app = a_worker(tmp_path, DRIVERS["kafka"](tmp_path)).app
    assert app.on_forgotten is not None

    with pytest.raises(AssertionError, match="nothing runs here"):
        app.on_forgotten("history", 1)
