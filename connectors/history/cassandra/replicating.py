"""How many copies of each row a keyspace keeps, and what makes it keep as many as are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.history.cassandra.address import Address

COPIES_DEFAULT = 1
COPIES_ENOUGH = 3
"""With three, a quorum answers while one node is away."""
_BY_DATA_CENTRE = "NetworkTopologyStrategy"


def replication_of(address: Address, elsewhere: Mapping[str, str]) -> str:
    """What CREATE and ALTER KEYSPACE say, with the copies that other data centres keep."""
    copies = {**elsewhere, address.dc: address.replication or COPIES_DEFAULT}
    told = "".join(f", '{name}': {value}" for name, value in copies.items())
    return f"replication = {{'class': '{_BY_DATA_CENTRE}'{told}}}"


def copies_fault(session: Any, address: Address, *, nodes: int) -> str | None:
    """What is wrong with the copies that a keyspace keeps, or would, and what mends it.

    An address that asks for no number is content with any but a single copy on several nodes, of
    which it must say that it means it; one that asks means its data centre.
    """
    row = session.execute(
        "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s",
        [address.keyspace],
    ).one()
    if row is None:
        is_single = address.replication is None and nodes > 1
        return _single(address, "would keep", nodes) if is_single else None
    options = {**row[0], "class": row[0]["class"].rpartition(".")[2]}
    by_data_centre = options["class"] == _BY_DATA_CENTRE
    copies = options.get(address.dc if by_data_centre else "replication_factor")
    if address.replication is None and copies is not None:
        is_single = copies == "1" and nodes > 1
        return _single(address, "keeps", nodes) if is_single else None
    if by_data_centre and copies == str(address.replication):
        return None
    return _mended(address, options)


def _single(address: Address, keeps: str, nodes: int) -> str:
    return (
        f"the keyspace {address.keyspace} {keeps} one copy of each row, on {nodes} nodes: with any"
        " of them answers stop, and with its disk rows are lost; let KESHIKOMI_HISTORY ask for "
        f"?replication={min(nodes, COPIES_ENOUGH)}, or for 1 if that is meant"
    )


def _mended(address: Address, options: Mapping[str, str]) -> str:
    by_data_centre = options["class"] == _BY_DATA_CENTRE
    elsewhere = {name: value for name, value in options.items() if name != "class"}
    statement = replication_of(address, elsewhere if by_data_centre else {})
    return (
        f"the keyspace {address.keyspace} has the replication {options}, and KESHIKOMI_HISTORY asks"
        f" for {address.replication or COPIES_DEFAULT} in {address.dc}: change either, the keyspace"
        f" by `ALTER KEYSPACE {address.keyspace} WITH {statement};`"
        f" and then `nodetool repair --full {address.keyspace}` on every node"
    )
