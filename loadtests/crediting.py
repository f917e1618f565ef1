"""Says of each merchant what was taken for him, and of the load itself what was wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from loadtests.arrivals import Webhook
from loadtests.busy import UNAVAILABLE
from loadtests.houses import House
from loadtests.orders import Orders
from loadtests.outcomes import Sent
from loadtests.profiles.reading import Profile
from loadtests.report import WORST_SECOND_LAG_MS_MAX, percentile, worst_second_ms
from loadtests.results import Result
from loadtests.schedule import CANCELLED, Schedule
from loadtests.verify import OK

COME_AGAIN = {0, 429, 503}
"""What a provider or a shop may hear: it sends again. 0 is a connection that broke."""

SCHEDULED = {"notice", "invoice"}
"""A wait and a page of a feed leave when what is before them is answered: they are never late."""


def of_kind(results: Iterable[Result], what: str) -> dict[int, list[Result]]:
    """The results of one kind by number."""
    found: dict[int, list[Result]] = {}
    for result in results:
        if result.what == what:
            found.setdefault(result.number, []).append(result)
    return found


def lags(results: Iterable[Result]) -> list[tuple[int, float]]:
    """When requests were meant to leave that had a time for it, in ns, and how late in ms."""
    return [
        (each.intended_ns, each.lag_ms)
        for each in results
        if each.what in SCHEDULED and each.tries == 1
    ]


def credit(
    houses: Mapping[int, House],
    orders: Orders,
    schedule: Schedule,
    results: Sequence[Result],
    *,
    refuses_surely: bool = True,
) -> None:
    """Note with each merchant which of his notices were accepted, and of which nobody knows.

    Unless the product `refuses_surely`, it may have taken what it refused.
    """
    notices, invoices = of_kind(results, "notice"), of_kind(results, "invoice")
    for notice in schedule.notices:
        for result in notices.get(notice.place, []):
            for number in notice.payments:
                payment = schedule.payments[number]
                sent = houses[payment.merchant].of(payment, orders.due)
                _credit_one(sent, notice.kind, result, refuses_surely=refuses_surely)
                if schedule.payments[payment.pays].is_live:
                    tries = invoices.get(payment.pays, [])
                    _judge_invoice(sent, result, tries, refuses_surely=refuses_surely)


def _is_doubtful(result: Result, *, refuses_surely: bool) -> bool:
    """Whether what was not taken may have been all the same; some formats refuse with 200."""
    own_fault = result.status >= 500 or result.status == OK  # noqa: PLR2004  # as HTTP has it
    return not result.status or (own_fault and not refuses_surely)


def _credit_one(sent: Sent, kind: str, result: Result, *, refuses_surely: bool) -> None:
    if kind == CANCELLED:  # notices are in their order: the payment's own were credited before
        sent.is_in_order &= sent.taken_ns <= result.sent_ns
    else:
        sent.sent_ns = min(sent.sent_ns, result.sent_ns)
    if result.is_good:
        sent.take(kind, result.answered_ns)
    elif _is_doubtful(result, refuses_surely=refuses_surely):
        sent.doubt(kind)


def _judge_invoice(
    sent: Sent, notice: Result, registrations: Sequence[Result], *, refuses_surely: bool
) -> None:
    """Whether the invoice of a notice was there in time, was there late, or never was."""
    good = [each for each in registrations if each.is_good]
    if good:
        sent.was_early |= good[0].answered_ns >= notice.sent_ns
    elif any(_is_doubtful(each, refuses_surely=refuses_surely) for each in registrations):
        sent.was_early = True
        sent.doubt_all()
    else:
        sent.payment = replace(sent.payment, is_known=False)


def faults_of_load(
    schedule: Schedule, results: Sequence[Result], *, lag_ms_max: float
) -> Iterator[str]:
    """Why the figures of a load mean nothing: not sent, late, or never taken."""
    notices = of_kind(results, "notice")
    if lacking := len(schedule.notices) - len(notices):
        yield f"the generator never sent {lacking} of {len(schedule.notices)} notices"
    if lacking := len(schedule.live) - len(of_kind(results, "invoice")):
        yield f"the generator never registered {lacking} of {len(schedule.live)} invoices"
    late = lags(results)
    lag = percentile([ms for _, ms in late], 0.99)
    if lag > lag_ms_max:
        yield (
            f"the generator was the bottleneck: requests left late by {lag:.1f} ms (p99), "
            f"{lag_ms_max:g} are allowed"
        )
    worst, most = worst_second_ms(late), max(lag_ms_max, WORST_SECOND_LAG_MS_MAX)
    if worst > most:
        yield (
            f"the generator was the bottleneck: in one second requests left late by {worst:.0f} ms "
            f"(p99), {most:g} are allowed"
        )
    starved_ms = [each.waited_ns / 1e6 for each in results if each.waited_ns > lag_ms_max * 1e6]
    if starved_ms:
        yield (
            f"the generator was the bottleneck: {len(starved_ms)} requests found all of its "
            f"connections in use, for up to {max(starved_ms):.0f} ms"
        )
    if not any(each.is_good for several in notices.values() for each in several):
        yield "no notice was accepted"


def faults_of_answers(schedule: Schedule, results: Sequence[Result]) -> Iterator[str]:
    """What was refused for ever, or in other words than that it may be sent again."""
    wrong = Counter((each.what, each.status) for each in results if _is_refused_wrongly(each))
    for (what, status), many in sorted(wrong.items()):
        yield f"{what}: {many} were answered {status}"
    good = {(each.what, each.number) for each in results if each.is_good}
    never = [each for each in schedule.notices if ("notice", each.place) not in good]
    if never:
        yield f"{len(never)} of {len(schedule.notices)} notices were never taken"
    formats, lacking = (
        Counter(map(schedule.format_of, notices)) for notices in (schedule.notices, never)
    )
    for form in formats:
        if lacking[form] == formats[form]:
            yield f"no notice of {form} was ever taken"
    unregistered = sum(("invoice", each.number) not in good for each in schedule.live)
    if unregistered:
        yield f"{unregistered} of {len(schedule.live)} invoices were never registered"


def _is_refused_wrongly(result: Result) -> bool:
    """Some formats refuse with status 200; a connection that broke has no status."""
    if result.is_good or result.status in COME_AGAIN:
        return False
    return not (result.what == "notice" and result.status == OK)


def faults_of_shops(
    houses: Mapping[int, House], schedule: Schedule, results: Sequence[Result]
) -> Iterator[str]:
    """Which shops did not wait for their invoice, or were not told that its notice was taken."""
    waits, invoices = of_kind(results, "wait"), of_kind(results, "invoice")
    for payment in schedule.live:
        is_registered = any(each.is_good for each in invoices.get(payment.number, []))
        if is_registered and payment.number not in waits:
            yield f"no shop waited for payment {payment.number}, whose invoice was registered"
        several = houses[payment.merchant].sent.get(payment.number, [])
        was_taken = any(sent.accepted and sent.payment.is_known for sent in several)
        for wait in waits.get(payment.number, []) if was_taken else []:
            if not wait.is_good:
                yield f"a shop waited in vain for payment {payment.number}: {wait.status}"


def faults_of_readers(houses: Mapping[int, House], results: Sequence[Result]) -> Iterator[str]:
    """Which readers of a pull feed were refused, or were given what it does not hold in the end."""
    reads = of_kind(results, "read")
    for rank, house in houses.items():
        if house.is_read and rank not in reads:
            yield f"{house.path}: nobody read the feed"
    for rank, pages in reads.items():
        if refused := [page.status for page in pages if not page.is_good]:
            yield f"{houses[rank].path}: a reader of the feed was answered {refused[0]}"
        read = [each for page in pages for each in page.ids]
        held = [event.event_id for event in houses[rank].events]
        if read != held[: len(read)]:
            yield f"{houses[rank].path}: a reader of the feed was given other events than it holds"


def faults_of_outage(profile: Profile, arrivals: Iterable[Webhook]) -> Iterator[str]:
    """Whether an outage that was to be was none."""
    if profile.outage and not any(each.status == UNAVAILABLE for each in arrivals):
        yield "no server was away: nothing that came was answered by 503"
