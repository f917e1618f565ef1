"""How one check is made: on its own, within its time, and what it found as a sentence."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from ops.settings import BadSettings, Settings
from streams.domain.errors import KeshikomiError

CHECK_SECONDS_MAX = 20.0
"""Cassandra's driver gives each of several nodes that hang five seconds."""

Part = Callable[[Settings], str]
"""A check: it may block, says what is well, and raises what is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found; a fault is what must be mended before `up`."""

    name: str
    is_fault: bool
    sentence: str

    @property
    def line(self) -> str:
        """For people."""
        return f"{'FAULT' if self.is_fault else 'ok':<6}{self.name}: {self.sentence}"


class Unfit(KeshikomiError):
    """Something that the product needs is not as it must be."""

    code = "unfit"


async def tried(
    name: str, part: Part, settings: Settings, *, seconds_max: float = CHECK_SECONDS_MAX
) -> list[Finding]:
    """What a check finds, or that it did not end in time; it is left alone then."""
    ended: Future[list[Finding]] = Future()

    def work() -> None:
        findings = [_fault(name, "this check is broken; see what was said above")]
        try:
            findings = list(_findings(name, part, settings))
        finally:
            with suppress(InvalidStateError):  # nobody waits for it any more
                ended.set_result(findings)

    # Not of a pool, whose threads Python would wait for at its end.
    Thread(target=work, name=f"check of {name}", daemon=True).start()
    try:
        return await asyncio.wait_for(asyncio.wrap_future(ended), seconds_max)
    except TimeoutError:
        return [_fault(name, f"the check of {name} had no answer within {seconds_max:g} s")]


def _findings(name: str, part: Part, settings: Settings) -> Iterator[Finding]:
    try:
        yield Finding(name=name, is_fault=False, sentence=part(settings))
    except BadSettings as error:
        yield from faults_of(error, name)
    except (KeshikomiError, OSError, sqlite3.Error) as error:
        yield _fault(name, str(error))


def faults_of(error: BadSettings, name: str = "settings") -> list[Finding]:
    """Each of several faults as a finding of its own."""
    return [_fault(name, one) for one in error.faults]


def _fault(name: str, sentence: str) -> Finding:
    return Finding(name=name, is_fault=True, sentence=sentence)


# --- places to try things in


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A folder on the file system of another one, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=".check-", dir=_nearest(folder)) as name:
        yield Path(name)


def free_bytes(folder: Path) -> int:
    """What is free on the file system of a folder, which need not exist yet."""
    return shutil.disk_usage(_nearest(folder)).free


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())
