"""A load is worked out beforehand: when what leaves, by whom, and in whose bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from connectors.channel import Account as ChannelAccount
from connectors.channel import Incoming
from connectors.channels import dsk, gmo, sbps
from connectors.channels import generic as generic_format
from loadtests.formats import FORMATS, Account, Told, told_reference
from loadtests.orders import PAID_AGAIN_AFTER, Orders, read_orders, write_orders
from loadtests.profiles.reading import named, read_profile
from loadtests.schedule import (
    CANCELLED,
    CONFIRMED,
    CONFIRMS_AT_ONCE,
    PRELIMINARY,
    Schedule,
    factor,
    plan,
    shared_out,
)
from streams.domain.ids import AccountId, MerchantId
from streams.domain.notice import ChannelKind
from streams.domain.notice import Notice as ProductsNotice

PROFILES = {
    *("steady", "month_end", "duplicate_storm", "late_confirmations"),
    *("dead_merchants", "outage_and_drain", "soak"),
}
CHANNELS = {
    "generic": generic_format.CHANNEL,
    "gmo": gmo.CHANNEL,
    "sbps": sbps.CHANNEL,
    "dsk": dsk.CHANNEL,
}
NOW = datetime(2026, 11, 30, 3, tzinfo=UTC)


def a_schedule(name: str, *, seed: int = 1, rate: float = 20, seconds: float = 40) -> Schedule:
    return plan(read_profile(name), rate=rate, seconds=seconds, merchants=30, seed=seed)


def some_orders(folder: Path) -> Orders:
    accounts = {
        f"{rank} {form}": Account(
            id=f"acc_{rank}", notice_path="/n", config=FORMATS[form].config(rank), api_key="k"
        )
        for rank in range(30)
        for form in FORMATS
    }
    return Orders(
        folder=folder,
        port=1,
        profile=read_profile("late_confirmations"),
        rate=20,
        seconds=40,
        merchants=30,
        seed=1,
        workers=2,
        paid_from=NOW,
        due_at=NOW + timedelta(days=30),
        accounts=accounts,
        readings=(),
    )


# --- profiles


def test_the_profiles_are_those_that_were_asked_for() -> None:
    assert set(named()) == PROFILES
    assert all(read_profile(name).says for name in named())


def test_a_profile_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('says = "mine"\nformats = { gmo = 1 }\nreceivers = { ok = 1 }\n')

    assert read_profile(str(file)).formats == {"gmo": 1}


def test_a_member_that_no_profile_has_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('says = "mine"\nformats = { gmo = 1 }\nreceivers = { ok = 1 }\nsped = 2\n')

    with pytest.raises(ValidationError, match="sped"):
        read_profile(str(file))


# --- schedules


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_seed_gives_the_same_schedule_again_and_another_one_another(name: str) -> None:
    assert a_schedule(name) == a_schedule(name)
    assert a_schedule(name) != a_schedule(name, seed=2)


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_notices_leave_in_their_order_and_each_payment_is_told_of(name: str) -> None:
    schedule = a_schedule(name)
    times = [notice.at_seconds for notice in schedule.notices]

    assert times == sorted(times)
    assert [notice.place for notice in schedule.notices] == list(range(len(times)))
    told = {number for notice in schedule.notices for number in notice.payments}
    assert told == set(range(len(schedule.payments)))


def test_an_even_load_has_its_rate() -> None:
    schedule = a_schedule("steady", rate=50, seconds=20)
    first = [payment for payment in schedule.payments if not payment.pays_again]

    assert len(first) == pytest.approx(1_000, abs=1)
    assert first[-1].at_seconds < 20


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_payments_come_by_each_format_in_the_profiles_proportion(name: str) -> None:
    formats = read_profile(name).formats
    schedule = a_schedule(name, rate=500)
    first = [payment for payment in schedule.payments if not payment.pays_again]
    counts = Counter(payment.format for payment in first)

    for form, many in formats.items():
        share = many / sum(formats.values())
        assert counts[form] / len(first) == pytest.approx(share, abs=0.02), form


def test_the_end_of_a_month_comes_to_ten_times_the_rate() -> None:
    schedule = a_schedule("month_end", rate=10, seconds=100)
    by_second = Counter(int(payment.at_seconds) for payment in schedule.payments)

    assert by_second[5] == pytest.approx(10, abs=3)
    assert by_second[50] == pytest.approx(100, abs=5)
    assert factor(((0.0, 1.0), (0.5, 3.0), (1.0, 1.0)), 0.25) == 2
    assert factor(((0.0, 1.0), (0.5, 3.0)), 0.9) == 3


def test_in_a_storm_each_notice_is_sent_up_to_six_times() -> None:
    schedule = a_schedule("duplicate_storm")
    times = Counter(notice.first for notice in schedule.notices)

    assert set(times.values()) == {1, 2, 3, 4, 5, 6}
    for notice in schedule.notices:
        first = schedule.notices[notice.first]
        assert (notice.kind, notice.payments) == (first.kind, first.payments)
        assert first.at_seconds <= notice.at_seconds


def test_late_confirmations_come_long_after_their_payment() -> None:
    schedule = a_schedule("late_confirmations")
    confirmed = [notice for notice in schedule.notices if notice.kind == CONFIRMED]

    assert len(confirmed) > len(schedule.notices) / 4
    for notice in confirmed:
        payment = schedule.payments[notice.payments[0]]
        assert payment.is_known
        assert notice.at_seconds - payment.at_seconds == pytest.approx(16)


def test_some_invoices_are_paid_twice_and_some_payments_taken_back() -> None:
    schedule = a_schedule("late_confirmations")
    payments = schedule.payments
    twice = {each.pays for each in payments if each.pays_again}
    back = {n for notice in schedule.notices if notice.kind == CANCELLED for n in notice.payments}

    assert len(twice) > 20 < len(back)
    assert back == {each.number for each in payments if each.is_taken_back}
    assert not back & twice
    for notice in schedule.notices:
        assert notice.kind != CONFIRMED or not back & set(notice.payments)
        for number in notice.payments if notice.kind == CANCELLED else ():
            assert notice.at_seconds - payments[number].at_seconds == pytest.approx(12)
    invoices = [*schedule.early, *schedule.live]
    assert len(invoices) == len({each.pays for each in payments if each.is_known})


def test_few_merchants_are_large_and_many_are_small() -> None:
    schedule = a_schedule("duplicate_storm", rate=100)
    sizes = Counter(payment.merchant for payment in schedule.payments)

    assert sizes[0] > 3 * sizes[5] > 3 * sizes[29] > 0


def test_shares_are_given_out_evenly() -> None:
    names = shared_out({"ok": 6, "hang": 1, "fail": 1}, 16)

    assert Counter(names) == {"ok": 12, "hang": 2, "fail": 2}
    assert shared_out({"ok": 1}, 0) == []


# --- bytes


def read_by_the_product(form: str, config: Mapping[str, str], told: Told) -> ProductsNotice:
    sender = Account(id="acc_1", notice_path="/n", config=config, api_key="k")
    headers, body = FORMATS[form].request(sender, [told])
    account = ChannelAccount(
        account_id=AccountId("acc_1"),
        merchant_id=MerchantId("mer_1"),
        format=form,
        channel=ChannelKind(FORMATS[form].channel),
        config=config,
    )
    incoming = Incoming(headers={name.lower(): value for name, value in headers.items()}, body=body)
    (notice,) = CHANNELS[form].parse(incoming, account)
    if form != "dsk":  # a file comes with the merchant's key instead
        CHANNELS[form].authenticate(incoming, config)
    return notice


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        *((form, CONFIRMED) for form in sorted(FORMATS)),
        *(
            (form, kind)
            for form in sorted(FORMATS)
            for kind in (PRELIMINARY, CANCELLED)
            if form != CONFIRMS_AT_ONCE
        ),
    ],
)
def test_the_product_reads_what_each_provider_sends(form: str, kind: str) -> None:
    config = FORMATS[form].config(7)
    reference = FORMATS[form].reference(12, NOW.date())

    notice = read_by_the_product(
        form, config, Told(number=12, reference=reference, kind=kind, paid_at=NOW)
    )

    assert notice.kind == kind
    assert notice.reference == FORMATS[form].canonical(reference)


def test_a_notice_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    orders = some_orders(tmp_path)
    schedule = orders.schedule()

    for notice in schedule.notices[:50]:
        first = orders.request(schedule, notice)
        assert orders.request(schedule, notice) == first


def test_orders_are_read_as_they_were_written(tmp_path: Path) -> None:
    orders = some_orders(tmp_path)

    again = read_orders(write_orders(orders))

    assert again == orders
    assert again.schedule() == orders.schedule()


def test_every_invoice_has_a_reference_of_its_own_and_every_payment_an_identity(
    tmp_path: Path,
) -> None:
    orders = some_orders(tmp_path)
    payments = orders.schedule().payments
    invoices = {each.pays for each in payments}

    assert len({told_reference(each, orders.due) for each in payments}) == len(invoices)
    assert len(payments) > len(invoices)


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_two_payments_of_one_invoice_are_two_to_the_product(form: str) -> None:
    config, due = FORMATS[form].config(7), NOW.date()
    reference = FORMATS[form].reference(12, due)
    told = [
        Told(number=12, reference=reference, kind=CONFIRMED, paid_at=NOW),
        Told(number=90, reference=reference, kind=CONFIRMED, paid_at=NOW + PAID_AGAIN_AFTER),
    ]

    notices = [read_by_the_product(form, config, each) for each in told]

    assert len({notice.payment_id for notice in notices}) == 2
    assert len({notice.notice_id for notice in notices}) == 2
    assert len({notice.reference for notice in notices}) == 1
