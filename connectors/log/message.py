"""A record of the log as Faust's agents get it."""

from __future__ import annotations

from faust.types.tuples import TP, ConsumerMessage

from connectors.log.headers import unpack_headers
from connectors.log.reader import Stored

TIMESTAMP_OF_APPEND = 1
"""Kafka's own code for a record whose time was set by the log, not by its sender."""


def message_of(tp: TP, record: Stored, generation: int) -> ConsumerMessage:
    """A record of a partition, handed out in this generation of the assignment."""
    offset, timestamp_ms, key, value, headers = record
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        offset,
        timestamp_ms / 1000,
        TIMESTAMP_OF_APPEND,
        list(unpack_headers(headers)),
        key,
        value,
        None,
        tp=tp,
        generation_id=generation,
    )
