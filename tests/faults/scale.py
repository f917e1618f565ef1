"""How long the faults last: as in the docs with `make faults`, shorter within `make test`."""

from __future__ import annotations

import os
from dataclasses import dataclass

RATE = 300.0
"""Notices a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Seconds, and how often each stage's worker, and the API, is killed."""

    kills: int
    api_kills: int
    killing_seconds: float
    life_seconds_max: float
    broker_down: float
    broker_frozen: float
    sides_down: float
    one_of_three_down: float
    coming_back: float
    """One of three brokers starts, and reads what it missed, beside the load."""
    after: float
    """The load goes on for so long after an outage."""
    load_seconds: float
    """All of it together, or more: invoices for so long are registered beforehand."""


SHORT = Scale(
    kills=4,
    api_kills=2,
    killing_seconds=25,  # a worker lives for two seconds and needs some two to come back
    life_seconds_max=4,
    broker_down=10,
    broker_frozen=8,  # longer than a worker's session and than every time-out of the API
    sides_down=6,  # longer than every time-out of the API
    one_of_three_down=6,
    coming_back=12,
    after=3,
    load_seconds=67,
)
AS_IN_THE_DOCS = Scale(
    kills=20,
    api_kills=18,
    killing_seconds=170,
    life_seconds_max=6,
    broker_down=10,
    broker_frozen=30,
    sides_down=60,
    one_of_three_down=10,
    coming_back=25,
    after=6,
    load_seconds=298,
)
SCALE = AS_IN_THE_DOCS if os.environ.get("FAULTS") == "full" else SHORT
