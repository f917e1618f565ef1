"""Looks at a cluster before the product relies on it, and changes nothing there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.history.cassandra.address import Address
from connectors.history.cassandra.connecting import UNREACHABLE, connected, nodes_of, unavailable
from connectors.history.cassandra.migrating import is_up_to_date
from connectors.history.cassandra.replicating import must_keep_copies
from connectors.history.migration import Migration
from streams.domain.errors import Conflict


def look(address: Address, migrations: Sequence[Migration]) -> str:
    """What is there, in a sentence; blocks.

    Raises:
        Unavailable: it cannot be reached, lets us not in, or cannot read by a quorum.
        Conflict: it cannot keep, or does not keep, as many copies as the address asks for.
        CorruptState: its schema is not one that this version made or can bring up to date.
    """
    try:
        cluster, session = connected(address, lambda _: None)
        try:
            return f"{_nodes(cluster, address)}; {_keyspace(cluster, session, address, migrations)}"
        finally:
            cluster.shutdown()
    except UNREACHABLE as error:
        raise unavailable(error) from error


def _nodes(cluster: Any, address: Address) -> str:
    here = [node for node in nodes_of(cluster) if node.datacenter == address.dc]
    if len(here) < (address.replication or 0):
        raise Conflict(
            f"Cassandra has {len(here)} nodes in {address.dc}, and KESHIKOMI_HISTORY asks for "
            f"{address.replication} copies of each row"
        )
    down = sorted(str(node.address) for node in here if node.is_up is False)
    told = f" ({' and '.join(down)} did not answer)" if down else ""
    versions = " and ".join(sorted({str(node.release_version) for node in here}))
    return f"Cassandra {versions} answers, with {len(here)} nodes in {address.dc}{told}"


def _keyspace(cluster: Any, session: Any, address: Address, migrations: Sequence[Migration]) -> str:
    known = cluster.metadata.keyspaces.get(address.keyspace)
    if known is None:
        return f"`keshikomi setup` makes the keyspace {address.keyspace}"
    must_keep_copies(session, address)
    if "migrations" in known.tables:
        session.set_keyspace(address.keyspace)
        if is_up_to_date(session, migrations):
            return f"the keyspace {address.keyspace} can be read"
    return f"`keshikomi setup` makes the tables of the keyspace {address.keyspace}"
