"""Looks for the highest rate that holds: by steps until it turns, then by halves."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

TRIES_MAX = 6
FACTOR = 1.25
CLOSE_ENOUGH = 1.08
RATE_MIN = 20.0


async def highest_that_holds(
    holds: Callable[[float], Awaitable[bool]], rate: float, *, rate_min: float = RATE_MIN
) -> float:
    """Try rates from this one on, a few times at most; 0 when none holds."""
    best, worst = 0.0, math.inf
    for _ in range(TRIES_MAX):
        if rate < rate_min:
            break
        best, worst = (rate, worst) if await holds(rate) else (best, rate)
        if worst < best * CLOSE_ENOUGH:
            break
        rate = _next_rate(best, worst)
    return best


def _next_rate(best: float, worst: float) -> float:
    if math.isinf(worst):
        return float(round(best * FACTOR))
    return float(round((best + worst) / 2 if best else worst / FACTOR))
