"""A registration whose beginning Cassandra did not confirm is still told to be new, once."""

from __future__ import annotations

from typing import Any, cast

from connectors.history.cassandra.claims import attempt_of, claim
from connectors.history.cassandra.session import Session, Undecided
from connectors.history.claims import registration_of
from tests.builders import an_invoice_terms

COLUMNS = (
    "invoice_id", "merchant_id", "content", "attempt", "settled", "terms", "status",
    "created_us", "shown",
)  # fmt: skip


class Forgetful:
    """A session that carries out what it is asked, and does not say so the first time."""

    def __init__(self) -> None:
        self.row: dict[str, Any] = {}
        self._said = False

    async def decide(self, cql: str, *values: object) -> dict[str, Any]:
        if "registrations" not in cql:
            return {"[applied]": True}
        if cql.startswith("UPDATE"):
            self.row["settled"] = True
            return {"[applied]": True}
        if self.row:
            return {"[applied]": False, **self.row}
        self.row = dict(zip(COLUMNS, values, strict=True))
        if not self._said:
            self._said = True
            raise Undecided("no answer in time")
        return {"[applied]": True}


async def test_what_was_begun_without_an_answer_is_ours() -> None:
    session = cast("Session", Forgetful())
    wanted = attempt_of(registration_of(an_invoice_terms(), content="c", shown="{}"))

    _, is_new = await claim(session, wanted)
    _, is_new_again = await claim(session, wanted)

    assert is_new
    assert not is_new_again
