"""A Faust table as a typed mapping: bytes below, domain values above; a dict is its fake."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Generic, TypeVar

import faust

from streams.codecs import encode

V = TypeVar("V")


class TypedTable(MutableMapping[bytes, V], Generic[V]):
    """Change it only inside a step; replace values, never mutate them."""

    def __init__(
        self, app: faust.App, name: str, *, decode: Callable[[bytes], V], partitions: int
    ) -> None:
        self._decode = decode
        # Named by the table alone, so that stages can share a process or not.
        changelog = app.topic(
            f"{name}-changelog",
            key_type=bytes,
            value_type=bytes,
            partitions=partitions,
            compacting=True,
            deleting=False,
            internal=True,
            acks=False,
        )
        self.rows = app.Table(
            name,
            key_type=bytes,
            value_type=bytes,
            partitions=partitions,
            changelog_topic=changelog,
        )

    def __getitem__(self, key: bytes) -> V:
        return self._decode(self.rows[key])

    def __setitem__(self, key: bytes, value: V) -> None:
        self.rows[key] = encode(value)

    def __delitem__(self, key: bytes) -> None:
        del self.rows[key]

    def __contains__(self, key: object) -> bool:
        return key in self.rows

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)
