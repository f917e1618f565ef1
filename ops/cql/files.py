"""The migrations of history's keyspace, as they lie beside this file: `NNNN_name.cql`."""

from __future__ import annotations

from importlib import resources

from connectors.history.migration import Migration


def history_migrations() -> tuple[Migration, ...]:
    """All migrations in the order of their numbers, which start at 1 and have no gap."""
    files = [file for file in resources.files("ops.cql").iterdir() if file.name.endswith(".cql")]
    found = sorted(
        (
            Migration(
                version=int(file.name.partition("_")[0]), name=file.name, cql=file.read_text()
            )
            for file in files
        ),
        key=lambda migration: migration.version,
    )
    assert [each.version for each in found] == list(range(1, len(found) + 1))
    return tuple(found)
