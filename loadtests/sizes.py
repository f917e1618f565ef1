"""How much disk a paid invoice takes: all files of the product, divided by how many were paid.

    python -m loadtests.sizes [--engine embedded|real] [--notices 10000] [--rate 200]

The product runs as in `loadtests.bench`: each invoice is registered over the API, paid by one
notice and told by one webhook. The files are measured once everything has stopped, so a database
has no journal left and Cassandra has flushed its rows.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

from loadtests.engines import ENGINES
from loadtests.phases import ok_paths
from loadtests.registering import over_the_api
from loadtests.truth import faults
from loadtests.world import world
from ops.stack.cassandra import KEYSPACE

Sizes = Mapping[str, int]
"""Bytes by topic or table."""

_BY_TABLE = """
SELECT coalesce(tbl_name, name) AS part, sum(pgsize)
FROM dbstat LEFT JOIN sqlite_master USING (name) GROUP BY part
"""
_PARTITION = re.compile(r"-\d+$")


def of_database(path: Path) -> Sizes:
    """The pages of each table of a SQLite file that nothing has open, its indexes among them."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return dict(connection.execute(_BY_TABLE))


def of_topics(folder: Path) -> Sizes:
    """The records of each topic in the folder of a broker that has stopped."""
    found: Counter[str] = Counter()
    for segment in folder.glob("*/*.log"):
        found[_PARTITION.sub("", segment.parent.name)] += segment.stat().st_size
    return found


def of_keyspace(folder: Path) -> Sizes:
    """The files of each table in the folder of a keyspace, of a node that has stopped."""
    found: Counter[str] = Counter()
    for file in folder.glob("*/*.db"):
        found[file.parent.name.partition("-")[0]] += file.stat().st_size
    return found


async def paid(engine: str, folder: Path, *, notices: int, rate: float) -> Mapping[str, Sizes]:
    """Run the product until so many invoices are paid; returns what its stores then take.

    Raises:
        RuntimeError: a notice was not told exactly as it must be, so the sizes mean nothing.
    """
    under = folder / "engines"
    with ENGINES[engine](under) as engines:
        async with world(folder, "product", merchants=ok_paths(), engines=engines) as made:
            await over_the_api(made, notices)
            await made.quiet()
            await made.load(rate, notices / rate)
            await made.quiet()
            if found := await faults(made):
                raise RuntimeError("\n".join(found))
            data = made.product.data
    return stored(data, under, is_real=bool(engines.servers))


def stored(data: Path, engines: Path, *, is_real: bool) -> Mapping[str, Sizes]:
    """What the log and history take, once everything has stopped."""
    if not is_real:
        return {name: of_database(data / f"{name}.db") for name in ("log", "history")}
    return {
        "log": of_topics(engines / "kafka" / "data"),
        "history": of_keyspace(engines / "cassandra" / "data" / "data" / KEYSPACE),
    }


def lines(stores: Mapping[str, Sizes], notices: int) -> list[str]:
    """A table of bytes for each paid invoice, the largest part of a store first."""
    found = ["| Store | Part | Bytes for each paid invoice |", "|---|---|---|"]
    for store, sizes in stores.items():
        found.append(f"| {store} | all | {sum(sizes.values()) / notices:,.0f} |")
        ranked = sorted(sizes.items(), key=lambda part: part[1], reverse=True)
        found += [
            f"| {store} | {name} | {size / notices:,.0f} |"
            for name, size in ranked
            if size >= notices
        ]
    return found


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="Measure what a paid invoice takes on disk.")
    parser.add_argument("--engine", choices=list(ENGINES), default="embedded")
    parser.add_argument("--notices", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="keshikomi-sizes-") as folder:
        measured = partial(paid, notices=given.notices, rate=given.rate)
        stores = asyncio.run(measured(given.engine, Path(folder)))
    print("\n".join(lines(stores, given.notices)))


if __name__ == "__main__":
    main()
