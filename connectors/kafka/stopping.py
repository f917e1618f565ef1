"""Ends a process on Kafka before a position can move past what was not done."""

from __future__ import annotations

import logging
import os
from typing import Any

from connectors.log.sqlitelog import EXIT_CODE

logger = logging.getLogger("keshikomi")


class Expelled(RuntimeError):
    """The group has given this worker's partitions to others."""

    def __init__(self, conf: Any) -> None:
        super().__init__(
            f"this worker is no member of the group {conf.id} any more: either it was silent for "
            f"more than {conf.broker_session_timeout:g} s, or another worker has the same name, "
            f"{conf.consumer_group_instance_id!r}; each needs a KESHIKOMI_WORKER_NAME of its own"
        )


class CutOff(RuntimeError):
    """The group has answered nothing for too long, while what it shares out can be reached."""

    def __init__(self, conf: Any, seconds: float) -> None:
        super().__init__(
            f"the group {conf.id} has answered no heartbeat of this worker for {seconds:.0f} s, "
            "and others may have its partitions: the broker that leads them answers, the one that "
            "leads the group does not"
        )


def stop_process(error: BaseException) -> None:
    """Say why in one line, and end; the next process goes on from what is committed."""
    logger.critical("the process stops: %s", error if str(error) else repr(error))
    os._exit(EXIT_CODE)
