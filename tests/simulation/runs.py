"""The runs that the simulation tries, each lived once and looked at by every test."""

from __future__ import annotations

import os
from functools import cache
from itertools import chain

from streams.domain.notification import Notification
from streams.happenings import (
    EndpointTold,
    InvoiceChanged,
    NoticeHeld,
)
from tests.simulation.fake_log import AtLeastOnce, ExactlyOnce
from tests.simulation.story import Story
from tests.simulation.world import World
from tests.step_builders import said

SEEDS = int(os.environ.get("KESHIKOMI_SIMULATION_SEEDS", "15"))
TURNS_PER_ACT_MAX = 24
EXACTLY_ONCE = [f"exactly-once/{seed}" for seed in range(SEEDS)]
AT_LEAST_ONCE = [f"at-least-once/{seed}" for seed in range(SEEDS)]
RUNS = [*EXACTLY_ONCE, *AT_LEAST_ONCE]


@cache
def lived(run: str) -> Story:
    """The world after the whole story, at rest; the run's name is its seed."""
    world = World(run, ExactlyOnce if run in EXACTLY_ONCE else AtLeastOnce)
    story = Story(world)
    for act in story.acts():
        act()
        for _ in range(world.random.randrange(TURNS_PER_ACT_MAX)):
            world.turn()
    world.settle_down()
    return story


def changes(story: Story) -> list[InvoiceChanged]:
    return said(story.world.log.all("history"), InvoiceChanged)


def held(story: Story) -> list[NoticeHeld]:
    return said(story.world.log.all("history"), NoticeHeld)


def feed(story: Story) -> list[Notification]:
    """Everything that history says was told, repeats included."""
    decided = [change.notifications for change in changes(story)]
    unmatched = [message.notifications for message in held(story)]
    of_endpoints = [m.notifications for m in said(story.world.log.all("history"), EndpointTold)]
    return list(chain.from_iterable(decided + unmatched + of_endpoints))
