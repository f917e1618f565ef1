"""What a broker would settle among workers: who reads for a group, and which partitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from faust.assignor.client_assignment import ClientAssignment

if TYPE_CHECKING:
    from faust.types import AppT

    from connectors.log.gate import Lease
    from connectors.log.sqlitelog import SqliteLog


class Membership:
    """The leases of every group that this process reads for."""

    def __init__(self, log_file: SqliteLog, group_of: Callable[[str], str]) -> None:
        self._log_file, self._group_of = log_file, group_of
        self._leases: dict[str, Lease] = {}

    async def join(self, topics: Iterable[str]) -> None:
        """Become the only reader of the topics' groups, or raise `Unavailable`."""
        for group in sorted({self._group_of(topic) for topic in topics} - set(self._leases)):
            lease = self._log_file.lease(group)
            await lease.take()
            self._leases[group] = lease

    def leave(self) -> None:
        """Let another process read for these groups."""
        for lease in self._leases.values():
            lease.give_back()
        self._leases.clear()


def fill_assignor(app: AppT, actives: dict[str, list[int]]) -> None:
    """Tell Faust's assignor what it would have found out from a broker."""
    assignor: Any = app.assignor
    changelogs = app.tables.changelog_topics
    url = str(app.conf.canonical_url)
    assignor._assignment = ClientAssignment(actives=actives, standbys={})
    assignor._active_tps = assignor._assignment.active_tps
    assignor._standby_tps = set()
    assignor._topic_groups = dict.fromkeys(actives, 0)
    assignor.changelog_distribution = {
        url: {name: numbers for name, numbers in actives.items() if name in changelogs}
    }
    assignor.external_topic_distribution = {
        url: {name: numbers for name, numbers in actives.items() if name not in changelogs}
    }
