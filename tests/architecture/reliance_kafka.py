"""What our Kafka driver relies on inside of Faust and aiokafka, beyond what these promise.

A name is listed with the shape that we call or override: the parameters of a function (`=` marks
one with a default), or the kind of an attribute.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping, MutableSet

from aiokafka import (  # type: ignore[import-untyped]  # it ships no types
    AIOKafkaConsumer,
    AIOKafkaProducer,
)
from aiokafka.client import AIOKafkaClient  # type: ignore[import-untyped]  # it ships no types
from aiokafka.consumer import (  # type: ignore[import-untyped]  # it ships no types
    group_coordinator,
)
from aiokafka.producer.message_accumulator import (  # type: ignore[import-untyped]  # no types
    MessageAccumulator,
)
from aiokafka.producer.sender import Sender  # type: ignore[import-untyped]  # it ships no types
from aiokafka.protocol import group as group_protocol  # type: ignore[import-untyped]  # no types
from faust.stores import base as stores_base
from faust.tables import manager, recovery
from faust.transport.drivers import aiokafka as driver
from mode import Service

from connectors.kafka import broken as kafka_broken
from connectors.kafka import consumer as kafka_consumer
from connectors.kafka import ending as kafka_ending
from connectors.kafka import producer as kafka_producer
from connectors.kafka import recovery as kafka_recovery
from connectors.kafka import store as kafka_store
from connectors.kafka import transport as kafka_transport
from tests.architecture.reliance import STORE, Reliance

OF_KAFKA = (
    Reliance(
        module="connectors/kafka/consumer.py",
        ours=kafka_consumer.Consumer,
        theirs=driver.Consumer,
        why="which offset may be committed, and what a rebalance and a seek let in: read "
        "`_new_offset`, `perform_seek`, `on_partitions_revoked` and, with what the conductor's "
        "`on_message` may wait for, `_drain_messages` again",
        names={
            "_commit": "async (self, offsets)",
            "_drain_messages": "async (self, fetcher)",
            "_get_active_partitions": "(self)",
            "_getmany": "async (self, active_partitions, timeout)",
            "_new_consumer_thread": "(self)",
            "_new_offset": "(self, tp)",
            "_seek": "async (self, partition, offset)",
            "_wait_next_records": "async (self, timeout)",
            "on_partitions_assigned": "async (self, assigned, generation_id=)",
            "on_partitions_revoked": "async (self, revoked)",
            "perform_seek": "async (self)",
            "resume_flow": "(self)",
            "resume_partitions": "(self, tps)",
            "verify_event_path": "(self, now, tp)",
        },
        state={
            "_acked": MutableMapping,
            "_committed_offset": MutableMapping,
            "_read_offset": MutableMapping,
            "_unacked_messages": MutableSet,
            "_thread": driver.AIOKafkaConsumerThread,
        },
    ),
    Reliance(
        module="connectors/kafka/consumer.py",
        ours=kafka_consumer.Thread,
        theirs=driver.AIOKafkaConsumerThread,
        why="whether the group has expelled this worker: the way to the client's coordinator; and "
        "how the client is made, and commits",
        names={
            "_commit": "async (self, offsets)",
            "_create_worker_consumer": "(self, transport)",
            "_ensure_consumer": "(self)",
            "on_start": "async (self)",
        },
    ),
    Reliance(
        module="connectors/kafka/consumer.py",
        theirs=AIOKafkaConsumer,
        why="the same: look for the coordinator in the client; and how long a fetch may wait, "
        "which is set before the client starts",
        state={"_coordinator": object, "_fetch_max_wait_ms": int},
    ),
    Reliance(
        module="connectors/kafka/consumer.py",
        theirs=group_protocol.JoinGroupRequest,
        why="the same: the member id of one that was expelled",
        names={"UNKNOWN_MEMBER_ID": "str"},
    ),
    Reliance(
        module="connectors/kafka/consumer.py",
        theirs=group_coordinator.GroupCoordinator,
        why="the same: `member_id` is set to the unknown one when the group refuses it",
        names={"reset_generation": "(self)"},
    ),
    Reliance(
        module="connectors/kafka/heartbeats.py",
        theirs=group_coordinator.GroupCoordinator,
        why="that heartbeats, and the sync that ends a rebalance, are sent by `_send_req` of the "
        "coordinator that the client has from its start on",
        names={"_send_req": "async (self, request)"},
    ),
    Reliance(
        module="connectors/kafka/heartbeats.py",
        theirs=AIOKafkaClient,
        why="that a producer's batches are sent by `send` of its client, which asks `ready` first",
        names={
            "ready": "async (self, node_id, *, group=)",
            "send": "async (self, node_id, request, *, group=)",
        },
    ),
    Reliance(
        module="connectors/kafka/consumer.py",
        theirs=Service,
        why="`_stop_when_frozen` runs as a task of the consumer",
        names={"task": "(cls, fun)"},
    ),
    Reliance(
        module="connectors/kafka/producer.py",
        ours=kafka_producer.Producer,
        theirs=driver.Producer,
        why="that a commit waits for `flush`, and that table changes come by `send_soon`",
        names={
            "__post_init__": "(self)",
            "_ensure_producer": "(self)",
            "_producer": "NoneType",
            "_settings_extra": "(self)",
            "flush": "async (self)",
            "on_start": "async (self)",
            "on_stop": "async (self)",
            "send_soon": "(self, fut)",
        },
    ),
    Reliance(
        module="connectors/kafka/ending.py",
        ours=kafka_ending.MortalProducer,
        theirs=AIOKafkaProducer,
        why="that a producer can be ended: read `stop` again, which waits for the accumulator or "
        "the sender's task, and then closes the client",
        names={"stop": "async (self)"},
        state={"_sender": Sender, "_message_accumulator": MessageAccumulator},
    ),
    Reliance(
        module="connectors/kafka/ending.py",
        theirs=Sender,
        why="the same: a sender whose task is cancelled waits for these, which nobody else knows",
        names={
            "_send_produce_req": "async (self, node_id, batches)",
            "sender_task": "property",
        },
    ),
    Reliance(
        module="connectors/kafka/ending.py",
        theirs=MessageAccumulator,
        why="the same: what was not written is failed, and nobody waits for it",
        names={"fail_all": "(self, exception)"},
    ),
    Reliance(
        module="connectors/kafka/ending.py",
        theirs=AIOKafkaConsumer,
        why="what is left when `stop` fails in its middle",
        state={"_client": AIOKafkaClient, "_fetcher": type(None)},
    ),
    Reliance(
        module="connectors/kafka/transport.py",
        ours=kafka_transport.Transport,
        theirs=driver.Transport,
        why="which classes the transport makes",
        names={"Conductor": "class", "Consumer": "class", "Producer": "class"},
    ),
    Reliance(
        module="connectors/kafka/store.py",
        ours=kafka_store.Store,
        theirs=stores_base.Store,
        why="what a table asks of its store on a rebalance and in recovery",
        names=STORE | {"on_stop": "async (self)", "set_persisted_offset": "(self, tp, offset)"},
    ),
    Reliance(
        module="connectors/kafka/replay.py",
        theirs=driver,
        why="how Faust's settings become options of a client",
        names={
            "credentials_to_aiokafka_auth": "(credentials=, ssl_context=)",
            "server_list": "(urls, default_port)",
        },
    ),
    Reliance(
        module="connectors/kafka/recovery.py",
        ours=kafka_recovery.QuickTables,
        theirs=manager.TableManager,
        why="what happens before tables are recovered: read `on_start` again",
        names={
            "_recovery": "NoneType",
            "_update_channels": "async (self)",
            "on_start": "async (self)",
            "recovery": "property",
        },
    ),
    Reliance(
        module="connectors/kafka/recovery.py",
        ours=kafka_recovery.LoadingRecovery,
        theirs=recovery.Recovery,
        why="that Faust looks for what is missing after `on_rebalance`, not before",
        names={
            "on_rebalance": "async (self, assigned, revoked, newly_assigned, generation_id=)",
            "on_stop": "async (self)",
        },
    ),
    Reliance(
        module="connectors/kafka/broken.py",
        ours=kafka_broken.Connection,
        theirs=kafka_broken.Connection.__base__,
        why="one connection with its own error, which no client of aiokafka tells, and its end; "
        "that clients make theirs by the name that we replace, and expect a `KafkaError`",
        names={
            "close": "(self, reason=, exc=)",
            "connect": "async (self)",
            "send": "(self, request, expect_response=)",
        },
        state={"_writer": type(None)},
    ),
    Reliance(
        module="connectors/kafka/reaching.py",
        theirs=kafka_broken.Connection.__base__,
        why="what is there to wait for when a connection ends",
        state={"_protocol": type(None)},
    ),
    Reliance(
        module="connectors/kafka/reaching.py",
        theirs=asyncio.StreamReaderProtocol,
        why="that the error with which a connection ended is asked for before it is collected",
        names={"_get_close_waiter": "(self, stream)"},
    ),
)
