"""What is no request: a problem document without the caller's bytes, one line of log, no trace."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from api.app import make_app, make_runner
from tests.api_harness import a_world

MARK = b"mark-of-the-caller"
HOST = b"Host: x\r\n"


@asynccontextmanager
async def a_port(directory: Path) -> AsyncIterator[int]:
    """The port of a server as the product runs it."""
    async with a_world(directory) as world:
        ports = world.ports(tail=world.tail)
        runner = make_runner(make_app(ports))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
        await runner.cleanup()


async def said(port: int, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return int(first.split()[1]), {name.lower(): value for name, _, value in pairs}, body


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /v1/invoices HTTP/1.1\r\n" + HOST + b"x-y: " + MARK * 2_000 + b"\r\n\r\n", 431),
        (b"GET /v1/invoices HTTP/1.1\r\n" + HOST + MARK * 2_000 + b": 1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + (MARK + b": 1\r\n") * 500 + b"\r\n", 431),
        (b"GET /" + MARK * 2_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + HOST + MARK + b" : x\r\n\r\n", 400),
        (b"GET / HTTP/" + MARK + b"\r\n\r\n", 400),
        (MARK + b"\r\n\r\n", 400),
        (b"\x16\x03\x01" + MARK + b"\r\n\r\n", 400),
        (b"GET http://[" + MARK + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nx: " + MARK + b"\r\n\r\n", 400),
    ],
)
async def test_what_is_no_request_is_refused_without_being_repeated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, sent: bytes, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    async with a_port(tmp_path) as port:
        answered, headers, body = await said(port, sent)

    problem = orjson.loads(body)
    assert (answered, problem["status"]) == (status, status)
    assert headers["content-type"].startswith("application/problem+json")
    assert headers["server"] == "keshikomi"
    assert headers["x-request-id"] == problem["request_id"] != ""
    assert MARK not in body
    of_ours = [record for record in caplog.records if record.name == "api.connections"]
    assert [record.levelno for record in of_ours] == [logging.INFO]
    assert MARK.decode() not in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Encoding: gzip\r\nContent-Length: 30\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_a_body_that_cannot_be_read_leaves_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, head: bytes
) -> None:
    caplog.set_level(logging.INFO)
    async with a_port(tmp_path) as port:
        sent = b"POST /nowhere HTTP/1.1\r\n" + HOST + head + MARK * 10
        answered, _, body = await said(port, sent)

    assert answered in {400, 404}
    assert MARK not in body
    assert "Traceback" not in caplog.text
    assert MARK.decode() not in caplog.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/metrics"])
async def test_head_answers_as_get_without_the_body(tmp_path: Path, path: str) -> None:
    async with a_port(tmp_path) as port:
        sent = f" {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        status, headers, body = await said(port, b"HEAD" + sent)
        got, got_headers, _ = await said(port, b"GET" + sent)

    assert (status, body) == (got, b"") == (200, b"")
    assert headers["content-type"] == got_headers["content-type"]


async def test_head_is_not_taken_where_get_is_not(tmp_path: Path) -> None:
    async with a_port(tmp_path) as port:
        sent = b"HEAD /v1/merchants HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        status, headers, _ = await said(port, sent)

    assert (status, headers["allow"]) == (405, "POST")
