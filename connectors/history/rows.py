"""The rows that messages become, by table; how they are stored is each engine's own matter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a batch, by table."""

    notices: list[Row] = field(default_factory=list)
    raw_notices: list[Row] = field(default_factory=list)
    held_notices: list[Row] = field(default_factory=list)
    settlements: list[Row] = field(default_factory=list)
    repeats: list[Row] = field(default_factory=list)
    invoices: list[Row] = field(default_factory=list)
    commands: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    acknowledgements: list[Row] = field(default_factory=list)
    unacknowledged: list[Row] = field(default_factory=list)
    quarantine: list[Row] = field(default_factory=list)
    rounds: list[Row] = field(default_factory=list)
    replays: list[Row] = field(default_factory=list)
    replay_takes: list[Row] = field(default_factory=list)
    replay_advances: list[Row] = field(default_factory=list)
    replay_ends: list[Row] = field(default_factory=list)
    archived: list[Row] = field(default_factory=list)
