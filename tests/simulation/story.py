"""What happens in the world: invoices, notices in any order, repeats, commands, endpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from agents.step import record
from streams.domain.delivery import EndpointStatus
from streams.domain.ids import EndpointId, InvoiceId, MerchantId, NoticeId
from streams.domain.invoice import InvoiceTerms, ReleaseOn, ReleasePolicy
from streams.domain.notice import Notice, NoticeKind
from streams.messages import (
    EndpointRemoved,
    EndpointSet,
    EventAcknowledged,
    InvoiceRegistered,
    NoticeAssigned,
    NoticeReceived,
    ReferenceIssued,
)
from streams.topics import INVOICES, NOTIFICATIONS, REFERENCES, reference_key
from tests.builders import ACCOUNT, NOW, a_notice, a_reference, an_endpoint, an_invoice_terms
from tests.simulation.world import World
from tests.step_builders import a_cancel_requested, an_assignment

MERCHANTS = (MerchantId("mer_a"), MerchantId("mer_b"))
INVOICES_PER_MERCHANT = 5
AMOUNT_YEN = 1_000
POLICIES = (ReleasePolicy(), ReleasePolicy(release_on=ReleaseOn.CONFIRMED))
EXTRAS = ("extra-1", "extra-2", "extra-3")
"""Endpoints that are removed again; the endpoint "main" stays."""
ASKING = ("main", "extra-1")
"""Endpoints that have to acknowledge."""
UNKNOWN = "nobody's"
"""A reference that is never issued: what comes for it waits for a person."""

Act = Callable[[], None]


@dataclass
class Story:
    """Acts in a random order; each appends to the log, as the API does."""

    world: World
    accepted: dict[NoticeId, Notice] = field(default_factory=dict)
    repeats: int = 0
    cancels: int = 0
    registered: dict[InvoiceId, InvoiceTerms] = field(default_factory=dict)
    owners: dict[str, InvoiceId] = field(default_factory=dict)
    extras: set[tuple[MerchantId, str]] = field(default_factory=set)

    def acts(self) -> list[Act]:
        random, acts = self.world.random, list[Act]()
        invoices = [self._terms(m, n) for m in MERCHANTS for n in range(INVOICES_PER_MERCHANT)]
        for terms in invoices:
            acts.append(partial(self.register, terms))
            for payment in range(random.randint(1, 3)):
                acts += self._payment(f"{terms.invoice_number}/{payment}", terms)
        acts += self._payment("lost/0", None) + self._payment("lost/1", None)
        acts += [self.cancel] * 12 + [self.assign] * 4 + [self.acknowledge] * 12
        acts += [act for merchant in MERCHANTS for act in self._endpoint_acts(merchant)]
        random.shuffle(acts)
        names = ["main", *EXTRAS]
        return [partial(self.set_endpoint, m, name) for m in MERCHANTS for name in names] + acts

    def _terms(self, merchant: MerchantId, number: int) -> InvoiceTerms:
        name, hours = f"{merchant}-{number}", self.world.random.choice([-1, 1, 2, 5, 500])
        return an_invoice_terms(
            merchant=merchant,
            invoice_number=name,
            amount_yen=AMOUNT_YEN,
            due_at=NOW + timedelta(hours=hours),
            release=self.world.random.choice(POLICIES),
            references=tuple(a_reference(value=f"{name}/{way}") for way in ("slip", "card")),
        )

    def _payment(self, name: str, terms: InvoiceTerms | None) -> list[Act]:
        """The notices of one payment; each may be delivered more than once."""
        random = self.world.random
        merchant = terms.merchant_id if terms else MERCHANTS[0]
        reference = random.choice(terms.references).value if terms else UNKNOWN
        amount_yen = random.choice([400, 600, AMOUNT_YEN, AMOUNT_YEN, AMOUNT_YEN + 1])
        acts: list[Act] = []
        for kind in random.sample(list(NoticeKind), random.randint(1, 3)):
            notice = a_notice(
                name=f"{name}/{kind}",
                payment=name,
                kind=kind,
                reference=reference,
                amount_yen=amount_yen,
                paid_at=NOW + timedelta(hours=random.choice([0, 0, 3])),
            )
            acts += [partial(self.deliver, notice, merchant)] * random.choice([1, 1, 2, 3])
        return acts

    def _endpoint_acts(self, merchant: MerchantId) -> list[Act]:
        disabled = EndpointStatus.DISABLED
        return [
            *[partial(self.remove_endpoint, merchant)] * len(EXTRAS),
            partial(self.set_endpoint, merchant, "main", status=disabled),
            *[partial(self.set_endpoint, merchant, "main")] * 2,
        ]

    # --- acts

    def register(self, terms: InvoiceTerms) -> None:
        self.registered[terms.invoice_id] = terms
        log = self.world.log
        log.append([record(INVOICES, terms.invoice_id, InvoiceRegistered(terms=terms))])
        for reference in terms.references:
            self.owners[reference.value] = terms.invoice_id
            issued = ReferenceIssued(merchant_id=terms.merchant_id, invoice_id=terms.invoice_id)
            log.append([record(REFERENCES, reference_key(ACCOUNT, reference.value), issued)])

    def deliver(self, notice: Notice, merchant: MerchantId) -> None:
        self.repeats += notice.notice_id in self.accepted
        self.accepted[notice.notice_id] = notice
        said = NoticeReceived(merchant_id=merchant, notice=notice, received_at=self.world.now)
        self.world.log.append([record(REFERENCES, reference_key(ACCOUNT, notice.reference), said)])

    def cancel(self) -> None:
        if self.registered:
            terms = self.world.random.choice(list(self.registered.values()))
            self.cancels += 1
            asked = a_cancel_requested(terms=terms, request_id=f"req_{self.cancels}")
            self.world.log.append([record(INVOICES, terms.invoice_id, asked)])

    def assign(self) -> None:
        lost = [notice for notice in self.accepted.values() if notice.reference == UNKNOWN]
        if lost and self.registered:
            terms = self.world.random.choice(list(self.registered.values()))
            given = NoticeAssigned(
                merchant_id=terms.merchant_id,
                notice_id=self.world.random.choice(lost).notice_id,
                invoice_id=terms.invoice_id,
                assignment=an_assignment(),
            )
            self.world.log.append([record(REFERENCES, reference_key(ACCOUNT, UNKNOWN), given)])

    def acknowledge(self) -> None:
        """A shop calls for something that it was told lately."""
        if self.world.received:
            told = self.world.random.choice(self.world.received[-10:])
            whole = told.created_at.microsecond // 1_000 * 1_000
            said = EventAcknowledged(
                merchant_id=told.merchant_id,
                event_id=told.notification_id,
                told_at=told.created_at.replace(microsecond=whole),
                at=self.world.now,
                endpoint_id=self.world.random.choice([None, told.endpoint_id]),
            )
            self.world.log.append([record(NOTIFICATIONS, told.merchant_id, said)])

    def set_endpoint(
        self,
        merchant: MerchantId,
        name: str,
        *,
        status: EndpointStatus = EndpointStatus.ENABLED,
    ) -> None:
        if name in EXTRAS:
            self.extras.add((merchant, name))
        endpoint = an_endpoint(
            endpoint=endpoint_id(merchant, name),
            merchant=merchant,
            types=() if name == "main" else ("invoice.*",),
            status=status,
            created_at=self.world.now,
        )
        endpoint = replace(
            endpoint, supersede=name in EXTRAS, ack_required=name in ASKING, ack_seconds=600
        )
        said = EndpointSet(endpoint=endpoint)
        self.world.log.append([record(NOTIFICATIONS, merchant, said)])

    def remove_endpoint(self, merchant: MerchantId) -> None:
        mine = sorted(extra for extra in self.extras if extra[0] == merchant)
        if mine:
            extra = self.world.random.choice(mine)
            self.extras.remove(extra)
            removed = EndpointRemoved(
                merchant_id=merchant, endpoint_id=endpoint_id(*extra), at=self.world.now
            )
            self.world.log.append([record(NOTIFICATIONS, merchant, removed)])


def endpoint_id(merchant: MerchantId, name: str) -> EndpointId:
    return EndpointId(f"ep_{merchant}_{name}")
