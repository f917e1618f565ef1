"""A process that races for registrations: `python -m tests.history_race URL NAME COUNT`."""

from __future__ import annotations

import asyncio
import json
import sys

from connectors.history.opening import open_history
from streams.domain.errors import Conflict
from tests.builders import a_reference, an_invoice_terms


async def race(url: str, name: str, count: int) -> list[int]:
    """Register every number under this name; the numbers that it won."""
    history = open_history(url)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    won = []

    async def register(number: int) -> None:
        terms = an_invoice_terms(
            # Each racer has an invoice of its own; what they race for is the reference.
            invoice_number=f"{name}-{number}",
            references=(a_reference(value=f"R{number}"),),
        )
        try:
            await history.register_invoice(terms, content=name, shown="{}")
        except Conflict:
            return
        won.append(number)

    await asyncio.gather(*map(register, range(count)))
    await history.close()
    return won


if __name__ == "__main__":
    url, name, count = sys.argv[1:]
    sys.stdout.write(json.dumps(asyncio.run(race(url, name, int(count)))) + "\n")
