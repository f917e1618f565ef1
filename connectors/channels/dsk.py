"""The format `dsk`: the collection data (収納データ) that 電算システム (DSK) offers as a CSV file.

After DSK's published interface 「収納データPOST方式取得」: CP932, a header row, 13 columns. Nothing
in the file proves who made it, so it is taken only through the authenticated file upload: posted
as a notice it is never authentic.

A file holds no count and no sum. What can be checked is checked in every row (the barcode's
check digit, and the barcode against the amount, the user's fields, the stamp and our own company
code), and one bad row refuses the whole file.

種別 81 (リアルデータ) is read as 速報: like 01 and 03, and unlike 02, 12 and 22, it carries no
振込日, so it is word from the shop and not settled money. It shares the payment of the 01 with the
same slip, time and shop, so the two are never counted twice.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connectors.channel import (
    Account,
    Channel,
    ConfigField,
    FileRecord,
    Incoming,
    Reply,
    japan_time,
    yen,
)
from streams.domain.errors import Malformed, NotAuthentic
from streams.domain.ids import PaymentId, notice_id, payment_id
from streams.domain.notice import Notice, NoticeKind, Store
from streams.domain.slip import AMOUNT_YEN_MAX, Barcode, canonical_slip, read_barcode

ENCODING = "cp932"
COLUMNS = (
    ("種別", re.compile("01|02|03|12|22|81")),
    ("収納日", re.compile("[0-9]{8}")),
    ("収納時刻", re.compile("[0-9]{4}")),
    ("バーコード情報", re.compile("EAN[0-9]{44}")),
    ("ユーザー使用欄１", re.compile("[0-9]{6}")),
    ("ユーザー使用欄２", re.compile("[0-9]{11}")),
    ("印紙フラグ", re.compile("[01]")),
    ("金額", re.compile("[0-9]{1,10}")),
    ("コンビニ本部コード", re.compile("[0-9]{3}")),
    ("コンビニ名", re.compile(r"[^\x00-\x1f\x7f]{0,100}")),
    ("コンビニ店舗コード", re.compile("[0-9]{6}")),
    ("振込日", re.compile("0|[0-9]{8}")),
    ("データ作成日", re.compile("[0-9]{8}")),
)
HEADER = [name for name, _ in COLUMNS]
COLUMN = {name: number for number, name in enumerate(HEADER, 1)}

CORRECTION = "22"
POSTAL = {"12", CORRECTION}
KINDS = {
    "01": NoticeKind.PRELIMINARY,
    "02": NoticeKind.CONFIRMED,
    "03": NoticeKind.PRELIMINARY_CANCELLED,
    "12": NoticeKind.CONFIRMED,
    CORRECTION: NoticeKind.CORRECTED,
    "81": NoticeKind.PRELIMINARY,
}
ERROR_FIRST_LINE = b"error:"
ERROR_CODE = re.compile(rb"\(([0-9A-Z_]{1,20})\)")
FAULTS_MAX = 20

Faults = list[tuple[int, str]]
"""Columns, counted from 1, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Row:
    """The columns of one row by name, and the barcode as it was read."""

    text: Mapping[str, str]
    barcode: Barcode


def authenticate(_incoming: Incoming, _config: Mapping[str, str]) -> None:
    """Refuse: without a secret anyone could post money; a file comes with the merchant's key."""
    raise NotAuthentic("a dsk notice proves nothing: upload it as a file")


def parse(incoming: Incoming, account: Account) -> tuple[Notice, ...]:
    """The notices of the CSV."""
    return tuple(record.notice for record in parse_file(incoming.body, account))


def parse_file(data: bytes, account: Account) -> tuple[FileRecord, ...]:
    """Every row, or `Malformed` with the line and column of each fault."""
    header, *lines = data.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n")
    if header.strip() == ERROR_FIRST_LINE:
        raise _told_error(lines)
    if _decoded(header) != HEADER:
        raise _malformed([("line 1, column 1", "the header row is not that of DSK's CP932 CSV")])
    records: list[FileRecord] = []
    faults: list[tuple[str, str]] = []
    for number, line in enumerate(lines, 2):
        row = _row(line, account)
        if isinstance(row, Row):
            records.append(FileRecord(notice=_notice(row, account), raw=line, line=number))
        else:
            faults += [(f"line {number}, column {column}", what) for column, what in row]
            if len(faults) > FAULTS_MAX:
                break
    if faults:
        raise _malformed(faults)
    return tuple(records)


def _told_error(lines: list[bytes]) -> Malformed:
    """DSK answers a failed download with status 200 and this instead of a CSV."""
    code = ERROR_CODE.search(b"\n".join(lines[:3]))
    told = code[1].decode("ascii") if code else "without a code"
    return _malformed([("line 1, column 1", f"this is an error message of DSK: {told}")])


def _malformed(faults: list[tuple[str, str]]) -> Malformed:
    listed = tuple(faults[:FAULTS_MAX])
    more = "; and more" if len(faults) > FAULTS_MAX else ""
    return Malformed("; ".join(f"{where}: {what}" for where, what in listed) + more, faults=listed)


def _decoded(line: bytes) -> list[str] | None:
    """The columns of one line; None where it is not CP932 or not CSV."""
    try:
        return next(csv.reader([line.decode(ENCODING)], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        return None


def _row(line: bytes, account: Account) -> Row | Faults:
    columns = _decoded(line)
    if columns is None:
        return [(1, "the line is not CSV in CP932")]
    if len(columns) != len(COLUMNS):
        return [(len(columns) or 1, f"the line has {len(columns)} columns, not {len(COLUMNS)}")]
    faults = [
        (COLUMN[name], f"{name} has the wrong form")
        for (name, form), value in zip(COLUMNS, columns, strict=True)
        if not form.fullmatch(value)
    ]
    if faults:
        return faults
    text = dict(zip(HEADER, columns, strict=True))
    try:
        row = Row(text, read_barcode(text["バーコード情報"].removeprefix("EAN")))
    except Malformed as error:
        return [(COLUMN["バーコード情報"], str(error))]
    return _contradictions(row, account) or row


def _contradictions(row: Row, account: Account) -> Faults:
    """Where a row of the right form cannot be true."""
    text, barcode = row.text, row.barcode
    corrected = text["種別"] == CORRECTION
    user_2 = f"{barcode.free_use[11:]}{barcode.reissue}"
    # A correction is for another amount than the slip's, and so perhaps another stamp.
    holds = {
        "バーコード情報": barcode.free_use[:5] == account.config["company_code"],
        "ユーザー使用欄１": text["ユーザー使用欄１"] == barcode.free_use[5:11],
        "ユーザー使用欄２": text["ユーザー使用欄２"] == user_2,
        "印紙フラグ": corrected or text["印紙フラグ"] == str(int(barcode.revenue_stamp)),
        "金額": int(text["金額"]) <= AMOUNT_YEN_MAX
        if corrected
        else int(text["金額"]) == barcode.amount_yen,
        "収納日": _holds(japan_time, text["収納日"]),
        "収納時刻": _holds(japan_time, f"20000101{text['収納時刻']}"),
        "振込日": text["振込日"] == "0" or _holds(japan_time, text["振込日"]),
        "データ作成日": _holds(japan_time, text["データ作成日"]),
    }
    wrong = [COLUMN[name] for name, true in holds.items() if not true]
    return [(column, f"{HEADER[column - 1]} {WRONG[column]}") for column in sorted(wrong)]


WRONG = dict.fromkeys(range(1, len(COLUMNS) + 1), "is not a date or time") | {
    COLUMN["バーコード情報"]: "is a slip of another company",
    COLUMN["ユーザー使用欄１"]: "differs from the barcode",
    COLUMN["ユーザー使用欄２"]: "differs from the barcode",
    COLUMN["印紙フラグ"]: "differs from the barcode",
    COLUMN["金額"]: "differs from the barcode or is more than a slip can ask for",
}


def _holds(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except Malformed:
        return False
    return True


def _notice(row: Row, account: Account) -> Notice:
    text = row.text
    code = text["種別"]
    payment = _payment_id(row, account)
    # Two corrections of one payment are two notices.
    version = (text["金額"], text["データ作成日"]) if code == CORRECTION else ()
    at = text["収納日"] if code in POSTAL else text["収納日"] + text["収納時刻"]
    return Notice(
        notice_id=notice_id(account.account_id, code, payment, *version),
        payment_id=payment,
        account_id=account.account_id,
        channel=account.channel,
        kind=KINDS[code],
        reference=row.barcode.canonical,
        amount_yen=yen(text["金額"], least=0),
        paid_at=japan_time(at),
        channel_at=japan_time(text["データ作成日"]),
        store=Store(chain=text["コンビニ本部コード"], code=text["コンビニ店舗コード"]),
    )


def _payment_id(row: Row, account: Account) -> PaymentId:
    """The act of paying.

    At a shop it is told by time and place too: after a 速報取消 the same 44 digits are scanned
    again, and that is another payment, while the 確報 repeats time and place of its 速報. A post
    office gives no time, and a correction must find the 12 that it corrects.
    """
    text = row.text
    act = ["収納日", "コンビニ本部コード"]
    if text["種別"] not in POSTAL:
        act += ["収納時刻", "コンビニ店舗コード"]
    return payment_id(account.account_id, row.barcode.canonical, *(text[name] for name in act))


def _nothing(*_: object) -> Reply:
    """Nothing: no provider listens here."""
    return Reply(status=204, content_type="text/plain", body=b"")


def _problem(_: str) -> None:
    """Leave the answer to the API: who uploads a file reads problem documents."""


CHANNEL = Channel(
    name="dsk",
    config=(
        ConfigField(
            name="company_code",
            meaning="企業コード: positions 9 to 13 of the barcodes",
            pattern="[0-9]{5}",
        ),
    ),
    content_types=frozenset({"text/csv", "text/plain", "application/octet-stream"}),
    authenticate=authenticate,
    parse=parse,
    canonical_reference=canonical_slip,
    accepted=_nothing,
    not_authentic=_problem,
    unreadable=_problem,
    unavailable=_problem,
    parse_file=parse_file,
)
