"""The directory where everything is kept, made on the first start."""

from __future__ import annotations

from pathlib import Path

from streams.domain.errors import KeshikomiError

MODE = 0o700
"""It holds keys: nobody but its owner looks in."""


class CannotMake(KeshikomiError):
    """The data directory is not there and cannot be made."""

    code = "cannot_make"


def make_data_directory(path: Path) -> None:
    """Make it with all its parents unless it is there; raises `CannotMake`."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=MODE)
    except OSError as error:
        raise CannotMake(
            f"the directory {error.filename} cannot be made for the data: {error.strerror}; "
            "choose another place with --data or KESHIKOMI_DATA"
        ) from error
