"""Whose history the keyspace is: one row, which the first installation that claims it writes."""

from __future__ import annotations

from connectors.history.cassandra.lookups import archived_write
from connectors.history.cassandra.session import Session
from connectors.history.installations import begin_rows
from streams.installations import Claim

_CLAIM = "INSERT INTO installation (one, installation_id) VALUES (1, ?) IF NOT EXISTS"
_ASK = "SELECT installation_id FROM installation WHERE one = 1"


async def installation(session: Session, claim: Claim | None) -> str:
    """The id in the row, after the claim."""
    row = await session.one(_ASK)
    if claim is None:
        return "" if row is None else str(row[0])
    if row is None:
        decided = await session.decide(_CLAIM, claim.installation_id)
        row = (decided.get("installation_id") or claim.installation_id,)
    if row[0] == claim.installation_id:
        await session.many(archived_write(each) for each in begin_rows(claim))
    return str(row[0])
