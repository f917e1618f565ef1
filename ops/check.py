"""Tries everything that the product stands on, and names all faults at once."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial

from ops.check_engines import ENGINES
from ops.checking import Finding, Part, Unfit, free_bytes, scratch, tried
from ops.keys import must_not_lack_master_key, with_known_keys
from ops.listening import must_be_free
from ops.lock import owner_of
from ops.settings import Settings
from streams.clock import Clock, system_clock

DISK_FREE_BYTES_MIN = 1024**3
CLOCK_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""A clock before this was never set: this version did not exist then."""
CLOCK_BEHIND_SECONDS_MAX = 5.0


STANDS_ON = {
    **{name: {"data"} for name in ("data", "disk", "keys", "clock")},
    "port": {"data", "host", "port"},
    **{name: {"data", "broker"} for name in ("log", "topics")},
    "history": {"data", "history"},
    "cache": {"data", "cache"},
    "installation": {"data", "broker", "history", "master_keys"},
}
"""The settings without which a check would try something that nobody asked for."""


def _nobody(finding: Finding) -> None:
    """Who is told of each finding unless somebody wants to know before the last one."""


async def check(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    tell: Callable[[Finding], None] = _nobody,
    unread: Iterable[str] = (),
) -> list[Finding]:
    """Every check, whatever the others found; `tell` hears each finding as soon as it is made.

    What stands on `unread` settings is left out: somebody has told of them already.
    """
    missing = {"broker" if name.startswith("kafka_") else name for name in unread}
    parts: dict[str, Part] = {
        "data": _data,
        "disk": _disk,
        "keys": _keys,
        "port": _port,
        "clock": partial(_clock, clock=clock),
        **ENGINES,
    }
    findings: dict[tuple[bool, str], Finding] = {}
    for name, part in parts.items():
        if missing & STANDS_ON[name]:
            continue
        for finding in await tried(name, part, settings):
            # Topics of a Kafka that cannot be used are no second fault.
            if (known := (finding.is_fault, finding.sentence)) not in findings:
                findings[known] = finding
                tell(finding)
    return list(findings.values())


def _data(settings: Settings) -> str:
    """The directory can be written, and its file system keeps locks."""
    with scratch(settings.data) as folder, (folder / "lock").open("wb") as first:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with (folder / "lock").open("rb") as second:
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return f"{settings.data} can be written and locked"
    raise Unfit(f"{settings.data} does not keep locks; use a local file system")


def _disk(settings: Settings) -> str:
    free = free_bytes(settings.data)
    told = f"{free / 1024**3:.1f} GiB are free at {settings.data}"
    if free < DISK_FREE_BYTES_MIN:
        raise Unfit(f"{told}; at least {DISK_FREE_BYTES_MIN / 1024**3:.0f} GiB must be")
    return told


def _keys(settings: Settings) -> str:
    must_not_lack_master_key(settings)
    known = with_known_keys(settings)
    made = [
        path.name
        for path, key in (
            (settings.admin_key_path, known.admin_key),
            (settings.master_key_path, known.master_keys),
        )
        if not key
    ]
    return f"the first start makes {' and '.join(made)}" if made else "both keys are there"


def _port(settings: Settings) -> str:
    owner = owner_of(settings.lock_path)
    if owner is not None:
        return f"keshikomi runs on {settings.data} (pid {owner})"
    must_be_free(settings.host, settings.port)
    return f"port {settings.port} of {settings.host} is free"


def _clock(settings: Settings, clock: Clock) -> str:
    now = clock()
    if now < CLOCK_EARLIEST:
        raise Unfit(f"the clock says {now:%Y-%m-%d}; set it, and keep it set with NTP")
    if settings.log_path.exists():
        # The newest byte in the log cannot be younger than now, unless the clock went back.
        ahead = settings.log_path.stat().st_mtime - now.timestamp()
        if ahead > CLOCK_BEHIND_SECONDS_MAX:
            raise Unfit(f"the clock is {ahead:.0f} s behind the log; webhooks carry its time")
    return f"the clock says {now:%Y-%m-%dT%H:%M:%SZ}"
