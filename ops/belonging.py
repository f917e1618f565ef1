"""Whether a history is this installation's, and has all that its archiver said is stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from connectors.history.opening import CASSANDRA, open_history
from ops.engines import Log, open_log, open_the_history
from ops.process import stop_signal
from ops.settings import Settings
from ops.standing import GROUP, Standing, faults_of, standings
from ops.supervisor import report_ready
from streams.domain.errors import NotOurs
from streams.installations import Claim, Installation
from streams.outages import OnOutage, until_available
from streams.ports import History
from streams.topics import HISTORY, QUARANTINE

RUNBOOK = 'docs/operate.md, "Kafka lost its disks"'
ANSWER_SECONDS_MAX = 2.0
"""How long a start waits for history; nobody who pays waits longer because it is away."""

logger = logging.getLogger("keshikomi")


def name_of(settings: Settings) -> str:
    """The history that the settings name, without its password."""
    if settings.history.startswith(CASSANDRA):
        return f"the history in the keyspace {urlsplit(settings.history).path.strip('/')}"
    return f"the history {settings.history_path}"


async def must_be_ours(
    history: History,
    log: Log,
    installation: Installation,
    settings: Settings,
    *,
    claims: bool = True,
) -> None:
    """Raise `NotOurs` unless the history is of this installation, or may be; then it is claimed.

    A history of nobody's may be ours if it has all that was ever committed, and no more than the
    log has: it is new like the log, or both are of a version that had no ids.
    """
    owner = await history.installation()
    if not owner:
        found = await standings(history, log.positions, log.partitions())
        if faults := list(faults_of(found)):
            raise NotOurs(
                f"{name_of(settings)} is not the one that {settings.broker} was stored in: "
                f"{faults[0]}. Set KESHIKOMI_HISTORY to the right one; if it is lost, `keshikomi "
                "setup --take-history` begins this one"
            )
        if not claims:
            return
        owner = await history.installation(Claim(installation_id=installation.installation_id))
    if owner != installation.installation_id:
        raise NotOurs(
            f"{name_of(settings)} belongs to the installation {owner}, and the log at "
            f"{settings.broker} to {installation.installation_id}: KESHIKOMI_HISTORY or "
            f"KESHIKOMI_BROKER names another one's, or Kafka lost its disks ({RUNBOOK})"
        )


async def strangeness(history: History, log: Log, known: Installation | None) -> list[str]:
    """What speaks against the history being this log's, and whole; raises `Unavailable`."""
    owner = await history.installation()
    ours = "" if known is None else known.installation_id
    strange = []
    if owner not in {"", ours}:
        strange.append(f"history belongs to {owner}, the log to {ours or 'nobody'}")
    found = await standings(history, log.positions, log.partitions())
    return [*strange, *faults_of(found)]


@asynccontextmanager
async def looked_at(settings: Settings) -> AsyncIterator[History | None]:
    """The history as it is, which nothing is made in; none where there is no file yet."""
    if not settings.history.startswith(CASSANDRA) and not settings.history_path.exists():
        yield None
        return
    history = open_history(settings.history)
    try:
        yield history
    finally:
        await history.close()


async def must_be_unused(history: History | None, settings: Settings) -> None:
    """Raise `NotOurs` if the history is in use, though the log beside it has nothing at all."""
    if history is None:
        return
    if await history.installation() or await _has_records(history, settings):
        raise NotOurs(
            f"{name_of(settings)} has been in use, and the log at {settings.broker} is empty: "
            f"KESHIKOMI_BROKER names another one, or the log is lost ({RUNBOOK})"
        )


async def _has_records(history: History, settings: Settings) -> bool:
    places = [(topic, n) for topic in (HISTORY, QUARANTINE) for n in range(settings.partitions)]
    return any([(await history.archived_to(topic.name, n))[0] for topic, n in places])


async def take_history(log: Log, installation: Installation, settings: Settings) -> Sequence[str]:
    """Go on with a history that lacks what the log has no more; what it lacks, in sentences."""
    history = open_the_history(settings)
    try:
        found = await standings(history, log.positions, log.partitions())
        if ahead := [each for each in found if each.is_ahead]:
            raise NotOurs(f"{name_of(settings)} is another log's: {ahead[0]}")
        begins = {each.place: each.earliest for each in found if each.is_forgotten}
        claim = Claim(installation_id=installation.installation_id, begins=begins)
        if await history.installation(claim) != installation.installation_id:
            await must_be_ours(history, log, installation, settings)
        return [str(each) for each in found if each.is_behind]
    finally:
        await history.close()


async def must_be_whole(history: History, log: Log, settings: Settings) -> Sequence[Standing]:
    """How far history is; raises `NotOurs` where it lacks what the log cannot say again."""
    found = await standings(history, log.positions, log.partitions())
    lost = [each for each in found if each.is_ahead or (each.is_behind and each.is_forgotten)]
    if lost:
        way = (
            "a new keyspace is the only way on"
            if lost[0].is_ahead
            else (
                "`keshikomi setup --take-history` goes on without them, if no better copy is left"
            )
        )
        raise NotOurs(f"{name_of(settings)} is not as the log knows it: {lost[0]}; {way}")
    return found


async def catch_up(
    history: History, log: Log, installation: Installation, settings: Settings
) -> None:
    """Have the archiver read again what this history lacks; raises `NotOurs` where it cannot.

    What Kafka forgot before anybody read it is no fault of history: the archiver tells of it, and
    goes on behind it, which is noted here so that nobody looks for it at the next start.
    """
    found = await must_be_whole(history, log, settings)
    if begins := {each.place: each.earliest for each in found if each.is_forgotten}:
        claim = Claim(installation_id=installation.installation_id, begins=begins)
        await history.installation(claim)
    if again := [each for each in found if each.is_behind]:
        for each in again:
            logger.warning("%s is behind: %s; it is read again", name_of(settings), each)
        await log.rewind(GROUP, {each.place: each.stored for each in again})


async def settle(
    history: History,
    log: Log,
    installation: Installation,
    settings: Settings,
    *,
    archives: bool,
    on_outage: OnOutage,
) -> None:
    """Wait for history and see whose it is; bring it up to date if the caller `archives`.

    Raises `NotOurs`.
    """

    async def look() -> None:
        await must_be_ours(history, log, installation, settings)
        if archives:
            await catch_up(history, log, installation, settings)

    await until_available(look, on_outage)


async def begun(settling: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Start it and give it a moment; raises what it raised by then."""
    task = asyncio.create_task(settling, name="whose history")
    await asyncio.wait({task}, timeout=ANSWER_SECONDS_MAX)
    if task.done():
        task.result()
    return task


async def ready_to_archive(
    history: History, installation: Installation, settings: Settings, on_outage: OnOutage
) -> bool:
    """Wait for history, as long as it takes, and bring it up to date; false if told to end before.

    Raises `NotOurs`.
    """
    log = open_log(settings)
    stop = asyncio.create_task(stop_signal())
    try:
        task = await begun(
            settle(
                history,
                log,
                installation,
                settings,
                archives=True,
                on_outage=on_outage,
            )
        )
        if not task.done():
            report_ready()  # whoever waits for us need not wait for Cassandra
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            return False
        task.result()
        return not stop.done()
    finally:
        stop.cancel()
        await asyncio.wait({stop})  # from here on a signal is for whoever waits next
        await log.close()
