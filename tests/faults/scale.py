"""How hard the faults are: as in the docs, or shortened by `make faults FAULTS=short`."""

from __future__ import annotations

import os
from dataclasses import dataclass

WANTED = os.environ.get("FAULTS", "")
"""`full` or `short`; `make faults` sets it, and without it nothing is run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Seconds, notices a second, and how often each stage's worker is killed."""

    rate: float
    kills: int
    killing_seconds: float
    broker_down: float
    broker_frozen: float
    sides_down: float


SHORT = Scale(
    rate=100,
    kills=4,
    killing_seconds=16,
    broker_down=10,
    broker_frozen=10,  # longer than a worker's session and than every time-out of the API
    sides_down=15,
)
AS_IN_THE_DOCS = Scale(
    rate=300,
    kills=20,
    killing_seconds=60,
    broker_down=10,
    broker_frozen=30,
    sides_down=60,
)
SCALE = AS_IN_THE_DOCS if WANTED == "full" else SHORT
