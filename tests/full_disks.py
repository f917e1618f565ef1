"""Disks that are full: by a limit on the size of files, or really, as a small one of their own."""

from __future__ import annotations

import errno
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MOUNT = 'mount -t tmpfs -o "size=$1" small "$2" && echo mounted && exec cat'
"""It lasts until its standard input ends, however its starter ends."""
PIECES = (1 << 16, 1 << 12, 1)


@contextmanager
def a_full_disk(limit_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond the limit within the block."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def a_small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of its own with so much room, as a path that other processes may use.

    Not for SQLite, which follows links and so looks for its file on this process's own disks. It
    needs no rights where anyone may have a namespace of mounts; elsewhere the test is skipped.
    """
    program = shutil.which("unshare") or "unshare"
    command = (program, "--map-root-user", "--mount", "sh", "-c", MOUNT, "mount")
    try:
        keeper = subprocess.Popen(
            (*command, str(size_bytes), str(folder)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except FileNotFoundError as error:
        pytest.skip(f"NOT TRIED ON A FULL DISK: {error}")
    with keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        assert keeper.stderr is not None
        try:
            if keeper.stdout.readline() != "mounted\n":
                pytest.skip(f"NOT TRIED ON A FULL DISK: {keeper.stderr.read().strip()}")
            yield Path(f"/proc/{keeper.pid}/root{folder}")
        finally:
            keeper.stdin.close()


def fill(disk: Path) -> Path:
    """Take all the room that there is; returns the file that has it."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in PIECES:
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017  # what else it was must be seen
    return ballast
