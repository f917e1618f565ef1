"""The OpenAPI document is valid, covers every route, and says what the server really answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from api.openapi import public_path
from api.routes import ROUTES
from connectors.cache.memory import MemoryCache
from streams.domain.errors import Unavailable
from tests.api_harness import ADMIN_KEY
from tests.api_shop import a_shop

LATER = ("console",)


async def test_the_document_is_valid_openapi_3_1(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        document = await (await shop.api.client.get("/openapi.json")).json()

    assert document["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


async def test_every_route_is_in_the_document_and_nothing_else(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        document = await shop.get("/openapi.json")
    described = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }

    assert described == {(route.method, public_path(route.path)) for route in ROUTES}
    assert not [path for _, path in described for word in LATER if word in path]
    assert all(re.fullmatch(r"[A-Z].*[^.]", route.summary) for route in ROUTES)


async def test_requests_are_described_as_strictly_as_they_are_read(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        schemas = (await shop.get("/openapi.json"))["components"]["schemas"]

    invoice = schemas["InvoiceRequest"]
    assert invoice["additionalProperties"] is False
    assert set(invoice["required"]) == {"invoice_number", "amount_yen", "due_at"}
    assert invoice["properties"]["amount_yen"]["maximum"] == 9_999_999_999
    assert invoice["properties"]["due_at"] == {
        "format": "date-time",
        "title": "Due At",
        "type": "string",
    }


async def test_numbers_in_queries_are_described_with_their_limits(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        paths = (await shop.get("/openapi.json"))["paths"]

    schemas = {
        parameter["name"]: parameter["schema"]
        for operations in paths.values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query" and parameter["schema"].get("type") == "integer"
    }
    limits = {
        name: {
            word: each for word, each in schema.items() if type(each) is int and word != "default"
        }
        for name, schema in schemas.items()
    }
    assert limits == {
        "from": {"minimum": 1, "exclusiveMaximum": 10**15},
        "to": {"minimum": 1, "exclusiveMaximum": 10**15},
        "limit": {"minimum": 1, "maximum": 250},
        "wait": {"minimum": 0, "maximum": 30},
    }


async def test_an_answer_that_is_not_as_described_is_noticed(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        check = shop.api.conformance.check
        json, problem = {"content-type": "application/json"}, "application/problem+json"

        check("GET", "/healthz", 200, json, b'{"status":"ok"}')
        for status, headers, body in (
            (200, json, b'{"status":"ok","more":1}'),
            (200, json, b'{"status":"fine"}'),
            (200, {"content-type": "text/html"}, b"ok"),
            (201, json, b'{"status":"ok"}'),
            (503, {"content-type": problem}, b'{"status":503}'),
        ):
            with pytest.raises(AssertionError):
                check("GET", "/healthz", status, headers, body)


# --- the state of the process


async def test_the_process_is_alive_and_ready(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        alive = await shop.api.get("/healthz", key="")
        ready = await shop.api.get("/readyz", key="")

    assert (alive.json, ready.json["status"]) == ({"status": "ok"}, "ready")
    assert ready.json["checks"] == dict.fromkeys(("log", "directory", "history", "cache"), "ok")


class AwayCache(MemoryCache):
    """What Redis is to the API while it is away, or a file that cannot be opened."""

    def __init__(self, error: Unavailable | None) -> None:
        super().__init__()
        self._error = error

    async def get(self, key: str) -> bytes | None:
        if self._error is not None:
            raise self._error
        return None


@pytest.mark.parametrize(
    ("error", "said"),
    [(None, "it keeps nothing"), (Unavailable("the file is no database"), "no database")],
)
async def test_a_cache_that_is_away_degrades_and_nothing_more(
    tmp_path: Path, error: Unavailable | None, said: str
) -> None:
    async with a_shop(tmp_path, cache=AwayCache(error)) as shop:
        ready = await shop.api.get("/readyz", key="")

    assert (ready.status, ready.json["status"]) == (200, "ready")
    assert ready.json["checks"]["cache"].startswith("degraded: ")
    assert said in ready.json["checks"]["cache"]


async def test_the_process_is_not_ready_while_the_log_refuses_records(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        shop.world.appender.is_down = True
        await shop.notice()
        down = await shop.api.get("/readyz", key="")
        shop.world.appender.is_down = False
        await shop.notice()
        up = await shop.api.get("/readyz", key="")

    assert (down.status, down.json["status"]) == (503, "unavailable")
    assert down.json["checks"]["log"] == "refuses records"
    assert up.status == 200


async def test_strangers_are_told_the_status_alone(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        through_a_proxy = {"X-Forwarded-For": "203.0.113.7"}
        ready = await shop.api.get("/readyz", key="", headers=through_a_proxy)
        metrics = await shop.api.get("/metrics", key="", headers=through_a_proxy)
        operator = await shop.api.get("/metrics", key=ADMIN_KEY, headers=through_a_proxy)

    assert ready.json == {"status": "ready"}
    assert (metrics.status, operator.status) == (401, 200)


async def test_metrics_count_requests_by_route(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.api.get("/v1/invoices/inv_unknown")
        text = (await shop.api.get("/metrics")).body.decode()

    route = "/v1/invoices/{invoice_id}"
    assert f'http_requests_total{{method="GET",route="{route}",status="404"}} 1.0' in text
    assert "keshikomi_http_request_seconds_bucket" in text


async def test_metrics_may_be_those_of_all_processes(tmp_path: Path) -> None:
    async with a_shop(tmp_path, metrics_text=lambda: b"all_total 1\n") as shop:
        assert (await shop.api.get("/metrics")).body == b"all_total 1\n"


@pytest.mark.allows_errors
async def test_our_own_fault_is_a_500_that_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_shop(tmp_path) as shop:

        async def broken(*_: object, **__: object) -> object:
            raise ZeroDivisionError("secret inside")

        monkeypatch.setattr(shop.world.history, "invoices", broken, raising=False)
        answered = await shop.api.get("/v1/invoices")

    assert answered.status == 500
    assert b"secret" not in answered.body
    assert answered.json["request_id"] == answered.headers["x-request-id"]
