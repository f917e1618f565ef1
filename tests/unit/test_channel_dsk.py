"""DSK's CSV: each 種別, what is one payment, and each way in which a row refuses its file."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from connectors.channel import Account, FileRecord, Incoming
from connectors.channels.dsk import CHANNEL, parse_file
from loadtests.providers import DskRow, dsk_file
from streams.domain.errors import Malformed, NotAuthentic
from streams.domain.ids import AccountId, MerchantId
from streams.domain.notice import ChannelKind, Notice, NoticeKind, Store
from streams.domain.payment import PaymentState, payment_of
from streams.domain.slip import build_barcode, read_barcode

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


def faults_of(data: bytes) -> dict[str, str]:
    with pytest.raises(Malformed) as refusal:
        parse_file(data, ACCOUNT)
    for where, what in refusal.value.faults:
        assert f"{where}: {what}" in str(refusal.value)
    return dict(refusal.value.faults)


def file_with(**changed: str) -> bytes:
    """A file of one good row, with its columns c1, c2, ... changed."""
    header, row, _ = dsk_file([a_row()]).decode("cp932").split("\r\n")
    columns = row.split(",")
    for name, value in changed.items():
        columns[int(name[1:]) - 1] = value
    return f"{header}\r\n{','.join(columns)}\r\n".encode("cp932")


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
    notice = one(a_row("12", chain=POST_OFFICE))

    assert notice.paid_at == datetime(2026, 11, 23, 15, tzinfo=UTC)


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


def test_names_may_be_quoted_and_hold_the_full_width_minus_of_cp932() -> None:
    data = file_with(c10='"セブン－イレブン"')

    assert parse_file(data, ACCOUNT)[0].notice == one(a_row())
    assert "－".encode("cp932") == b"\x81\x7c"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((1, value) for value in ("00", "1", "13", "", "０１")),
        *((2, value) for value in ("20260230", "00001124", "2026112", "2026-11-24")),
        *((3, value) for value in ("2400", "1260", "915", "10:15")),
        *((4, value) for value in ("", BARCODE, f"EAN{BARCODE[:-1]}", f"EAN{BARCODE[:-1]}x")),
        *((5, value) for value in ("000002", "00001", "")),
        *((6, value) for value in ("12349990011", "1234999001", "")),
        *((7, value) for value in ("1", "2", "")),
        *((8, value) for value in ("10606", "0", "-10605", "10605.0", "300001", "9" * 19, "")),
        *((9, value) for value in ("10", "0100", "７")),
        *((10, value) for value in ("\x00", "x" * 101)),
        *((11, value) for value in ("11000", "1100010")),
        *((12, value) for value in ("", "20260230", "1")),
        *((13, value) for value in ("0", "20260230", "")),
    ],
)
def test_a_wrong_column_is_named(column: int, value: str) -> None:
    data = file_with(**{f"c{column}": value})

    assert list(faults_of(data)) == [f"line 2, column {column}"]


def test_a_correction_above_the_ceiling_is_refused() -> None:
    assert list(faults_of(dsk_file([a_row("22", amount_yen=300_001)]))) == ["line 2, column 8"]


@pytest.mark.parametrize("amount", ["000000", "300001"])
def test_a_barcode_that_no_shop_would_take_is_refused(amount: str) -> None:
    good = read_barcode(BARCODE).digits
    changed = good[:37] + amount + good[43]

    assert list(faults_of(file_with(c4=f"EAN{changed}", c8=str(int(amount))))) == [
        "line 2, column 4"
    ]


def test_a_wrong_check_digit_is_refused() -> None:
    wrong = str((int(BARCODE[-1]) + 1) % 10)

    assert "check digit" in faults_of(file_with(c4=f"EAN{BARCODE[:-1]}{wrong}"))["line 2, column 4"]


def test_a_slip_of_another_company_is_refused() -> None:
    foreign = build_barcode(
        maker_code="929023", free_use="252080000011234999001", due_date=None, amount_yen=1
    )

    assert "another company" in faults_of(dsk_file([a_row(barcode=foreign)]))["line 2, column 4"]


def test_every_fault_of_a_file_is_told_and_nothing_of_it_is_taken() -> None:
    header, *rows = dsk_file([a_row() for _ in range(4)]).split(b"\r\n")[:5]
    rows[1] = rows[1].replace(b",10605,", b",10606,").replace(b"01,2026", b"01,0000")
    rows[3] = b"01,20261124"

    assert list(faults_of(b"\r\n".join([header, *rows]))) == [
        *("line 3, column 2", "line 3, column 8", "line 5, column 2"),
    ]


def test_not_all_faults_of_a_senseless_file_are_listed() -> None:
    data = dsk_file([]) + b"nonsense\r\n" * 100_000

    with pytest.raises(Malformed, match=r"and more$") as refusal:
        parse_file(data, ACCOUNT)

    assert len(refusal.value.faults) == 20


@pytest.mark.parametrize("line", [b"", b'"', b"\x81", b'01,"a"b', b"\xff" * 10])
def test_a_line_that_is_no_row_is_refused(line: bytes) -> None:
    assert "line 3, column 1" in faults_of(dsk_file([a_row()]) + line + b"\r\n")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        "種別,収納日\r\n".encode("cp932"),
        dsk_file([a_row()]).split(b"\r\n", 1)[1],
        dsk_file([a_row()]).decode("cp932").encode("utf-8"),
        dsk_file([a_row()]).decode("cp932").encode("utf-8-sig"),
        dsk_file([a_row()]).decode("cp932").encode("utf-16"),
    ],
)
def test_a_file_without_the_header_row_is_refused(data: bytes) -> None:
    assert "header row" in faults_of(data)["line 1, column 1"]


def test_an_error_answer_is_refused_with_its_code() -> None:
    answer = (
        "error:\r\nシステム連携収納データダウンロード(CVS055_4203)にエラーが発生しました。\r\n"
        "日時：2026/11/24 05:00:00\r\nエラー状況：認証に失敗しました。（192.0.2.1）\r\n"
    )

    assert "CVS055_4203" in faults_of(answer.encode("cp932"))["line 1, column 1"]
    assert "without a code" in faults_of(b"error:\n")["line 1, column 1"]


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
