"""A real Redis on the loopback; what it acknowledged survives kill -9."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ops.stack.server import LOOPBACK, Server, free_port

PORT = 6379
ANSWER_SECONDS_MAX = 1.0
VERSION = "7"
"""The major version, as Debian 12 packages it."""


class RedisServer(Server):
    """One Redis server with its data in `directory`, on a free port unless one is named."""

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        super().__init__("redis", directory, host=LOOPBACK, port=port or free_port())

    @property
    def url(self) -> str:
        """The value for KESHIKOMI_CACHE."""
        return f"redis://{self.address}/0"

    def prepare(self) -> Sequence[str]:
        options = {
            "bind": self.host,
            "port": str(self.port),
            "dir": str(self.directory.absolute()),
            "save": "",
            "appendonly": "yes",  # written before the answer: a killed server has lost nothing
        }
        flags = (part for name, value in options.items() for part in (f"--{name}", value))
        return ["redis-server", *flags]

    def answers(self) -> bool:
        try:
            with redis.Redis(
                host=self.host,
                port=self.port,
                retry=Retry(NoBackoff(), 0),
                socket_timeout=ANSWER_SECONDS_MAX,
                socket_connect_timeout=ANSWER_SECONDS_MAX,
            ) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
