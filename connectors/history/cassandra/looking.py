"""Looks at a cluster before the product relies on it, and makes there what `setup` is to make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from connectors.history.cassandra.address import Address
from connectors.history.cassandra.connecting import UNREACHABLE, connected, nodes_of, unavailable
from connectors.history.cassandra.lives import difference, is_shorter, lives_of
from connectors.history.cassandra.migrating import is_up_to_date, migrate
from connectors.history.cassandra.replicating import copies_fault
from connectors.history.migration import Migration
from streams.domain.errors import Conflict, CorruptState


def look(address: Address, migrations: Sequence[Migration], *, ttl_seconds: int) -> str:
    """What is there, in a sentence; changes nothing there, and blocks.

    Raises:
        Unavailable: it cannot be reached, lets us not in, or cannot read by a quorum.
        Conflict: it keeps not as many copies as it must, or its rows for a shorter time; several
            faults are in one message.
        CorruptState: its schema is not one that this version made or can bring up to date.
    """
    with _a_session(address) as (cluster, session):
        sight = _Sight()
        sight.look(cluster, session, address, migrations)
        if sight.is_made:
            sight.compare_lives(session, address, ttl_seconds)
        sight.must_be_well()
        return "; ".join(sight.told)


def make(address: Address, migrations: Sequence[Migration], *, ttl_seconds: int) -> list[str]:
    """Make the keyspace and its tables with rows of that life, or alter theirs; blocks.

    Returns what was done, in sentences. Raises as `look` does, before anything is altered.
    """
    with _a_session(address) as (cluster, session):
        sight = _Sight()
        sight.look(cluster, session, address, migrations)
        sight.must_be_well()
        lives = lives_of(session, address)
        migrate(session, address, migrations, ttl_seconds=ttl_seconds, exactly=True)
    done = [] if sight.is_made else [f"the keyspace {address.keyspace} has all its tables"]
    if lives and lives != {ttl_seconds}:
        done.append(f"{difference(address.keyspace, lives, ttl_seconds)}: this holds from now on")
    return done


@contextmanager
def _a_session(address: Address) -> Iterator[tuple[Any, Any]]:
    try:
        cluster, session = connected(address, lambda _: None)
        try:
            yield cluster, session
        finally:
            cluster.shutdown()
    except UNREACHABLE as error:
        raise unavailable(error) from error


@dataclass(kw_only=True)
class _Sight:
    """What was seen."""

    told: list[str] = field(default_factory=list)
    faults: list[Conflict | CorruptState] = field(default_factory=list)
    is_made: bool = False

    def must_be_well(self) -> None:
        """Raise the fault, or all of them as one."""
        if len(self.faults) > 1:
            raise Conflict("; ".join(map(str, self.faults)))
        if self.faults:
            raise self.faults[0]

    def look(
        self, cluster: Any, session: Any, address: Address, migrations: Sequence[Migration]
    ) -> None:
        """The nodes, the copies of the keyspace, and whether its tables are made."""
        here = [node for node in nodes_of(cluster) if node.datacenter == address.dc]
        self.told.append(_of_nodes(here, address))
        if len(here) < (address.replication or 0):
            text = f"Cassandra has {_nodes(here)} in {address.dc}, and KESHIKOMI_HISTORY asks"
            self.faults.append(Conflict(f"{text} for {address.replication} copies of each row"))
        if (fault := copies_fault(session, address, nodes=len(here))) is not None:
            self.faults.append(Conflict(fault))
        known = cluster.metadata.keyspaces.get(address.keyspace)
        if known is None:
            self.told.append(f"`keshikomi setup` makes the keyspace {address.keyspace}")
            return
        try:
            if "migrations" in known.tables:
                session.set_keyspace(address.keyspace)
                self.is_made = is_up_to_date(session, migrations)
        except CorruptState as error:
            self.faults.append(error)
        self.told.append(
            f"the keyspace {address.keyspace} can be read"
            if self.is_made
            else f"`keshikomi setup` makes the tables of the keyspace {address.keyspace}"
        )

    def compare_lives(self, session: Any, address: Address, wanted: int) -> None:
        """How long its rows live; longer than wanted is no fault."""
        lives = lives_of(session, address)
        told = f"{difference(address.keyspace, lives, wanted)}; `keshikomi setup` alters it"
        if is_shorter(lives, wanted):
            self.faults.append(Conflict(told))
        elif lives != {wanted}:
            self.told.append(told)


def _nodes(here: Sequence[Any]) -> str:
    return f"{len(here)} node{'' if len(here) == 1 else 's'}"


def _of_nodes(here: Sequence[Any], address: Address) -> str:
    down = sorted(str(node.address) for node in here if node.is_up is False)
    told = f" ({' and '.join(down)} did not answer)" if down else ""
    versions = " and ".join(sorted({str(node.release_version) for node in here}))
    return f"Cassandra {versions} answers, with {_nodes(here)} in {address.dc}{told}"
