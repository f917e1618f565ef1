"""How long Cassandra keeps the rows that go by their age, which `keshikomi setup` alone alters."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from connectors.history.cassandra.address import Address
from streams.topics import DAY_SECONDS

FOR_EVER = 0
"""What Cassandra calls a time to live that never ends."""

WITH_RETENTION = (
    *("commands", "repeats", "events", "event_places", "attempts"),
    *("deliveries_by_sequence", "replays", "replays_by_endpoint", "delivery_rounds"),
    *("acknowledgements", "unacknowledged_by_day"),
)
"""The tables whose rows need no other reason to go than their age."""


def lives_of(session: Any, address: Address) -> set[int]:
    """The seconds that rows live in those tables: one number, unless an alteration was cut off."""
    rows = session.execute(
        "SELECT table_name, default_time_to_live FROM system_schema.tables"
        " WHERE keyspace_name = %s",
        [address.keyspace],
    )
    return {seconds for table, seconds in rows if table in WITH_RETENTION}


def longest(lives: Collection[int]) -> int:
    """The longest of some lives."""
    return FOR_EVER if FOR_EVER in lives else max(lives)


def excess(lives: Collection[int], wanted: int) -> int | None:
    """How much longer than wanted rows live, in seconds; None when for ever."""
    if wanted == FOR_EVER:
        return 0
    found = longest(lives)
    return None if found == FOR_EVER else max(0, found - wanted)


def is_shorter(lives: Collection[int], wanted: int) -> bool:
    """Whether rows go before they may."""
    return any(life != FOR_EVER and (wanted == FOR_EVER or life < wanted) for life in lives)


def difference(keyspace: str, lives: Collection[int], wanted: int) -> str:
    """A sentence for people, when rows live not as long as wanted."""
    found = " or ".join(_told(life) for life in sorted(lives))
    return (
        f"the keyspace {keyspace} keeps events and attempts for {found}, and "
        f"KESHIKOMI_HISTORY_RETENTION_DAYS says {_told(wanted)}"
    )


def _told(seconds: int) -> str:
    return "ever" if seconds == FOR_EVER else f"{seconds / DAY_SECONDS:g} days"
