"""A user of a load whose connections are all in use says how long a request waited for one."""

from __future__ import annotations

import socket
import threading

import gevent  # type: ignore[import-untyped]  # it has no types of its own
import pytest

from loadtests.users.connections import Answer, Connections

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nso"
REQUESTS, SECONDS_MAX = 2, 10


def serve(server: socket.socket, may_answer: threading.Event) -> None:
    """Answer each connection once, as soon as it may."""
    for _ in range(REQUESTS):
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            may_answer.wait(SECONDS_MAX)
            connection.sendall(ANSWER.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))


@pytest.mark.parametrize(("most", "late"), [(1, 1), (2, 0)])
def test_who_finds_no_connection_free_is_told_how_long_it_took(most: int, late: int) -> None:
    may_answer = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server, may_answer), daemon=True).start()
        connections = Connections(server.getsockname()[1], most=most, seconds_max=SECONDS_MAX)
        asked = [gevent.spawn(connections.ask, "GET", "/", {}) for _ in range(REQUESTS)]
        gevent.idle()  # both have begun
        may_answer.set()
        answers: list[Answer] = [each.get(timeout=SECONDS_MAX) for each in asked]

    assert [(each.status, each.body) for each in answers] == [(200, b"so")] * 2
    assert sum(each.waited_ns > 0 for each in answers) == late


def test_a_connection_that_breaks_is_status_0() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert Connections(port, most=1, seconds_max=SECONDS_MAX).ask("GET", "/", {}).status == 0
