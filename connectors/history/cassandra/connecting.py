"""How the driver is set up: its reactor, its policies, its time limits, TLS and the password."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cassandra import (  # type: ignore[import-untyped]  # the driver has no type hints
    AuthenticationFailed,
    ConsistencyLevel,
    OperationTimedOut,
    ProtocolVersion,
    RequestExecutionException,
    Unauthorized,
    UnresolvableContactPoints,
    protocol,
)
from cassandra.auth import PlainTextAuthProvider  # type: ignore[import-untyped]  # as above
from cassandra.cluster import (  # type: ignore[import-untyped]  # as above
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
)
from cassandra.connection import ConnectionException  # type: ignore[import-untyped]  # as above
from cassandra.policies import (  # type: ignore[import-untyped]  # as above
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    TokenAwarePolicy,
)
from cassandra.query import dict_factory, tuple_factory  # type: ignore[import-untyped]  # as above

from connectors.history.cassandra.address import Address
from connectors.history.cassandra.connection import QueueingConnection
from connectors.tls import context_by
from streams.domain.errors import Unavailable

REQUEST_SECONDS_MAX = 5.0
CONNECT_SECONDS_MAX = 5.0
RECONNECT_SECONDS_MIN = 0.25
RECONNECT_SECONDS_MAX = 2.0

CONDITIONAL = "conditional"
"""The profile whose rows have names, for statements with conditions."""

_WHY = "Last error: "

UNREACHABLE = (
    NoHostAvailable,
    RequestExecutionException,
    OperationTimedOut,
    ConnectionException,
    AuthenticationFailed,
    Unauthorized,
    UnresolvableContactPoints,
    protocol.RequestExecutionException,
    protocol.ServerError,
    OSError,
)
"""What the driver raises when a cluster is away, refuses us, or cannot do now what it is asked."""


def connected(address: Address, prepare: Callable[[Any], None]) -> tuple[Any, Any]:
    """A cluster, and a session that was prepared; blocks.

    Raises what the driver does, `Unavailable` when the cluster has not the data centre of the
    address or its authority cannot be read, and what `prepare` raises.
    """
    cluster = Cluster(
        contact_points=address.hosts,
        port=address.port,
        auth_provider=(
            PlainTextAuthProvider(address.user, address.password)
            if address.user is not None
            else None
        ),
        ssl_context=context_by(address.ca, whose="history: Cassandra's") if address.tls else None,
        connection_class=QueueingConnection,
        protocol_version=ProtocolVersion.V4,
        connect_timeout=CONNECT_SECONDS_MAX,
        control_connection_timeout=CONNECT_SECONDS_MAX,
        reconnection_policy=ExponentialReconnectionPolicy(
            RECONNECT_SECONDS_MIN, RECONNECT_SECONDS_MAX, max_attempts=None
        ),
        execution_profiles=_profiles(address),
    )
    try:
        session = _session(cluster, address)
        prepare(session)
    except BaseException:
        cluster.shutdown()
        raise
    return cluster, session


def _session(cluster: Any, address: Address) -> Any:
    """The driver knows every node by now, and says only that it may use none of them."""
    try:
        return cluster.connect()
    except NoHostAvailable as error:
        there = sorted({node.datacenter for node in nodes_of(cluster) if node.datacenter})
        if not there or address.dc in there:
            raise
        text = f"history: Cassandra has no data centre {address.dc}, but {' and '.join(there)}"
        raise Unavailable(f"{text}; KESHIKOMI_HISTORY names ours by ?dc=") from error


def nodes_of(cluster: Any) -> Sequence[Any]:
    """Every node that the cluster knows of: its `address`, its `datacenter`, whether it `is_up`."""
    known: Sequence[Any] = cluster.metadata.all_hosts()
    return known


def nobody_answers(error: BaseException | None) -> bool:
    """Whether no node that the driver knows of can be used."""
    return isinstance(error, NoHostAvailable)


def unavailable(error: BaseException) -> Unavailable:
    """The same of one of `UNREACHABLE`."""
    told = f"{type(error).__name__}: {error}"
    if isinstance(error, NoHostAvailable) and isinstance(error.errors, dict):
        # The driver says of a connection where it tried, and then why it failed.
        nodes = (f"{node} {str(why).rpartition(_WHY)[2]}" for node, why in error.errors.items())
        told = f"no node of Cassandra can be used: {'; '.join(nodes)}"
    elif isinstance(error, OperationTimedOut):
        told = f"Cassandra at {error.last_host} had no answer within {REQUEST_SECONDS_MAX:g} s"
    elif isinstance(error, UnresolvableContactPoints):
        told = "no host that KESHIKOMI_HISTORY names is found"
    return Unavailable(f"history: {told}")


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
