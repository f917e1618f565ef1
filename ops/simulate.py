"""`keshikomi simulate`: a provider that sends notices of one channel account at a rate."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import aiohttp
import orjson

from api.errors import PROBLEM_JSON
from connectors.providers import Request, generic_request, gmo_request, sbps_request
from ops.terminal import visible
from streams.clock import Clock, monotonic_seconds
from streams.domain.errors import KeshikomiError

ANSWER_SECONDS_MAX = 30.0
UNDER_WAY_MAX = 256
"""When so many wait for their answers, the next notice waits too: this is no load test."""
PERMILLE = 1_000
ACCEPTED_BODIES = {"gmo": b"0", "sbps": b"<res_result>OK</res_result>"}
"""These providers hear success in the body; the status is always 200."""
REASON_CHARACTERS_MAX = 300
REASONS_MAX = 20
"""So many different reasons are told apart, and the rest are counted together."""
OTHER_REASONS = "other reasons"


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
    """What was answered: how many were new, how many repeats, the refusals, the times in ms.

    `repeated` is None where the provider's own answer does not tell repeats: then `accepted`
    holds them too.
    """

    sent: int
    accepted: int
    repeated: int | None
    refused: Mapping[str, int]
    p50_ms: float
    p99_ms: float
    seconds: float

    @property
    def is_success(self) -> bool:
        """Whether every notice was taken; a repeat is."""
        return self.accepted + (self.repeated or 0) == self.sent

    def lines(self) -> list[str]:
        """The outcome for people; what a server said is made safe for a terminal."""
        repeats = "" if self.repeated is None else f", repeats: {self.repeated}"
        took = f"answered within {self.p50_ms} ms (p50), {self.p99_ms} ms (p99)"
        return [
            f"{self.accepted} of {self.sent} accepted{repeats}, in {self.seconds} s; {took}",
            *(f"{times} not accepted: {visible(word)}" for word, times in self.refused.items()),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    """What became of one notice; a `word` is why it was not accepted."""

    seconds: float
    word: str = ""
    is_repeat: bool = False


def configuration(text: str) -> dict[str, str]:
    """The configuration of an account from JSON; raises `BadSimulation`."""
    try:
        config = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadSimulation(f"--config is not JSON: {error}") from None
    if not isinstance(config, dict) or not all(isinstance(each, str) for each in config.values()):
        raise BadSimulation("--config must be a JSON object whose values are strings")
    return config


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
    answers: list[_Answered] = []
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
    return _outcome(simulation, answers, monotonic_seconds() - began)


def _check(simulation: Simulation) -> None:
    if not simulation.url.startswith(("http://", "https://")):
        raise BadSimulation("--url must begin with http:// or https://")
    if simulation.format not in MAKERS:
        raise BadSimulation(f"--format: those that can be simulated are {', '.join(MAKERS)}")
    if simulation.format == "sbps" and simulation.kind not in SBPS_KINDS:
        raise BadSimulation(f"--kind: sbps knows {', '.join(SBPS_KINDS)}")
    if simulation.format == "gmo" and simulation.kind != "confirmed":
        raise BadSimulation("--kind: gmo reports a payment once, as confirmed")
    missing = [name for name in CONFIGURED[simulation.format] if name not in simulation.config]
    if missing:
        raise BadSimulation(f"--config: {simulation.format} needs {', '.join(missing)} too")


async def _send(
    http: aiohttp.ClientSession,
    simulation: Simulation,
    request: Request,
    answers: list[_Answered],
) -> None:
    headers, body = request
    url = f"{simulation.url}/channels/{simulation.account_id}/notices"
    began = monotonic_seconds()
    word, is_repeat = "", False
    try:
        async with http.post(url, data=body, headers=headers) as answer:
            said = await answer.read()
            wanted = ACCEPTED_BODIES.get(simulation.format)
            if answer.ok and (wanted is None or wanted in said):
                is_repeat = simulation.format == "generic" and _member(said, "duplicate") is True
            else:
                word = f"status {answer.status}: {_reason(answer.content_type, said)}"
    except (aiohttp.ClientError, TimeoutError) as error:
        word = str(error) or type(error).__name__
    seconds = monotonic_seconds() - began
    answers.append(_Answered(seconds=seconds, word=word, is_repeat=is_repeat))


def _reason(content_type: str, said: bytes) -> str:
    """The server's own words: of a problem document its detail, else the body on one line."""
    detail = _member(said, "detail") if content_type == PROBLEM_JSON else None
    text = detail if isinstance(detail, str) else said.decode("utf-8", "backslashreplace")
    return " ".join(text.split())[:REASON_CHARACTERS_MAX]


def _member(said: bytes, name: str) -> object:
    try:
        content = orjson.loads(said)
    except orjson.JSONDecodeError:
        return None
    return content.get(name) if isinstance(content, dict) else None


def _outcome(simulation: Simulation, answers: list[_Answered], seconds: float) -> Outcome:
    times = sorted(answered.seconds for answered in answers)
    repeated = sum(answered.is_repeat for answered in answers)
    refused = _refused(Counter(answered.word for answered in answers if answered.word))
    return Outcome(
        sent=len(answers),
        accepted=len(answers) - repeated - sum(refused.values()),
        repeated=repeated if simulation.format == "generic" else None,
        refused=refused,
        p50_ms=_at(times, 500),
        p99_ms=_at(times, 990),
        seconds=round(seconds, 2),
    )


def _refused(words: Counter[str]) -> dict[str, int]:
    """The reasons, most frequent first, within their bound."""
    told = dict(words.most_common(REASONS_MAX))
    rest = words.total() - sum(told.values())
    return told | ({OTHER_REASONS: rest} if rest else {})


def _at(times: list[float], permille: int) -> float:
    """The time below which so many of a thousand lie, in milliseconds."""
    return round(times[min(len(times) - 1, len(times) * permille // PERMILLE)] * 1_000, 2)
