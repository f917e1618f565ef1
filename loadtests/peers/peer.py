"""What a sender of webhooks must offer to be measured beside others: take an endpoint, take events.

Every peer gets the same events: the body that keshikomi tells of a paid invoice, so that all send
about as many bytes. keshikomi makes it from a notice of the payment; the others are given it.
All sign by Standard Webhooks with the secret of the endpoint, and are judged by the same rules.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from loadtests.history_writes import settled
from loadtests.merchants import TOLD
from loadtests.open_invoices import MERCHANT
from loadtests.receiving import Receiving
from loadtests.verify import Expected, facts

HERE = re.compile(r"http://(?:127\.0\.0\.1|localhost):(\d+)/?")
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
"""Whoever lets us choose signs with it."""
(EVENT_TYPE,) = TOLD
_PAID = settled(0, MERCHANT)
_NUMBER = _PAID.invoice_number.encode()
_BODY = _PAID.notifications[-1].body.encode()


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """One address that a peer tells, and what was sent for it."""

    path: str
    secret: str
    key: str
    """Under which name the peer takes events for it."""
    accepted: list[str] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)
    """References whose events have no answer: they may be told or not."""

    @property
    def is_dead(self) -> bool:
        """Whether its server never answers."""
        return self.path.startswith("/hang/")

    def note(self, reference: str, status: int) -> None:
        """Remember how an event was answered; 0 is not at all."""
        if not status:
            self.uncertain.append(reference)
        elif 200 <= status < 300:  # noqa: PLR2004  # success in HTTP
            self.accepted.append(reference)

    def expected(self, *, complete: bool) -> Expected:
        """What must have been told; not yet all of it unless `complete`."""
        told = facts(TOLD, self.accepted)
        return Expected(
            path=self.path,
            secret=self.secret,
            told=told,
            feed=told,
            may_be_told=facts(TOLD, self.uncertain),
            complete=complete and not self.is_dead,
        )


Events = Sequence[tuple[Endpoint, str]]
"""Events in the order in which they leave: for whom, and the reference that each is known by."""


class Peer(Protocol):
    """A running sender of webhooks on this machine, and how to talk to it."""

    name: str
    does: str
    """What it does for each event, in a few words."""

    @property
    def port(self) -> int:
        """Where its API answers."""

    async def start(self, receiver: Receiving) -> None:
        """Be ready to take endpoints at this receiver; raises an error that says what is wrong."""

    async def add_endpoint(self, path: str) -> Endpoint:
        """Have it tell what comes for one new addressee to this path of the receiver."""

    async def prepare(self, events: Events) -> None:
        """Do what must be done before these events can be sent; no part of what is measured."""

    def event(self, endpoint: Endpoint, reference: str) -> bytes:
        """The HTTP request that has the endpoint told."""

    def processes(self) -> Mapping[str, int]:
        """Its process, named `server`, and those that it stands on; empty where not known."""

    @property
    def can_be_killed(self) -> bool:
        """Whether it is known how to end it and start it again."""

    async def quiet(self) -> None:
        """Wait until nothing of what was told is still to be done, where that can be seen."""

    async def kill(self) -> None:
        """End it by SIGKILL."""

    async def restart(self) -> None:
        """Start it again, and do not wait until it is ready."""

    async def faults(self, *, repeats_allowed: bool) -> list[str]:
        """What its own records say that is not true, where it keeps any that can be judged."""

    async def close(self) -> None:
        """Leave it as it was found."""


def port_of(url: str) -> int:
    """The port of an address on this machine; load goes nowhere else.

    Raises:
        ValueError: the address is none of this machine.
    """
    match = HERE.fullmatch(url)
    if not match:
        raise ValueError(f"{url} is no http://127.0.0.1:PORT; load goes to this machine only")
    return int(match[1])


def payload(reference: str) -> bytes:
    """What keshikomi's webhook says of a paid invoice, with this reference of the payment."""
    return _BODY.replace(_NUMBER, reference.encode())
