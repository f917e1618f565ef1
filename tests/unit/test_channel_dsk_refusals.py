"""DSK's CSV: each way in which a row refuses its whole file, with line and column."""

from __future__ import annotations

import pytest

from connectors.channels.dsk import parse_file
from connectors.providers import dsk_file
from streams.domain.errors import Malformed
from streams.domain.slip import build_barcode, read_barcode
from tests.unit.test_channel_dsk import ACCOUNT, BARCODE, a_row, one


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
