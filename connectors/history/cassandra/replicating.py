"""How many copies of each row a keyspace keeps, and what makes it keep as many as are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.history.cassandra.address import Address
from streams.domain.errors import Conflict

COPIES_DEFAULT = 1
_BY_DATA_CENTRE = "NetworkTopologyStrategy"


def replication_of(address: Address, elsewhere: Mapping[str, str]) -> str:
    """What CREATE and ALTER KEYSPACE say, with the copies that other data centres keep."""
    copies = {**elsewhere, address.dc: address.replication or COPIES_DEFAULT}
    told = "".join(f", '{name}': {value}" for name, value in copies.items())
    return f"replication = {{'class': '{_BY_DATA_CENTRE}'{told}}}"


def must_keep_copies(session: Any, address: Address) -> None:
    """Raise `Conflict`, with what mends it, when the keyspace keeps not what the address asks for.

    An address that asks for no number is content with any; one that asks means its data centre.
    """
    found = session.execute(
        "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s",
        [address.keyspace],
    ).one()[0]
    options = {**found, "class": found["class"].rpartition(".")[2]}
    by_data_centre = options["class"] == _BY_DATA_CENTRE
    copies = options.get(address.dc) if by_data_centre else None
    wanted = address.replication
    if wanted is None and (copies is not None or not by_data_centre):
        return
    if copies == str(wanted):
        return
    elsewhere = {name: value for name, value in options.items() if name != "class"}
    statement = replication_of(address, elsewhere if by_data_centre else {})
    raise Conflict(
        f"the keyspace {address.keyspace} has the replication {options}, and KESHIKOMI_HISTORY asks"
        f" for {wanted or COPIES_DEFAULT} in {address.dc}: change either, the keyspace by"
        f" `ALTER KEYSPACE {address.keyspace} WITH {statement};`"
        f" and then `nodetool repair --full {address.keyspace}` on every node"
    )
