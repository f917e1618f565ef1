"""What our embedded log and the worker rely on inside of Faust, beyond what it promises.

A name is listed with the shape that we call or override: the parameters of a function (`=` marks
one with a default), or the kind of an attribute.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping, MutableSet

import faust
from faust import stores, streams
from faust.assignor.client_assignment import ClientAssignment
from faust.assignor.partition_assignor import PartitionAssignor
from faust.stores import base as stores_base
from faust.tables import recovery
from faust.transport import base, conductor, consumer, drivers, producer
from faust.types import _env
from faust.types.settings import Settings
from mode.utils import futures

from connectors.log import conducting, unfinished
from connectors.log import consumer as log_consumer
from connectors.log import producer as log_producer
from connectors.log import store as log_store
from connectors.log import transport as log_transport
from connectors.log.recordstore import RecordStore
from ops import worker
from tests.architecture.reliance import STORE, Reliance

SEND = "async (self, topic, key, value, partition, timestamp, headers, *, transactional_id=)"
CREATE_TOPIC = (
    "async (self, topic, partitions, replication, *, config=, timeout=, retention=, "
    "compacting=, deleting=, ensure_created=)"
)

OF_THE_LOG = (
    Reliance(
        module="connectors/log/unfinished.py",
        ours=unfinished.EndsInTime,
        theirs=consumer.Consumer,
        why="on both drivers: what a consumer waits for when it ends or partitions move (read "
        "`wait_empty` again), and that it says nothing of a message that is called acknowledged",
        names={"_wait_for_ack": "async (self, timeout)", "wait_empty": "async (self)"},
        state={"_unacked_messages": MutableSet},
    ),
    Reliance(
        module="connectors/log/consumer.py",
        ours=log_consumer.Consumer,
        theirs=consumer.Consumer,
        why="who calls the driver when: read Faust's consumer and its `_drain_messages` again",
        names={
            "_add_gap": "async (self, tp, offset_from, offset_to)",
            "_commit": "async (self, offsets)",
            "_drain_messages": "async (self, fetcher)",
            "_get_active_partitions": "(self)",
            "_getmany": "async (self, active_partitions, timeout)",
            "_new_offset": "(self, tp)",
            "_new_topicpartition": "(self, topic, partition)",
            "_seek": "async (self, partition, offset)",
            "_to_message": "(self, tp, record)",
            "_waiting_for_ack": "NoneType",
            "ack": "(self, message)",
            "assignment": "(self)",
            "consumer_stopped_errors": "tuple",
            "create_topic": CREATE_TOPIC,
            "earliest_offsets": "async (self, *partitions)",
            "highwater": "(self, tp)",
            "highwaters": "async (self, *partitions)",
            "key_partition": "(self, topic, key, partition=)",
            "on_buffer_drop": "(self, tp)",
            "on_start": "async (self)",
            "on_stop": "async (self)",
            "position": "async (self, tp)",
            "resume_flow": "(self)",
            "resume_partitions": "(self, tps)",
            "seek_to_committed": "async (self)",
            "seek_wait": "async (self, partitions)",
            "subscribe": "async (self, topics)",
            "topic_partitions": "(self, topic)",
        },
        state={
            "_acked": MutableMapping,
            "_acked_index": MutableMapping,
            "_active_partitions": object,
            "_read_offset": MutableMapping,
            "_unacked_messages": MutableSet,
        },
    ),
    Reliance(
        module="connectors/log/consumer.py",
        theirs=futures,
        why="waking whoever waits until every step is over",
        names={"notify": "(fut, result=)"},
    ),
    Reliance(
        module="connectors/log/producer.py",
        ours=log_producer.Producer,
        theirs=producer.Producer,
        why="that tables and topics send by these and no other ways",
        names={
            "__post_init__": "(self)",
            "create_topic": CREATE_TOPIC,
            "flush": "async (self)",
            "key_partition": "(self, topic, key)",
            "on_start": "async (self)",
            "on_stop": "async (self)",
            "send": SEND,
            "send_and_wait": SEND,
            "send_soon": "(self, fut)",
            "supports_headers": "(self)",
        },
    ),
    Reliance(
        module="connectors/log/conducting.py",
        ours=conducting.Conductor,
        theirs=conductor.Conductor,
        why="on both drivers: what Faust does with a record before it is in a queue (read "
        "`ConductorCompiler.build` again), and when its tables of queues change",
        state={
            "_acking_topics": MutableSet,
            "_tp_index": MutableMapping,
            "_tp_to_callback_lock": asyncio.Lock,
        },
    ),
    Reliance(
        module="connectors/log/taking.py",
        theirs=streams.Stream,
        why="on both drivers: what Faust's iteration of a stream does with an event before and "
        "after it (read `StreamIterator` of faust/_cython/streams.pyx again)",
        names={"_set_current_event": "(self, event=)"},
    ),
    Reliance(
        module="connectors/log/transport.py",
        ours=log_transport.Transport,
        theirs=base.Transport,
        why="which classes the transport makes, and that it may have a log of its own",
        names={"Conductor": "class", "Consumer": "class", "Producer": "class"},
    ),
    Reliance(
        module="connectors/log/transport.py",
        theirs=drivers,
        why="a driver under a name of its own; the same in connectors/kafka/transport.py",
        names={"TRANSPORTS": "FactoryMapping"},
    ),
    Reliance(
        module="connectors/log/transport.py",
        theirs=stores,
        why="a store under a name of its own; the same in connectors/kafka/store.py",
        names={"STORES": "FactoryMapping"},
    ),
    Reliance(
        module="connectors/log/recordstore.py",
        ours=RecordStore,
        theirs=stores_base.Store,
        why="what a table says to its store after it has sent a record, on both logs",
        names=STORE,
    ),
    Reliance(
        module="connectors/log/store.py",
        ours=log_store.Store,
        theirs=stores_base.Store,
        why="what a table asks of its store, and that nothing is left to recover",
        names=STORE,
    ),
    Reliance(
        module="connectors/log/membership.py",
        theirs=PartitionAssignor,
        why="what Faust reads of its assignor after a rebalance, which here nobody does",
        state={
            "_assignment": ClientAssignment,
            "_active_tps": set,
            "_standby_tps": set,
            "_topic_groups": MutableMapping,
            "changelog_distribution": MutableMapping,
            "external_topic_distribution": MutableMapping,
        },
    ),
    Reliance(
        module="connectors/log/membership.py",
        theirs=ClientAssignment,
        why="the same",
        names={
            "__init__": "(self, actives, standbys, *, __strict__=, __faust=, **kwargs)",
            "active_tps": "property",
        },
    ),
    Reliance(
        module="ops/worker.py",
        ours=worker.KeshikomiApp,
        theirs=faust.App,
        why="that Faust's statistics are taken out before anything is told to them",
        names={"on_init_dependencies": "(self)"},
    ),
    Reliance(
        module="ops/worker.py",
        theirs=Settings,
        why="that `env={}` keeps the variables of the environment from every setting of Faust",
        names={
            "_init_env_prefix": "(self, env=, env_prefix=, **kwargs)",
            "getenv": "(self, env_name)",
        },
    ),
    Reliance(
        module="ops/wiring.py",
        theirs=_env,
        why="how the names begin of the variables that Faust reads when it is imported; look for "
        "`environ` in all of Faust and Mode",
        names={"PREFICES": "list"},
    ),
    Reliance(
        module="ops/worker.py",
        theirs=recovery.Recovery,
        why="when a worker says that it is ready",
        state={"completed": object},
    ),
)
