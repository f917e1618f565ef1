"""What became of each request of a load, written by the processes that made it, read at its end.

Times are nanoseconds of the machine's monotonic clock, which every process on it shares.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import orjson

BEGIN = "begin"
SUFFIX = ".results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One request; `number` is a notice's place, or a payment's number, or a merchant's rank.

    Status 0 is a broken connection. A `wait` is a shop's for its invoice: it `is_good` when the
    answer said that it is paid. A `read` is a page of a pull feed, with the ids in it.
    """

    what: Literal["notice", "invoice", "wait", "read"]
    number: int
    intended_ns: int
    sent_ns: int
    answered_ns: int
    status: int
    is_good: bool
    ids: tuple[str, ...] = ()
    tries: int = 1
    """Which try this is: what was refused is sent again."""
    waited_ns: int = 0
    """How long it waited, once it was to be sent, for a connection of the generator's own."""

    @property
    def lag_ms(self) -> float:
        """How late it left; only the first try has a time at which it is meant to."""
        return (self.sent_ns - self.intended_ns + self.waited_ns) / 1e6


class ResultsFile:
    """Where one user of a load writes its results; `done` says that nothing more will come."""

    def __init__(self, folder: Path, name: str) -> None:
        self._file: BinaryIO = (folder / f"{name}{SUFFIX}").open("ab")
        self._done = folder / f"{name}.done"

    def add(self, result: Result) -> None:
        self._file.write(orjson.dumps(asdict(result), option=orjson.OPT_APPEND_NEWLINE))

    def done(self) -> None:
        self._file.flush()
        self._done.touch()

    def close(self) -> None:
        self._file.close()


def read_results(folder: Path) -> Iterator[Result]:
    """Everything that was written by all users; a line that was cut off by a kill is left out."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        for line in path.read_bytes().splitlines():
            with suppress(orjson.JSONDecodeError):
                said = orjson.loads(line)
                yield Result(**said | {"ids": tuple(said["ids"])})


def users_done(folder: Path) -> int:
    """How many users have sent everything and heard the answers."""
    return len(list(folder.glob("*.done")))


def claim(folder: Path, name: str, count: int) -> int:
    """The first of so many numbers that no process has taken yet.

    Raises:
        RuntimeError: all of them are taken.
    """
    for number in range(count):
        with suppress(FileExistsError):
            (folder / f"{name}-{number}.taken").open("x").close()
            return number
    raise RuntimeError(f"there are more than {count} of {name}")


def begin_ns(folder: Path, proposed_ns: int) -> int:
    """When the schedule begins: what the first process proposed."""
    path = folder / BEGIN
    own = folder / f"{BEGIN}-{os.getpid()}-{proposed_ns}"
    own.write_text(str(proposed_ns))
    with suppress(FileExistsError):
        os.link(own, path)  # whole at once, so nobody reads half of it
    own.unlink()
    return int(path.read_text())


def begun_ns(folder: Path) -> int | None:
    """When the schedule begins, once a process has said so."""
    with suppress(FileNotFoundError):
        return int((folder / BEGIN).read_text())
    return None
