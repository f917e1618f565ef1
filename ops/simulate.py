"""`keshikomi simulate`: a provider that sends notices of one channel account at a rate."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import aiohttp

from connectors.providers import Request, generic_request, gmo_request, sbps_request
from streams.clock import Clock, monotonic_seconds
from streams.domain.errors import KeshikomiError

ANSWER_SECONDS_MAX = 30.0
UNDER_WAY_MAX = 256
"""When so many wait for their answers, the next notice waits too: this is no load test."""
PERMILLE = 1_000
ACCEPTED_BODIES = {"gmo": b"0", "sbps": b"<res_result>OK</res_result>"}
"""These providers hear success in the body; the status is always 200."""


class BadSimulation(KeshikomiError):
    """What was asked for cannot be simulated."""

    code = "bad_simulation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What is sent: `{n}` in the reference is the number of the notice, from `first` on."""

    url: str
    account_id: str
    format: str
    config: Mapping[str, str]
    reference: str
    amount_yen: int
    kind: str
    rate: float
    count: int
    first: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was answered: how many were accepted, the other answers, and the times in ms."""

    sent: int
    accepted: int
    refused: Mapping[str, int]
    p50_ms: float
    p99_ms: float
    seconds: float


def _generic(simulation: Simulation, reference: str, at: datetime) -> Request:
    return generic_request(
        config=simulation.config,
        notice_id=f"simulated-{simulation.kind}-{reference}",
        kind=simulation.kind,
        reference=reference,
        amount_yen=simulation.amount_yen,
        payment_id=f"simulated-{reference}",
        paid_at=at.isoformat(),
    )


def _gmo(simulation: Simulation, reference: str, at: datetime) -> Request:
    return gmo_request(
        config=simulation.config,
        order_id=reference,
        amount_yen=simulation.amount_yen,
        at=at,
    )


SBPS_KINDS = {"preliminary": "1", "preliminary_cancelled": "2", "confirmed": "3", "reversed": "4"}


def _sbps(simulation: Simulation, reference: str, at: datetime) -> Request:
    return sbps_request(
        config=simulation.config,
        tracking_id=reference,
        amount_yen=simulation.amount_yen,
        at=at,
        rec_type=SBPS_KINDS[simulation.kind],
    )


MAKERS: dict[str, Callable[[Simulation, str, datetime], Request]] = {
    "generic": _generic,
    "gmo": _gmo,
    "sbps": _sbps,
}


CONFIGURED = {
    "generic": ("secret",),
    "gmo": ("shop_id", "shop_pass"),
    "sbps": ("merchant_id", "service_id", "hash_key"),
}


async def simulate(simulation: Simulation, *, clock: Clock) -> Outcome:
    """Send the notices on a schedule and wait for every answer."""
    _check(simulation)
    make, at = MAKERS[simulation.format], clock()
    answers: list[tuple[str, float]] = []
    slots = asyncio.Semaphore(UNDER_WAY_MAX)
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
    began = monotonic_seconds()
    async with aiohttp.ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as tasks:
        for index in range(simulation.count):
            pause_seconds = began + index / simulation.rate - monotonic_seconds()
            if pause_seconds > 0:
                await asyncio.sleep(pause_seconds)
            await slots.acquire()
            reference = simulation.reference.replace("{n}", str(simulation.first + index))
            request = make(simulation, reference, at)
            task = tasks.create_task(_send(http, simulation, request, answers))
            task.add_done_callback(lambda _: slots.release())
    return _outcome(answers, monotonic_seconds() - began)


def _check(simulation: Simulation) -> None:
    if simulation.format not in MAKERS:
        raise BadSimulation(f"formats that can be simulated are {', '.join(MAKERS)}")
    if simulation.format == "sbps" and simulation.kind not in SBPS_KINDS:
        raise BadSimulation(f"sbps knows the kinds {', '.join(SBPS_KINDS)}")
    if simulation.format == "gmo" and simulation.kind != "confirmed":
        raise BadSimulation("gmo reports a payment once, as confirmed; use --kind confirmed")
    missing = [name for name in CONFIGURED[simulation.format] if name not in simulation.config]
    if missing:
        raise BadSimulation(f"the configuration lacks {', '.join(missing)}")


async def _send(
    http: aiohttp.ClientSession,
    simulation: Simulation,
    request: Request,
    answers: list[tuple[str, float]],
) -> None:
    headers, body = request
    url = f"{simulation.url}/channels/{simulation.account_id}/notices"
    began = monotonic_seconds()
    try:
        async with http.post(url, data=body, headers=headers) as answer:
            said = await answer.read()
            wanted = ACCEPTED_BODIES.get(simulation.format)
            accepted = answer.ok and (wanted is None or wanted in said)
            word = "" if accepted else f"status {answer.status}"
    except (aiohttp.ClientError, TimeoutError) as error:
        word = type(error).__name__
    answers.append((word, monotonic_seconds() - began))


def _outcome(answers: list[tuple[str, float]], seconds: float) -> Outcome:
    words = Counter(word for word, _ in answers)
    times = sorted(took for _, took in answers)
    return Outcome(
        sent=len(answers),
        accepted=words.pop("", 0),
        refused=dict(words),
        p50_ms=_at(times, 500),
        p99_ms=_at(times, 990),
        seconds=round(seconds, 2),
    )


def _at(times: list[float], permille: int) -> float:
    """The time below which so many of a thousand lie, in milliseconds."""
    return round(times[min(len(times) - 1, len(times) * permille // PERMILLE)] * 1_000, 2)
