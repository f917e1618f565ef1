"""Bad input is refused with what is wrong with it: never a 500, never taken by mistake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from api.ports import ApiLimits
from tests.api_shop import a_notice_body, a_shop, an_invoice

JSON = {"Content-Type": "application/json"}


def changed(**changes: Any) -> bytes:
    return orjson.dumps(an_invoice("ca_x", **changes))


def with_raw(member: bytes) -> bytes:
    return changed()[:-1] + b"," + member + b"}"


NOT_JSON = {
    "empty text": b" ",
    "cut": b'{"invoice_number": "A',
    "NaN": with_raw(b'"x": NaN'),
    "Infinity": with_raw(b'"x": -Infinity'),
    "a member twice": with_raw(b'"amount_yen": 1'),
    "deep": with_raw(b'"x": ' + b"[" * 5_000 + b"]" * 5_000),
    "invalid UTF-8": with_raw(b'"x": "\xff"'),
    "UTF-16": changed().decode().encode("utf-16"),
    "an unpaired surrogate": with_raw(b'"x": "\\ud800"'),
    "an unpaired surrogate as a name": with_raw(b'"\\udfff": 1'),
    "a number without end": with_raw(b'"x": ' + b"9" * 10_000),
    "trailing text": changed() + b"x",
    "a control character": with_raw(b'"x": "\x00"'),
}


@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON)
async def test_what_is_not_json_by_the_letter_is_400(tmp_path: Path, data: bytes) -> None:
    async with a_shop(tmp_path) as shop:
        answered = await shop.api.call("POST", "/v1/invoices", data=data, headers=JSON)

    assert answered.status == 400, answered.body


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "0 yen": ({"amount_yen": 0}, "/amount_yen"),
    "negative": ({"amount_yen": -1}, "/amount_yen"),
    "huge": ({"amount_yen": 10**18}, "/amount_yen"),
    "one too many": ({"amount_yen": 10_000_000_000}, "/amount_yen"),
    "a fraction": ({"amount_yen": 500.7}, "/amount_yen"),
    "a whole float": ({"amount_yen": 500.0}, "/amount_yen"),
    "text": ({"amount_yen": "500"}, "/amount_yen"),
    "true": ({"amount_yen": True}, "/amount_yen"),
    "above a slip": ({"amount_yen": 300_001, "channels": ["konbini_slip"]}, "/amount_yen"),
    "year 0": ({"due_at": "0000-01-01T00:00:00Z"}, "/due_at"),
    "year 1": ({"due_at": "0001-01-01T00:00:00+09:00"}, "/due_at"),
    "year 9999": ({"due_at": "9999-12-31T23:59:59-09:00"}, "/due_at"),
    "no offset": ({"due_at": "2026-12-01T00:00:00"}, "/due_at"),
    "no such day": ({"due_at": "2026-02-30T00:00:00Z"}, "/due_at"),
    "seconds": ({"due_at": 1_700_000_000}, "/due_at"),
    "seconds as text": ({"due_at": "1700000000"}, "/due_at"),
    "other digits": ({"due_at": "２０２６-12-01T00:00:00Z"}, "/due_at"),
    "a date": ({"due_at": "2026-12-01"}, "/due_at"),
    "unknown member": ({"amount": 1}, "/amount"),
    "unknown member inside": ({"customer": {"nmae": "x"}}, "/customer/nmae"),
    "no number": ({"invoice_number": ""}, "/invoice_number"),
    "long number": ({"invoice_number": "x" * 65}, "/invoice_number"),
    "NUL": ({"invoice_number": "a\u0000b"}, "/invoice_number"),
    "line break": ({"customer": {"name": "a\nb"}}, "/customer/name"),
    "separator": ({"metadata": {"a": "b\u2028c"}}, "/metadata/a"),
    "not text": ({"metadata": {"a": 1}}, "/metadata/a"),
    "many": ({"metadata": {str(n): "x" for n in range(51)}}, "/metadata"),
    "long": ({"metadata": {"a": "x" * 501}}, "/metadata/a"),
    "too many references": (
        {"references": [{"account_id": "ca_x", "value": str(n)} for n in range(21)]},
        "/references",
    ),
    "strange id": (
        {"references": [{"account_id": "../x", "value": "1"}]},
        "/references/0/account_id",
    ),
    "no list": ({"references": {}}, "/references"),
}


@pytest.mark.parametrize(("change", "pointer"), WRONG.values(), ids=WRONG)
async def test_wrong_content_is_422_with_a_pointer(
    tmp_path: Path, change: dict[str, Any], pointer: str
) -> None:
    async with a_shop(tmp_path) as shop:
        answered = await shop.api.post("/v1/invoices", an_invoice(shop.account, **change))

    assert answered.status == 422, answered.body
    assert pointer in {fault["pointer"] for fault in answered.json["errors"]}


async def test_all_faults_are_told_at_once_and_the_content_never(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        body = {"amount_yen": "4111111111111111", "due_at": "secret", "extra": 1}
        answered = await shop.api.post("/v1/invoices", body)

    pointers = {fault["pointer"] for fault in answered.json["errors"]}
    assert pointers == {"/invoice_number", "/amount_yen", "/due_at", "/extra"}
    assert b"4111111111111111" not in answered.body
    assert b"secret" not in answered.body


@pytest.mark.parametrize("body", [[], "x", 1, None, True])
async def test_a_body_that_is_no_object_is_422(tmp_path: Path, body: object) -> None:
    async with a_shop(tmp_path) as shop:
        data = orjson.dumps(body)
        answered = await shop.api.call("POST", "/v1/invoices", data=data, headers=JSON)

    assert answered.status == 422
    assert answered.json["errors"][0]["pointer"] == ""


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "x"]
)
async def test_another_content_type_is_415(tmp_path: Path, content_type: str) -> None:
    async with a_shop(tmp_path) as shop:
        headers = {"Content-Type": content_type}
        answered = await shop.api.call("POST", "/v1/invoices", data=changed(), headers=headers)

    assert answered.status == 415


async def test_a_compressed_body_is_415(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        headers = {**JSON, "Content-Encoding": "gzip"}
        answered = await shop.api.call("POST", "/v1/invoices", data=b"x", headers=headers)

    assert answered.status in {400, 415}


@pytest.mark.parametrize("path", ["/v1/invoices", "/channels/{account}/notices"])
async def test_a_body_over_256_kib_is_413(tmp_path: Path, path: str) -> None:
    async with a_shop(tmp_path) as shop:
        url = path.format(account=shop.account)
        answered = await shop.api.call("POST", url, data=b" " * (256 * 1024 + 1), headers=JSON)
        barely = await shop.api.call("POST", url, data=b" " * (256 * 1024), headers=JSON)

    assert answered.status == 413
    assert barely.status in {400, 401}


async def test_a_body_without_a_length_is_cut_off_while_it_is_read(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(1_000):
                yield b" " * 10_000

        headers = {"Authorization": f"Bearer {shop.key}", **JSON}
        try:
            response = await shop.api.client.post("/v1/invoices", data=endless(), headers=headers)
        except OSError:
            return  # the connection was closed before everything was sent
        assert response.status == 413


async def test_a_client_that_sends_too_slowly_is_given_up(tmp_path: Path) -> None:
    async with a_shop(tmp_path, limits=ApiLimits(body_seconds_max=0.05)) as shop:
        given_up = asyncio.Event()

        async def stuck() -> AsyncIterator[bytes]:
            yield b"{"
            await given_up.wait()

        headers = {"Authorization": f"Bearer {shop.key}", **JSON}
        response = await shop.api.client.post("/v1/invoices", data=stuck(), headers=headers)
        given_up.set()

    assert response.status == 408


async def test_an_entity_bomb_of_10_mb_is_refused_by_its_size(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        bomb = b'<!DOCTYPE a [<!ENTITY b "' + b"b" * 10_000_000 + b'">]><a>&b;</a>'
        headers = {"Content-Type": "text/xml"}
        url = f"/channels/{shop.account}/notices"
        try:
            answered = await shop.api.call("POST", url, data=bomb, headers=headers, key="")
        except OSError:
            return
        assert answered.status == 413


async def test_a_card_number_as_the_name_of_an_unknown_member_is_not_repeated_in_quarantine(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.api.notice(shop.account, {**a_notice_body(), "4111111111111111": "x"})

    assert b"4111111111111111" not in shop.world.appender.appended[-1].value


async def test_unknown_paths_and_methods_are_problems_too(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        unknown = await shop.api.get("/v2/invoices")
        wrong = await shop.api.call("DELETE", "/v1/invoices")
        strange = await shop.api.get("/v1/invoices/%2e%2e%2fx")

    assert (unknown.status, wrong.status, strange.status) == (404, 405, 404)
    assert wrong.headers["allow"] == "GET,HEAD,POST"
    assert wrong.json["request_id"].startswith("req_")


async def test_a_body_where_none_belongs_is_refused(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        assert (await shop.api.get("/v1/invoices", json={"limit": 1})).status == 422


@pytest.mark.parametrize("paid_at", ["0000-01-01T00:00:00Z", "2026-13-01T00:00:00Z"])
async def test_what_is_wrong_with_a_notice_is_said_in_plain_words(
    tmp_path: Path, paid_at: str
) -> None:
    async with a_shop(tmp_path) as shop:
        answered = await shop.notice(paid_at=paid_at)

    assert answered.status == 422
    assert [fault["pointer"] for fault in answered.json["errors"]] == ["/paid_at"]
    assert b"Value error" not in answered.body
