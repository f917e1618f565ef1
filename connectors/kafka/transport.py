"""The hardened Kafka driver for Faust, registered under a name of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver

from connectors.kafka import broken  # noqa: F401  # Faust's clients are made of its connections
from connectors.kafka.connection import (
    DRIVER_SCHEME,
    REQUEST_SECONDS_MAX,
    KafkaConnection,
)
from connectors.kafka.consumer import Consumer
from connectors.kafka.producer import Producer
from connectors.kafka.topics import BATCH_BYTES_MAX
from connectors.log.conducting import Conductor

SESSION_SECONDS = 6.0
"""A worker that is silent for this long has lost its partitions; brokers allow no less.

It is the longest part of the pause after a worker died: the others take over a second later.
"""
HEARTBEAT_SECONDS = 0.5
"""How soon a worker hears that it has to share."""


class Transport(driver.Transport):
    """Faust's aiokafka transport with our consumer, producer and conductor."""

    Conductor: ClassVar[Any] = Conductor
    Consumer: ClassVar[Any] = Consumer
    Producer: ClassVar[Any] = Producer


def register() -> None:
    """Make the driver known to Faust."""
    TRANSPORTS.aliases[DRIVER_SCHEME] = "connectors.kafka.transport:Transport"


def worker_options(connection: KafkaConnection, instance: str) -> dict[str, Any]:
    """What a Faust app on Kafka is made with; `instance` names this worker within its group.

    A worker that comes back under its name within the session gets its partitions back at once,
    and no other worker stops for it.
    """
    return {
        "broker": connection.urls,
        "broker_credentials": connection.credentials(),
        "consumer_group_instance_id": instance,
        "consumer_auto_offset_reset": "earliest",
        "broker_session_timeout": SESSION_SECONDS,
        "broker_heartbeat_interval": HEARTBEAT_SECONDS,
        "broker_request_timeout": REQUEST_SECONDS_MAX,
        "producer_request_timeout": REQUEST_SECONDS_MAX,
        "producer_acks": -1,
        "producer_max_request_size": BATCH_BYTES_MAX,
        "topic_allow_declare": False,
    }
