"""How the driver is set up: its reactor, its policies, its time limits, TLS and the password."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from cassandra import (  # type: ignore[import-untyped]  # the driver has no type hints
    ConsistencyLevel,
    ProtocolVersion,
)
from cassandra.auth import PlainTextAuthProvider  # type: ignore[import-untyped]  # as above
from cassandra.cluster import (  # type: ignore[import-untyped]  # as above
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
)
from cassandra.io.libevreactor import LibevConnection  # type: ignore[import-untyped]  # as above
from cassandra.policies import (  # type: ignore[import-untyped]  # as above
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    TokenAwarePolicy,
)
from cassandra.query import dict_factory, tuple_factory  # type: ignore[import-untyped]  # as above

from connectors.history.cassandra.address import Address

REQUEST_SECONDS_MAX = 5.0
CONNECT_SECONDS_MAX = 5.0
RECONNECT_SECONDS_MIN = 0.25
RECONNECT_SECONDS_MAX = 2.0

CONDITIONAL = "conditional"
"""The profile whose rows have names, for statements with conditions."""


def connected(address: Address, prepare: Callable[[Any], None]) -> tuple[Any, Any]:
    """A cluster and a session in the keyspace; blocks."""
    cluster = Cluster(
        contact_points=address.hosts,
        port=address.port,
        auth_provider=(
            PlainTextAuthProvider(address.user, address.password)
            if address.user is not None
            else None
        ),
        ssl_context=ssl.create_default_context(cafile=address.ca) if address.tls else None,
        connection_class=LibevConnection,
        protocol_version=ProtocolVersion.V4,
        connect_timeout=CONNECT_SECONDS_MAX,
        control_connection_timeout=CONNECT_SECONDS_MAX,
        reconnection_policy=ExponentialReconnectionPolicy(
            RECONNECT_SECONDS_MIN, RECONNECT_SECONDS_MAX, max_attempts=None
        ),
        execution_profiles=_profiles(address),
    )
    try:
        session = cluster.connect()
        prepare(session)
    except BaseException:
        cluster.shutdown()
        raise
    return cluster, session


def _profiles(address: Address) -> dict[object, Any]:
    def profile(row_factory: object) -> Any:
        return ExecutionProfile(
            load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc=address.dc)),
            consistency_level=ConsistencyLevel.LOCAL_QUORUM,
            serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL,
            request_timeout=REQUEST_SECONDS_MAX,
            row_factory=row_factory,
        )

    return {EXEC_PROFILE_DEFAULT: profile(tuple_factory), CONDITIONAL: profile(dict_factory)}
