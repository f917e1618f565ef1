"""The figures of one process and kind: a file that is mapped into memory and needs no free disk."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import ClassVar

from prometheus_client.mmap_dict import MmapedDict

from connectors.room import take_room
from ops.terminal import reason_of
from streams.clock import monotonic_seconds

FIRST_BYTES = 1 << 16
"""What prometheus_client itself begins with; it doubles a file that is too small, and so do we."""
TRY_AGAIN_SECONDS = 1.0
_USED, _LENGTH, _VALUES, _ALIGNED = 8, 4, 16, 8
"""The bytes of prometheus_client's format: its head, then a key's length, the key, two doubles."""

logger = logging.getLogger("keshikomi")


class FigureFile:
    """Takes the place of prometheus_client's `MmapedDict`, whose blocks come with the first use.

    A figure for which the disk has no room is not in the file yet: the process counts it on in its
    own memory, and it appears, whole, once there is room. Nobody stops for the sake of figures.
    """

    has_complained: ClassVar[bool] = False
    """One line for each process, not for each figure."""

    def __init__(self, filename: str) -> None:
        """Make the file, or go on with what an earlier process of this name left."""
        self._path = Path(filename)
        self._mapped: MmapedDict | None = None
        self._capacity = 0
        self._used = _USED
        self._keys: set[str] = set()
        self._full_until = 0.0

    def read_value(self, key: str) -> tuple[float, float]:
        """The value of a figure and its time; zero where nothing is known of it."""
        mapped = self._with(key)
        return (0.0, 0.0) if mapped is None else mapped.read_value(key)  # type: ignore[no-untyped-call]  # it has no types

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Set a figure; where there is no room for it, it waits for the next time."""
        mapped = self._with(key)
        if mapped is not None:
            mapped.write_value(key, value, timestamp)  # type: ignore[no-untyped-call]  # it has no types

    def close(self) -> None:
        """Let the file go."""
        if self._mapped is not None:
            self._mapped.close()  # type: ignore[no-untyped-call]  # it has no types

    def _with(self, key: str) -> MmapedDict | None:
        """The file once it has a place for the key, or None while the disk is full."""
        if key in self._keys:
            return self._mapped
        now = monotonic_seconds()
        if now < self._full_until:
            return None
        try:
            return self._make_place(key)
        except OSError as error:
            self._full_until = now + TRY_AGAIN_SECONDS
            self._complain(error)
            return None

    def _make_place(self, key: str) -> MmapedDict:
        if self._mapped is None:
            self._mapped = self._open()
        if key not in self._keys:
            while self._used + _bytes_of(key) > self._capacity:
                _reserve(self._path, self._capacity * 2)
                self._capacity *= 2
            self._count(key)
        return self._mapped

    def _open(self) -> MmapedDict:
        if not self._path.exists():
            # Whoever reads the files of all processes must find none that is empty.
            new = self._path.with_suffix(".new")
            _reserve(new, FIRST_BYTES)
            new.rename(self._path)
        mapped = MmapedDict(str(self._path))  # type: ignore[no-untyped-call]  # it has no types
        for known, _, _ in mapped.read_all_values():  # type: ignore[no-untyped-call]  # it has no types
            self._count(known)
        self._capacity = self._path.stat().st_size
        return mapped

    def _count(self, key: str) -> None:
        self._keys.add(key)
        self._used += _bytes_of(key)

    def _complain(self, error: OSError) -> None:
        if not FigureFile.has_complained:
            FigureFile.has_complained = True
            logger.warning(
                "figures are missing from /metrics until there is room: %s", reason_of(error)
            )


def _reserve(path: Path, size: int) -> None:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        take_room(file, size, path)
    finally:
        os.close(file)


def _bytes_of(key: str) -> int:
    """What the figure takes in the file: a key is padded so that its values are aligned."""
    key_bytes = _LENGTH + len(key.encode())
    return key_bytes + _ALIGNED - key_bytes % _ALIGNED + _VALUES
