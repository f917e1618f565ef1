"""Merchants who are paid by several providers, and what each of them must be told in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from loadtests.formats import FORMATS, Account
from loadtests.merchants import MATCHED, Party
from loadtests.profiles.reading import Profile
from loadtests.schedule import Payment, Schedule, shared_out
from loadtests.verify import Expected, Fact
from loadtests.world import World

AT_ONCE = 32
PAID, UNMATCHED = "invoice.paid", "payment.unmatched"


@dataclass(slots=True, kw_only=True)
class Sent:
    """What was sent of one payment: the kinds that were accepted, and those without an answer."""

    payment: Payment
    accepted: set[str] = field(default_factory=set)
    uncertain: set[str] = field(default_factory=set)
    was_early: bool = False
    """The notice may have come before its invoice, so that it was unmatched at first."""


@dataclass(slots=True, kw_only=True)
class House(Party):
    """A merchant with an account at each provider that is used to pay him."""

    types: frozenset[str]
    accounts: Mapping[str, Account]
    sent: dict[str, Sent] = field(default_factory=dict)
    """By the reference as it is told."""

    @property
    def notices(self) -> tuple[int, int]:
        """How many notices were accepted, and how many have no answer."""
        accepted = sum(len(each.accepted) for each in self.sent.values())
        return accepted, sum(len(each.uncertain - each.accepted) for each in self.sent.values())

    def told(self) -> frozenset[Fact]:
        """What webhooks must tell."""
        return frozenset(fact for fact in self._facts() if fact[0] in self.types)

    def expected(self) -> Expected:
        """What must have been told after all that was sent."""
        may = frozenset(self._uncertain_facts())
        return Expected(
            path=self.path,
            secret=self.endpoint_secret,
            told=self.told(),
            feed=frozenset(self._facts()),
            may_be_told=frozenset(fact for fact in may if fact[0] in self.types),
            may_be_in_feed=may,
            outcomes={fact: outcome_of(fact) for fact in self._facts()},
            complete=not self.is_dead,
        )

    def _facts(self) -> Iterator[Fact]:
        for reference, sent in self.sent.items():
            yield from facts_of(sent.payment, reference, sent.accepted)

    def _uncertain_facts(self) -> Iterator[Fact]:
        for reference, sent in self.sent.items():
            yield from facts_of(sent.payment, reference, sent.uncertain)
            if sent.was_early:
                yield UNMATCHED, reference


def facts_of(payment: Payment, reference: str, kinds: Iterable[str]) -> Iterator[Fact]:
    """What is told of a payment once notices of these kinds were taken."""
    kinds = sorted(kinds)
    if not payment.is_known:
        yield from ((UNMATCHED, reference) for _ in kinds)
    elif kinds:
        yield PAID, reference
        yield from ((f"payment.{kind}", reference) for kind in kinds)


def outcome_of(fact: Fact) -> str:
    """How the notice behind a fact must have been settled."""
    return "unmatched" if fact[0] == UNMATCHED else MATCHED


async def open_houses(world: World, schedule: Schedule, profile: Profile) -> dict[int, House]:
    """Register the merchants who are paid in this run, by their rank: the largest has 0."""
    pairs = schedule.pairs()
    ranks = sorted({merchant for merchant, _ in pairs})
    formats = {rank: [form for each, form in pairs if each == rank] for rank in ranks}
    kinds = shared_out(profile.receivers, len(ranks))
    houses: dict[int, House] = {}

    async def some(chosen: Sequence[tuple[int, str]]) -> None:
        for rank, kind in chosen:
            houses[rank] = await _open(world, rank, formats[rank], kind, profile)

    numbered = list(zip(ranks, kinds, strict=True))
    await asyncio.gather(*(some(numbered[lane::AT_ONCE]) for lane in range(AT_ONCE)))
    return houses


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
