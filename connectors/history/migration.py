"""A step of the schema of a history that is kept in a database."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_COMMENT = re.compile(r"--[^\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file of statements, applied once and never changed afterwards."""

    version: int
    name: str
    cql: str

    def statements(self, *, ttl_seconds: int) -> Sequence[str]:
        """Its statements without comments, with the retention of history filled in."""
        text = _COMMENT.sub("", self.cql).replace("TTL_SECONDS", str(ttl_seconds))
        return [statement.strip() for statement in text.split(";") if statement.strip()]
