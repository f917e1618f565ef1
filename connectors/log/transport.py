"""The Faust driver for the embedded log: `sqlitelog:///PATH`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from faust.stores import STORES
from faust.transport import base
from faust.transport.drivers import TRANSPORTS
from yarl import URL

from connectors.log.conducting import Conductor
from connectors.log.consumer import Consumer
from connectors.log.producer import Producer
from connectors.log.sqlitelog import SqliteLog, stop_process

SCHEME = "sqlitelog"
STORE_SCHEME = "sqlitelogrows"


class Transport(base.Transport):
    """Opens the log once per app; the consumer, the producer and the tables share it."""

    Conductor: ClassVar[Any] = Conductor
    Consumer: ClassVar[Any] = Consumer
    Producer: ClassVar[Any] = Producer
    default_port = 0
    driver_version = "sqlitelog=1"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._log_file: SqliteLog | None = None

    @property
    def log_file(self) -> SqliteLog:
        """The log, opened at first use."""
        if self._log_file is None:
            on_failure = getattr(self.app, "on_log_failure", stop_process)
            self._log_file = SqliteLog(path_of(self.url[0]), on_failure=on_failure)
        return self._log_file

    def close_log(self) -> None:
        """Close the log; called when the last part of the driver has stopped."""
        if self._log_file is not None:
            self._log_file.close()

    def group_of(self, topic: str) -> str:
        """The group under which the app reads a topic."""
        groups: dict[str, str] = getattr(self.app, "group_of_topic", {})
        # A setting of Faust's costs more than all else here.
        return groups.get(topic) or self.app.conf.id


def path_of(url: URL) -> Path:
    """The log file that a broker URL names."""
    if url.host or not url.path.strip("/"):
        message = f"{url} needs an absolute path with three slashes: {SCHEME}:///PATH"
        raise ValueError(message)
    return Path(url.path)


def register() -> None:
    """Make the driver and its table store known to Faust."""
    TRANSPORTS.aliases[SCHEME] = "connectors.log.transport:Transport"
    STORES.aliases[STORE_SCHEME] = "connectors.log.store:Store"
