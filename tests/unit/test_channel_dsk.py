"""DSK's CSV: each 種別, and which rows are about one payment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from connectors.channel import Account, FileRecord, Incoming
from connectors.channels.dsk import CHANNEL, parse_file
from connectors.providers import DskRow, dsk_file
from streams.domain.errors import NotAuthentic
from streams.domain.ids import AccountId, MerchantId
from streams.domain.notice import ChannelKind, Notice, NoticeKind, Store
from streams.domain.payment import PaymentState, payment_of
from streams.domain.slip import build_barcode

ACCOUNT = Account(
    account_id=AccountId("ca_dsk"),
    merchant_id=MerchantId("mer_1"),
    channel=ChannelKind.KONBINI_SLIP,
    format="dsk",
    config={"company_code": "25207"},
)
AT = datetime(2026, 11, 24, 1, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
POST_OFFICE = "911"


def a_barcode(
    *, due_date: date | None = date(2026, 12, 1), reissue: int = 0, amount_yen: int = 10_605
) -> str:
    return build_barcode(
        maker_code="929023",
        free_use="252070000011234999001",
        reissue=reissue,
        due_date=due_date,
        amount_yen=amount_yen,
    )


BARCODE = a_barcode()


def a_row(
    code: str = "01",
    *,
    barcode: str = BARCODE,
    at: datetime = AT,
    chain: str = "010",
    store: str = "110001",
    amount_yen: int | None = None,
    created: datetime | None = None,
) -> DskRow:
    return DskRow(
        code=code,
        barcode=barcode,
        at=at,
        chain=chain,
        store=store,
        amount_yen=amount_yen,
        created=created,
    )


def read(*rows: DskRow) -> list[Notice]:
    return [record.notice for record in parse_file(dsk_file(rows), ACCOUNT)]


def one(row: DskRow) -> Notice:
    (notice,) = read(row)
    return notice


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("01", NoticeKind.PRELIMINARY),
        ("02", NoticeKind.CONFIRMED),
        ("03", NoticeKind.PRELIMINARY_CANCELLED),
        ("12", NoticeKind.CONFIRMED),
        ("22", NoticeKind.CORRECTED),
        ("81", NoticeKind.PRELIMINARY),
    ],
)
def test_each_code_is_a_kind(code: str, kind: NoticeKind) -> None:
    notice = one(a_row(code))

    assert notice.kind is kind
    assert notice.channel is ChannelKind.KONBINI_SLIP
    assert notice.reference == "929023252070000011234999001"
    assert notice.amount_yen == 10_605
    assert notice.store == Store(chain="010", code="110001")


def test_times_are_on_a_japanese_clock() -> None:
    notice = one(a_row(at=datetime(2026, 11, 24, 15, 30, tzinfo=UTC), created=AT + 2 * DAY))

    assert notice.paid_at == datetime(2026, 11, 24, 15, 30, tzinfo=UTC)
    assert notice.channel_at == datetime(2026, 11, 25, 15, tzinfo=UTC)


def test_a_post_office_gives_only_the_day() -> None:
    day = datetime(2026, 11, 23, 15, tzinfo=UTC)

    assert one(a_row("12", chain=POST_OFFICE)).paid_at == day
    assert one(a_row("12")).paid_at == day, "also where a time is filled in"


@pytest.mark.parametrize("code", ["02", "03", "81"])
def test_what_is_said_of_one_scan_is_one_payment(code: str) -> None:
    preliminary, other = read(a_row("01"), a_row(code, created=AT + 5 * DAY))

    assert preliminary.payment_id == other.payment_id
    assert preliminary.notice_id != other.notice_id


def test_scanned_cancelled_and_scanned_again_are_two_payments() -> None:
    first, cancelled, second, confirmed = read(
        a_row("01"), a_row("03"), a_row("01", at=AT + MINUTE), a_row("02", at=AT + MINUTE)
    )

    assert first.payment_id == cancelled.payment_id
    assert second.payment_id == confirmed.payment_id
    assert payment_of([first, cancelled]).live_yen == 0
    assert payment_of([second, confirmed]).state is PaymentState.CONFIRMED


@pytest.mark.parametrize(
    "other",
    [
        a_row(at=AT + MINUTE),
        a_row(at=AT + DAY),
        a_row(chain="020"),
        a_row(store="110002"),
    ],
)
def test_another_time_or_place_is_another_payment_of_the_same_slip(other: DskRow) -> None:
    first, second = read(a_row(), other)

    assert first.reference == second.reference
    assert first.payment_id != second.payment_id
    assert first.notice_id != second.notice_id


def test_a_postal_notice_and_a_reissue_are_for_the_same_reference() -> None:
    rows = [
        a_row(),
        a_row("12", barcode=a_barcode(due_date=None), chain=POST_OFFICE),
        a_row(barcode=a_barcode(reissue=2)),
    ]

    assert len({notice.reference for notice in read(*rows)}) == 1


def test_a_correction_finds_the_payment_that_it_corrects() -> None:
    paid = a_row("12", chain=POST_OFFICE, created=AT + 2 * DAY)
    corrected = a_row(
        "22", chain=POST_OFFICE, amount_yen=10_000, store="091008", created=AT + 3 * DAY
    )
    again = a_row("22", chain=POST_OFFICE, amount_yen=9_000, created=AT + 4 * DAY)

    notices = read(paid, corrected, again)

    assert len({notice.payment_id for notice in notices}) == 1
    assert len({notice.notice_id for notice in notices}) == 3
    assert payment_of(notices).amount_yen == 9_000


@pytest.mark.parametrize("amount_yen", [0, 300_000])
def test_a_correction_may_be_of_nothing_and_up_to_the_ceiling(amount_yen: int) -> None:
    assert one(a_row("22", amount_yen=amount_yen)).amount_yen == amount_yen


def test_a_record_keeps_its_line_and_its_bytes() -> None:
    data = dsk_file([a_row(), a_row("02")])

    records = parse_file(data, ACCOUNT)

    assert [record.line for record in records] == [2, 3]
    assert [record.raw for record in records] == data.split(b"\r\n")[1:3]
    assert all(isinstance(record, FileRecord) for record in records)


def test_the_same_file_again_has_the_same_notices() -> None:
    assert read(a_row(), a_row("02")) == read(a_row(), a_row("02"))


def test_a_file_that_lost_its_last_line_end_or_its_carriage_returns_is_still_whole() -> None:
    data = dsk_file([a_row(), a_row("02")])

    for changed in (data.removesuffix(b"\r\n"), data.replace(b"\r\n", b"\n")):
        assert parse_file(changed, ACCOUNT) == parse_file(data, ACCOUNT)


def test_a_post_is_never_authentic_but_its_body_reads_like_a_file() -> None:
    posted = Incoming(body=dsk_file([a_row(), a_row("02")]))

    with pytest.raises(NotAuthentic, match="upload it as a file"):
        CHANNEL.authenticate(posted, ACCOUNT.config)
    assert list(CHANNEL.parse(posted, ACCOUNT)) == read(a_row(), a_row("02"))


def test_the_replies() -> None:
    assert CHANNEL.accepted(None, False).status == 204  # noqa: FBT003  # as the API calls it
    assert CHANNEL.not_authentic("reason") is None
    assert CHANNEL.unreadable("reason") is None
    assert CHANNEL.unavailable("reason") is None
