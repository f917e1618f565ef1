"""How it is written down what our drivers rely on inside of Faust and its clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType


@dataclass(frozen=True, kw_only=True)
class Reliance:
    """What one of our modules needs of one class or module of others."""

    module: str
    """Ours, as a path."""
    theirs: type | ModuleType
    why: str
    """What stands on it, and what to look at when it has changed."""
    names: Mapping[str, str] = field(default_factory=dict)
    state: Mapping[str, type] = field(default_factory=dict)
    """Attributes that an object gets when it is made, and what they must be."""
    ours: type | None = None
    """Our class, where it derives from theirs."""

    @property
    def what(self) -> str:
        where = "" if isinstance(self.theirs, ModuleType) else f"{self.theirs.__module__}."
        return f"{where}{self.theirs.__name__}"


# Of a table's store, on Kafka and on the embedded log.
STORE = {
    "apply_changelog_batch": "(self, batch, to_key, to_value)",
    "backup_partition": "async (self, tp, flush=, purge=, keep=)",
    "clear": "(self)",
    "items": "(self)",
    "keys": "(self)",
    "on_rebalance": "async (self, assigned, revoked, newly_assigned, generation_id=)",
    "persisted_offset": "(self, tp)",
    "reset_state": "(self)",
    "restore_backup": "(self, tp, latest=, backup_id=)",
    "update": "(self, *args, **kwargs)",
    "values": "(self)",
}
