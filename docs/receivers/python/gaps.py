"""Names the numbers of an endpoint that never arrived: `python gaps.py DIRECTORY`, every hour say.

What it names may be on its way: ask for it only when it is still missing some minutes later.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path


def missing(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ranges, both ends included, from 1 to the greatest number that are not among these."""
    gaps, expected = [], 1
    for number in sorted(set(numbers)):
        if number > expected:
            gaps.append((expected, number - 1))
        expected = number + 1
    return gaps


def kept(directory: Path) -> Iterable[int]:
    """The numbers of the webhooks that an inbox keeps; one inbox is one endpoint's."""
    for path in directory.glob("*.json"):
        number = json.loads(path.read_bytes()).get("sequence")
        if number is not None:
            yield number


if __name__ == "__main__":
    for first, last in missing(kept(Path(sys.argv[1]))):
        print(f"GET /v1/endpoints/ep_.../completeness?from={first}&to={last}")
