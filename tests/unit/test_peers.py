"""Peers are asked by their public APIs, and ended and started as the operator says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from loadtests.generator import Client
from loadtests.peers.http_peer import Address, HttpPeer
from loadtests.peers.outpost import Outpost
from loadtests.peers.peer import SECRET, payload, port_of
from loadtests.peers.svix import Svix
from loadtests.receiving import Receiving
from loadtests.refusing import Refused
from tests.conftest import Eventually

RECEIVER_PORT = 9000

Asked = tuple[str, str, str, dict[str, Any]]
"""Method, path, who asked, and what."""


Answers = dict[tuple[str, str], tuple[int, dict[str, Any]]]
"""Status and body by method and the end of the path."""


class Sham:
    """A server that answers as the documents of a peer say, and remembers what it was asked."""

    def __init__(self, answers: Answers) -> None:
        self.asked: list[Asked] = []
        self._answers = answers

    async def answer(self, request: web.Request) -> web.Response:
        said = orjson.loads(await request.read())
        self.asked.append(
            (request.method, request.path, request.headers["authorization"], said),
        )
        for (method, ending), (status, body) in self._answers.items():
            if request.method == method and request.path.endswith(ending):
                return web.json_response(body, status=status)
        return web.json_response({"code": "not_found"}, status=404)


SVIX: Answers = {
    ("POST", "/app"): (201, {"id": "app_1", "name": "/ok/a"}),
    ("POST", "/endpoint"): (201, {"id": "ep_1"}),
    ("POST", "/msg"): (202, {"id": "msg_1", "eventType": "invoice.paid"}),
}
OUTPOST: Answers = {
    ("PUT", ""): (201, {"id": "bench"}),
    ("POST", "/destinations"): (201, {"id": "des_1", "type": "webhook"}),
    ("POST", "/publish"): (202, {"id": "evt_1", "duplicate": False, "destination_ids": ["des_1"]}),
}


class Reached:
    """Where a sham listens, and peers that are pointed at it."""

    def __init__(self) -> None:
        self.servers: list[TestServer] = []

    async def peer(self, kind: type[Svix | Outpost], sham: Sham) -> Svix | Outpost:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", sham.answer)
        server = TestServer(app)
        await server.start_server()
        self.servers.append(server)
        peer = kind(Address(url=f"http://127.0.0.1:{server.port}", token="t"))
        await peer.start(Receiving(None, RECEIVER_PORT))  # type: ignore[arg-type]  # only its port is asked
        return peer


@pytest.fixture
async def reached() -> AsyncIterator[Reached]:
    made = Reached()
    yield made
    for server in made.servers:
        await server.close()


async def sent(peer: HttpPeer, request: bytes) -> int:
    client = Client(peer.port)
    status, _ = await client.ask(request)
    await client.close()
    return status


async def test_svix_is_asked_for_an_application_an_endpoint_and_a_message(reached: Reached) -> None:
    sham = Sham(SVIX)
    peer = await reached.peer(Svix, sham)

    endpoint = await peer.add_endpoint("/ok/a")
    status = await sent(peer, peer.event(endpoint, "ORD-1"))

    asked = orjson.loads(payload("ORD-1"))
    url = f"http://127.0.0.1:{RECEIVER_PORT}/ok/a"
    assert status == 202
    assert sham.asked == [
        ("POST", "/api/v1/app", "Bearer t", {"name": "/ok/a"}),
        ("POST", "/api/v1/app/app_1/endpoint", "Bearer t", {"url": url, "secret": SECRET}),
        (
            *("POST", "/api/v1/app/app_1/msg", "Bearer t"),
            {"eventType": "invoice.paid", "payload": asked},
        ),
    ]
    await peer.close()


async def test_outpost_is_asked_for_a_tenant_a_destination_and_an_event(reached: Reached) -> None:
    sham = Sham(OUTPOST)
    peer = await reached.peer(Outpost, sham)

    endpoint = await peer.add_endpoint("/ok/a")
    status = await sent(peer, peer.event(endpoint, "ORD-1"))

    (_, tenant, _, _), (_, destinations, who, destination), (_, publish, _, event) = sham.asked
    assert (status, who, publish) == (202, "Bearer t", "/api/v1/publish")
    assert tenant == f"/api/v1/tenants/{endpoint.key}"
    assert destinations == f"{tenant}/destinations"
    assert destination["config"] == {"url": f"http://127.0.0.1:{RECEIVER_PORT}/ok/a"}
    assert (destination["type"], destination["topics"]) == ("webhook", ["*"])
    assert destination["credentials"] == {"secret": SECRET}
    assert event == {
        "tenant_id": endpoint.key,
        "topic": "invoice.paid",
        "data": orjson.loads(payload("ORD-1")),
    }
    await peer.close()


async def test_a_peer_that_refuses_is_an_error_with_its_words(reached: Reached) -> None:
    peer = await reached.peer(Svix, Sham({("POST", "/app"): (401, {"code": "authentication"})}))

    with pytest.raises(Refused, match=r"401 .*authentication"):
        await peer.add_endpoint("/ok/a")
    await peer.close()


@pytest.mark.parametrize("url", ["http://10.0.0.1:80", "https://svix.example:443", "127.0.0.1:80"])
def test_load_goes_to_this_machine_only(url: str) -> None:
    with pytest.raises(ValueError, match="this machine only"):
        port_of(url)


def test_processes_are_those_whose_files_hold_a_number(tmp_path: Path) -> None:
    (tmp_path / "server").write_text("123\n")
    (tmp_path / "postmaster").write_text("45\n/var/lib/data\n")
    (tmp_path / "torn").write_text("")
    files = tuple(tmp_path / name for name in ("server", "torn", "absent", "postmaster"))
    address = Address(url="http://127.0.0.1:1", token="", pids=files)

    assert Svix(address).processes() == {"server": 123, "below 3": 45}
    assert not Svix(address).can_be_killed


async def test_the_server_of_a_peer_is_killed_and_started_again(
    tmp_path: Path, eventually: Eventually
) -> None:
    file = tmp_path / "server.pid"
    command = f"sleep 60 & echo $! > {file}.new; mv {file}.new {file}"
    peer = Svix(Address(url="http://127.0.0.1:1", token="", pids=(file,), command=command))

    await peer.restart()
    await eventually(lambda: bool(peer.processes()))
    first = peer.processes()["server"]
    await peer.kill()
    await eventually(lambda: not is_running(first))
    await peer.restart()
    await eventually(lambda: peer.processes()["server"] != first)

    assert is_running(peer.processes()["server"])
    await peer.kill()


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and ") Z " not in stat.read_text()
