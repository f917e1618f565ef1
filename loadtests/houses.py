"""Merchants who are paid by several providers, and what each of them must be told in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from loadtests.formats import FORMATS, Account, invoice_number, told_reference
from loadtests.merchants import Party
from loadtests.outcomes import Sent, ending, possible, says, settled, sure
from loadtests.profiles.reading import Profile
from loadtests.schedule import Payment, Schedule, shared_out
from loadtests.verify import Expected, Fact
from loadtests.world import World

AT_ONCE = 32
SAID_EACH = 5_000
"""Registering takes minutes where merchants are many."""


@dataclass(slots=True, kw_only=True)
class House(Party):
    """A merchant with an account at each provider that is used to pay him."""

    types: frozenset[str]
    accounts: Mapping[str, Account]
    sent: dict[int, list[Sent]] = field(default_factory=dict)
    """The payments of each invoice, by the number of the first one."""

    def of(self, payment: Payment, due: date) -> Sent:
        """What was sent of a payment so far."""
        several = self.sent.setdefault(payment.pays, [])
        for sent in several:
            if sent.payment.number == payment.number:
                return sent
        several.append(Sent(payment=payment, reference=told_reference(payment, due)))
        return several[-1]

    @property
    def notices(self) -> tuple[int, int]:
        """How many notices were accepted, and how many have no answer."""
        every = [sent for several in self.sent.values() for sent in several]
        accepted = sum(len(each.accepted) for each in every)
        return accepted, sum(len(each.uncertain - each.accepted) for each in every)

    def told(self) -> dict[Fact, int]:
        """What webhooks must tell, and how often."""
        return self._wanted(self._all(sure))

    def expected(self) -> Expected:
        """What must have been told after all that was sent."""
        feed, may = self._all(sure), self._all(possible)
        return Expected(
            path=self.path,
            secret=self.endpoint_secret,
            told=self._wanted(feed),
            feed=feed,
            may_be_told=self._wanted(may),
            may_be_in_feed=may,
            outcomes={
                fact: how
                for several in self.sent.values()
                for fact, how in settled(several).items()
            },
            says={
                fact: words
                for several in self.sent.values()
                for fact, words in says(several).items()
                if fact in feed or fact in may
            },
            ends={
                invoice_number(several[0].payment): standing
                for several in self.sent.values()
                if (standing := ending(several)) is not None
            },
            complete=not self.is_dead,
        )

    def _all(self, facts_of: Callable[[Sequence[Sent]], Mapping[Fact, int]]) -> dict[Fact, int]:
        """The facts of every invoice; none of them is of two."""
        found: dict[Fact, int] = {}
        for several in self.sent.values():
            found |= facts_of(several)
        return found

    def _wanted(self, facts: Mapping[Fact, int]) -> dict[Fact, int]:
        return {fact: times for fact, times in facts.items() if fact[0] in self.types}


async def open_houses(
    world: World, schedule: Schedule, profile: Profile, merchants: int
) -> dict[int, House]:
    """Register so many merchants by their rank, the largest has 0, also those whom nobody pays.

    A merchant has an account for each format by which he is paid in this run, a key, an endpoint.
    """
    formats: dict[int, list[str]] = {rank: [] for rank in range(merchants)}
    for rank, form in schedule.pairs():
        formats[rank].append(form)
    kinds = shared_out(profile.receivers, merchants)
    houses: dict[int, House] = {}

    async def some(left: Iterator[int]) -> None:
        for rank in left:
            houses[rank] = await _open(world, rank, formats[rank], kinds[rank], profile)
            if len(houses) % SAID_EACH == 0:
                print(f"{len(houses)} of {merchants} merchants registered", flush=True)

    ranks = iter(range(merchants))
    await asyncio.gather(*(some(ranks) for _ in range(AT_ONCE)))
    return dict(sorted(houses.items()))


async def _open(
    world: World, rank: int, formats: Sequence[str], kind: str, profile: Profile
) -> House:
    made = await world.call("POST", "/v1/merchants", {"name": f"Merchant {rank}"})
    accounts = {
        form: await _account(world, rank, form, made["id"], made["api_key"]) for form in formats
    }
    path = f"/{kind}/{rank}"
    own = {"retry_seconds": list(profile.retry_seconds)} if profile.retry_seconds else {}
    endpoint = await world.add_endpoint(path, made["api_key"], types=profile.types, **own)
    return House(
        path=path,
        merchant_id=made["id"],
        api_key=made["api_key"],
        endpoint_id=endpoint["id"],
        endpoint_secret=endpoint["secret"],
        types=frozenset(profile.types),
        accounts=accounts,
    )


async def _account(world: World, rank: int, form: str, merchant_id: str, api_key: str) -> Account:
    config = FORMATS[form].config(rank)
    made = await world.add_account(merchant_id, FORMATS[form].channel, form, config)
    return Account(id=made["id"], notice_path=made["notice_path"], config=config, api_key=api_key)
