"""Says of the loads of a bench why their figures mean nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from loadtests.comparing import Results
from loadtests.report import Measured, bottleneck

SEARCH = "search"


def loads_of(phases: Mapping[str, Measured]) -> Iterator[tuple[str, Measured]]:
    """The loads of one engine with what was measured of each, by name."""
    for rate, figures in phases.get("latency", {}).items():
        yield f"latency {rate}", figures
    if "sustained" in phases:
        yield f"sustained {phases['sustained']['rate']:g}/s", phases["sustained"]
    for figures in phases.get(SEARCH, {}).get("tries", []):
        yield f"{SEARCH} {figures['rate']:g}/s", figures


def _judged(phases: Mapping[str, Measured]) -> Iterator[tuple[str, Measured]]:
    """Those, and the loads of which something else is measured."""
    yield from loads_of(phases)
    for name, figures in phases.get("isolation", {}).get("loads", {}).items():
        yield f"isolation {name}", figures
    for name, figures in phases.get("restart", {}).items():
        if isinstance(figures, Mapping):
            yield f"restart {name}", dict(figures)


def faults_of_loads(results: Results) -> list[str]:
    """What was wrong with the loads themselves; a search looks for the end of the generator too."""
    return [
        f"{engine} {name}: {fault}"
        for engine, phases in results.items()
        for name, figures in _judged(phases)
        for fault in _faults(name, figures)
    ]


def _faults(name: str, figures: Measured) -> Iterator[str]:
    if figures["generator_was_the_bottleneck"] and not name.startswith(SEARCH):
        yield bottleneck(figures)
    yield from figures["lost_processes"]
