"""Whether the process lives, whether notices can be accepted, and what was counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Literal

from prometheus_client import CONTENT_TYPE_LATEST

from api.answers import AliveShown, ReadyChecked, ReadyShown
from api.call import Answer, Call, answer
from api.errors import Problem
from api.ports import Cache
from api.requests import Nothing
from api.services import Services
from streams.domain.errors import Unavailable
from streams.domain.ids import NoticeId
from streams.topics import DIRECTORY

CHECK_SECONDS_MAX = 2.0
PROBE, PROBE_SECONDS = "readiness", 60.0
GOOD = "ok"


async def get_health(_: Call[None, Nothing]) -> Answer:
    return answer(200, AliveShown(status="ok"))


async def get_readiness(call: Call[None, Nothing]) -> Answer:
    checks = await _checks(call.services)
    ready = checks["log"] == GOOD and checks["directory"] == GOOD
    status: Literal["ready", "unavailable"] = "ready" if ready else "unavailable"
    is_operator = call.services.gatekeeper.is_operator(call.request)
    shown = ReadyChecked(status=status, checks=checks) if is_operator else ReadyShown(status=status)
    return answer(200 if ready else 503, shown)


async def get_metrics(call: Call[None, Nothing]) -> Answer:
    if not call.services.gatekeeper.is_operator(call.request):
        raise Problem(401, "metrics are for the loopback or the admin key")
    text = call.services.ports.metrics_text or call.services.metrics.text
    return Answer(status=200, body=text(), content_type=CONTENT_TYPE_LATEST)


async def get_openapi(call: Call[None, Nothing]) -> Answer:
    return Answer(status=200, body=call.services.openapi)


async def _checks(services: Services) -> dict[str, str]:
    # Notices need the log and the directory; history and the cache are told, but intake goes on.
    ports = services.ports
    log_state, history_state, cache_state = await asyncio.gather(
        _state(ports.tail.end(DIRECTORY.name, 0)),
        _state(ports.history.has_notice(NoticeId("ntc_none"))),
        _state(_keeps(ports.cache), bad="degraded"),
    )
    followed = GOOD if services.directory.is_followed else "not followed"
    if services.appends.refuses:
        log_state = "refuses records"
    return {
        "log": log_state,
        "directory": followed,
        "history": history_state,
        "cache": cache_state,
    }


async def _keeps(cache: Cache) -> None:
    """A cache that is away may say so or only give nothing back; raises `Unavailable` for both."""
    if await cache.get(PROBE) is not None:
        return
    await cache.put(PROBE, b"kept", seconds=PROBE_SECONDS)
    if await cache.get(PROBE) is None:
        raise Unavailable("it keeps nothing")


async def _state(asked: Awaitable[object], *, bad: str = "unavailable") -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            await asked
    except Unavailable as error:
        return f"{bad}: {error}"
    except TimeoutError:
        return f"{bad}: no answer"
    return GOOD
