"""Loads the whole product by a profile through Locust, and ends with a report that was verified.

    python -m loadtests.harness PROFILE [--rate 100] [--seconds 30] [--engine embedded|real]
        [--merchants 50] [--workers 1] [--web PORT] [--reports FOLDER]

The product runs as `keshikomi up` in a temporary directory; the receiver of its webhooks and Locust
are processes of their own, on the cores of this machine. Exit status 1 when a notice was not told
exactly as it must be, or when the generator was the bottleneck, so that the figures mean nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import uvloop

from loadtests.crediting import (
    credit,
    faults_of_answers,
    faults_of_load,
    faults_of_outage,
    faults_of_readers,
    faults_of_shops,
)
from loadtests.driving import ENGINES_FOLDER, driven
from loadtests.engines import ENGINES
from loadtests.houses import House, open_houses
from loadtests.journeys import journeys
from loadtests.load import STALLED_SECONDS_MAX, until_told
from loadtests.log_times import notified_ms
from loadtests.measuring import figures, series
from loadtests.orders import Orders, Reading
from loadtests.page import page
from loadtests.profiles.reading import Profile, named, read_profile
from loadtests.ratios import Row, keep, latest, lines, side_by_side
from loadtests.recovering import recovery, recovery_lines
from loadtests.registering import register
from loadtests.report import GENERATOR_LAG_MS_MAX, Measured, machine, machine_lines, table
from loadtests.schedule import Schedule
from loadtests.soaking import faults_of_soak
from loadtests.truth import faults
from loadtests.verify import verdict
from loadtests.world import World, world
from ops.settings import read
from streams.clock import system_clock

TRUTH = "every accepted notice was settled, told and kept exactly as it must be"
DUE = timedelta(days=30)
PAID_BEFORE = timedelta(hours=12)
"""Payments were made so long before the run, so that none lies in the future."""
OUTAGE_SECONDS_MAX = 150.0
"""After an outage so long nothing may come: a server that failed is left alone for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a run was asked to be."""

    name: str
    profile: Profile
    rate: float
    seconds: float
    engine: str
    merchants: int
    seed: int
    workers: int
    web_port: int | None
    lag_ms_max: float

    @property
    def kind(self) -> str:
        """What runs must share to be compared."""
        return f"{self.name}-{self.engine}-{self.rate:g}x{self.seconds:g}x{self.merchants}"

    def settings(self) -> Measured:
        """What a reader must know to repeat the run."""
        return {
            "profile": self.name,
            "what it is for": self.profile.says,
            "payments a second": self.rate,
            "seconds": self.seconds,
            "engine": self.engine,
            "merchants": self.merchants,
            **self.profile.settings,
            "seed": self.seed,
            "Locust workers": self.workers,
            "lag of the generator allowed, ms (p99)": self.lag_ms_max,
        }


def main() -> int:
    """Run and report; 0 when everything was true."""
    given = _arguments()
    asked = Asked(
        name=Path(given.profile).stem,
        profile=read_profile(given.profile),
        rate=given.rate,
        seconds=given.seconds,
        engine=given.engine,
        merchants=given.merchants,
        seed=given.seed,
        workers=given.workers,
        web_port=given.web,
        lag_ms_max=given.lag,
    )
    with tempfile.TemporaryDirectory(prefix="keshikomi-load-") as folder:
        facts = machine(Path(folder))
        print("\n".join(machine_lines(facts)), flush=True)
        found = uvloop.run(run(asked, Path(folder)))
    before = latest(given.reports, asked.kind)
    beside = side_by_side(before["figures"], found["figures"]) if before else []
    document = {
        "profile": asked.name,
        "settings": asked.settings(),
        "machine": facts,
        **found,
        "beside": beside,
    }
    kept = keep(given.reports, asked.kind, document)
    kept.with_suffix(".html").write_text(page(document), "utf-8")
    print("\n".join(_lines(document)), flush=True)
    print(f"{kept.with_suffix('.html')}\n{kept}", flush=True)
    return 1 if document["faults"] else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Load the whole product by a profile.")
    parser.add_argument("profile", help=f"{', '.join(named())}, or a TOML file of your own")
    parser.add_argument("--rate", type=float, default=100, help="payments a second, before ramps")
    parser.add_argument("--seconds", type=float, default=30, help="how long they are made")
    parser.add_argument("--engine", choices=list(ENGINES), default="embedded")
    parser.add_argument("--merchants", type=int, default=50, help="52000 is the service's size")
    parser.add_argument("--seed", type=int, default=1, help="another one is another schedule")
    parser.add_argument("--workers", type=int, default=1, help="more: a master and so many workers")
    parser.add_argument("--web", type=int, metavar="PORT", help="show Locust's page meanwhile")
    parser.add_argument("--lag", type=float, default=GENERATOR_LAG_MS_MAX, help="ms allowed, p99")
    parser.add_argument("--reports", type=Path, default=Path("build/load"), metavar="FOLDER")
    return parser.parse_args()


async def run(asked: Asked, folder: Path) -> Measured:
    """One run on a fresh product: its figures, their course of time, and what was wrong."""
    say = partial(print, flush=True)
    own = asked.profile.settings
    with ENGINES[asked.engine](folder / ENGINES_FOLDER) as engines:
        async with world(folder, "product", merchants=[], engines=engines, settings=own) as made:
            orders, schedule, houses = await _prepare(made, asked, folder)
            say(f"{len(houses)} merchants, {len(schedule.notices)} notices to send")
            async with driven(made, orders, schedule, web_port=asked.web_port) as course:
                credit(
                    *(houses, orders, schedule, course.results),
                    refuses_surely=engines.refuses_surely,
                )
                await _told(made, houses, asked.profile)
                await made.quiet()  # what it costs counts until the archiver has done its part
            say("everything was sent; now the truth")
            wrong = course.faults
            wrong += await faults(made, list(houses.values()), is_last=True)
            wrong += faults_of_load(schedule, course.results, lag_ms_max=asked.lag_ms_max)
            wrong += faults_of_answers(schedule, course.results)
            wrong += faults_of_shops(houses, schedule, course.results)
            wrong += faults_of_readers(houses, course.results)
            wrong += faults_of_soak(asked.profile, course)
            wrong += faults_of_outage(asked.profile, made.arrivals)
            heard = {arrival.webhook_id for arrival in made.arrivals}
            settings = read(made.product.environment, {"data": str(made.product.data)})
            notified = await notified_ms(settings, heard)
            ways = journeys(houses, schedule, course, made.arrivals, notified)
    found = figures(ways, course, schedule)
    found["recovery"] = recovery(
        ways, asked.profile, begin_ns=course.begin_ns, seconds=asked.seconds
    )
    found["harness_memory_mb_most"] = round(getrusage(RUSAGE_SELF).ru_maxrss / 1_000, 1)
    return {"figures": found, "series": series(ways, course), "faults": wrong}


async def _prepare(
    made: World, asked: Asked, folder: Path
) -> tuple[Orders, Schedule, dict[int, House]]:
    """Register merchants and the invoices that no shop registers later; the product is at rest."""
    now = system_clock()
    orders = Orders(
        folder=folder,
        port=made.product.port,
        profile=asked.profile,
        rate=asked.rate,
        seconds=asked.seconds,
        merchants=asked.merchants,
        seed=asked.seed,
        workers=asked.workers,
        paid_from=now - PAID_BEFORE,
        due_at=now + DUE,
        accounts={},
        readings=(),
    )
    schedule = orders.schedule()
    houses = await open_houses(made, schedule, asked.profile, asked.merchants)
    followed = sorted(houses)[: asked.profile.readers]
    for rank in followed:
        houses[rank].is_read = True
    orders = orders.for_houses(
        accounts={
            f"{rank} {form}": account
            for rank, house in houses.items()
            for form, account in house.accounts.items()
        },
        readings=tuple(Reading(merchant=rank, api_key=houses[rank].api_key) for rank in followed),
    )
    await register(made, map(orders.invoice_request, schedule.early))
    await made.quiet()
    return orders, schedule, houses


async def _told(made: World, houses: dict[int, House], profile: Profile) -> None:
    """Wait until all living servers have answered everything that they were to be told."""
    living = {house.path: house for house in houses.values() if not house.is_dead}
    want = sum(sum(house.told().values()) for house in living.values())

    async def told() -> int:
        served = await made.receiver.served()
        return sum(many for path, many in served.items() if path in living)

    stalled = OUTAGE_SECONDS_MAX if profile.outage else STALLED_SECONDS_MAX
    await until_told(told, want, stalled_seconds=stalled)


def _lines(document: Measured) -> list[str]:
    """The report for people at a terminal."""
    found = document["figures"]
    known = found["stages_known"]
    rows = [(f"{n} (of {known[n]})", *each.values()) for n, each in found["stages_ms"].items()]
    rows.append(("lag of the generator", *found["generator_lag_ms"].values()))
    return [
        (
            f"{found['notices_sent']} notices sent, {found['notices_accepted']} accepted, offered "
            f"{found['offered_per_second']:g}/s (in {found['requests_per_second']:g} requests), "
            f"achieved {found['achieved_per_second']:g}/s, "
            f"drained {found['drained_after_seconds']:g} s after"
        ),
        *recovery_lines(found["recovery"]),
        f"errors: {found['errors'] or 'none'}",
        "ms since a notice was meant to leave, at living merchants:",
        *table([("", "p50", "p95", "p99", "max"), *rows]),
        f"CPU ms of the product for each notice: {found['cpu_ms_per_notice']['product']}",
        *_beside(document["beside"]),
        *verdict(document["faults"], truth=TRUTH),
    ]


def _beside(rows: Sequence[Row]) -> list[str]:
    return ["beside the run before:", *lines(rows, headlines=True)] if rows else []


if __name__ == "__main__":
    sys.exit(main())
