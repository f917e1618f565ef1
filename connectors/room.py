"""Room on the disk for a file that is mapped into memory."""

from __future__ import annotations

import os
from pathlib import Path


def take_room(file: int, size: int, path: Path) -> None:
    """Give an open file its first `size` bytes on the disk, whatever it holds already.

    A file that is merely made longer gets its blocks when something is stored into the mapping,
    and where the disk is full by then the kernel ends the process (SIGBUS). On file systems that
    write nothing in its place (btrfs, ZFS) a full disk may do so still.

    Raises:
        OSError: the disk is full, or the system refuses for another reason; it names the file.
    """
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        raise OSError(
            error.errno, error.strerror or os.strerror(error.errno or 0), str(path)
        ) from error
