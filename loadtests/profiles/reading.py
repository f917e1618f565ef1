"""Profiles of load as data: one TOML file each beside this one, or any that is named by path."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, with_config

FOLDER = Path(__file__).parent
INTERESTING = ("invoice.paid", "payment.unmatched")


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is sent and received; whatever is a share of the time fits a run of any length.

    Attributes:
        says: What it is for, in one sentence.
        ramp: Points (share of the time, times the rate) with straight lines between them.
        formats: How many payments come by each format, in proportion.
        receivers: How many merchants have a server that behaves so (a path of the sink), in
            proportion.
        types: What the merchants' endpoints subscribe to.
        live: The share of invoices that shops register, and wait for, while the load runs.
        unknown: The share of payments whose reference nobody ever issued.
        sendings_most: Each notice is sent between once and so many times.
        again_within: The share of the time within which a notice is sent again.
        confirmed: The share of preliminary payments that are confirmed.
        confirmed_after: How much later, as a share of the time.
        paid_twice: The share of invoices that are paid once more, by a payment of its own.
        paid_twice_after: How much later, as a share of the time.
        taken_back: The share of preliminary payments that are cancelled (速報取消), of those whose
            provider has such a notice and whose invoice no shop waits for.
        taken_back_after: How much later, as a share of the time.
        outage: When busy servers are away, as shares of the time; nothing is never.
        retry_seconds: The endpoints' own steps between attempts; nothing is the standard.
        settings: Settings of the product that differ from the standard.
        memory_percent_per_hour_max: How much the memory of a process of the product may grow
            after the warm-up; nothing is not judged.
        readers: How many read the pull feeds of the largest merchants.
    """

    says: str
    ramp: tuple[tuple[float, float], ...] = ((0.0, 1.0), (1.0, 1.0))
    formats: Mapping[str, float]
    receivers: Mapping[str, float]
    types: tuple[str, ...] = INTERESTING
    live: float = 0.2
    unknown: float = 0.01
    sendings_most: int = 1
    again_within: float = 0.0
    confirmed: float = 0.0
    confirmed_after: float = 0.0
    paid_twice: float = 0.0
    paid_twice_after: float = 0.1
    taken_back: float = 0.0
    taken_back_after: float = 0.1
    outage: tuple[float, float] | None = None
    retry_seconds: tuple[int, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    memory_percent_per_hour_max: float | None = None
    readers: int = 2

    @property
    def strain(self) -> tuple[float, float] | None:
        """When it is harder than before, as shares of the time: an outage, or a rise to a peak."""
        if self.outage is not None:
            return self.outage
        base, most = self.ramp[0][1], max(times for _, times in self.ramp)
        if base == most:
            return None
        tops = [share for share, times in self.ramp if times == most]
        calm = [share for share, times in self.ramp if times == base and share < tops[0]]
        return calm[-1], tops[-1]


_READ = TypeAdapter(Profile)


def named() -> list[str]:
    """The profiles that come with this package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_profile(name: str) -> Profile:
    """A profile by its name, or by the path of a TOML file of one's own.

    Raises:
        pydantic.ValidationError: the file has a member that is wrong or unknown.
        OSError: there is no such file.
    """
    path = FOLDER / f"{name}.toml" if name in named() else Path(name)
    return _READ.validate_python(tomllib.loads(path.read_text("utf-8")))
