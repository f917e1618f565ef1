"""What the Cassandra engine decides without a cluster: its URL, its migrations, its bridge."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from connectors.history.cassandra import times
from connectors.history.cassandra.address import address_of
from connectors.history.cassandra.bridge import Bridge
from connectors.history.cassandra.replicating import replication_of
from connectors.history.migration import Migration
from connectors.history.opening import open_history
from connectors.history.standing import ATTEMPTS_PER_ROUND_MAX
from ops.cql.files import history_migrations


def test_a_url_names_the_hosts_and_the_keyspace() -> None:
    address = address_of("cassandra://a.example,b.example:9043/history")

    assert (address.hosts, address.port) == (("a.example", "b.example"), 9043)
    assert (address.keyspace, address.dc, address.replication) == ("history", "datacenter1", None)
    assert (address.user, address.tls) == (None, False)


def test_the_port_may_stand_behind_every_host() -> None:
    address = address_of("cassandra://127.0.0.1:9043,127.0.0.2:9043/history")

    assert (address.hosts, address.port) == (("127.0.0.1", "127.0.0.2"), 9043)


@pytest.mark.parametrize(
    ("url", "hosts", "port"),
    [
        ("cassandra://[::1]:9043/history", ("::1",), 9043),
        ("cassandra://keshi:pw@[2001:db8::7]/history", ("2001:db8::7",), 9042),
        ("cassandra://[::1]:9043,[::2]:9043,db/history", ("::1", "::2", "db"), 9043),
    ],
    ids=["port", "no-port", "several"],
)
def test_an_address_of_ipv6_stands_in_brackets(url: str, hosts: tuple[str, ...], port: int) -> None:
    address = address_of(url)

    assert (address.hosts, address.port) == (hosts, port)
    assert address.has_names == ("db" in hosts)


@pytest.mark.parametrize("host", ["::1", "::1:9042", "2001:db8::7"])
def test_an_address_of_ipv6_without_brackets_is_told_of_them(host: str) -> None:
    with pytest.raises(ValueError, match=r"stands in brackets, as \[::1\]"):
        address_of(f"cassandra://{host}/history")


def test_a_url_carries_the_user_and_the_options() -> None:
    address = address_of(
        "cassandra://keshi:p%40ss%3A%2F@db/history?dc=tokyo&replication=3&tls=true&ca=/etc/ca.pem"
    )

    assert (address.user, address.password) == ("keshi", "p@ss:/")
    assert (address.dc, address.replication) == ("tokyo", 3)
    assert (address.tls, address.ca) == (True, "/etc/ca.pem")
    assert "p@ss" not in repr(address)


def test_a_keyspace_is_replicated_as_asked_and_elsewhere_as_it_was() -> None:
    asked = address_of("cassandra://db/history?dc=tokyo&replication=3")

    assert replication_of(asked, {"tokyo": "1", "osaka": "2"}) == (
        "replication = {'class': 'NetworkTopologyStrategy', 'tokyo': 3, 'osaka': 2}"
    )
    assert replication_of(address_of("cassandra://db/history"), {}) == (
        "replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 1}"
    )


@pytest.mark.parametrize(
    "url",
    [
        "cassandra:///history",
        "cassandra://db",
        "cassandra://db/",
        "cassandra://db/Hist-ory",
        "cassandra://db/history;DROP",
        "cassandra://db:0/history",
        "cassandra://db:70000/history",
        "cassandra://a:1,b:2/history",
        "cassandra://[::1]:1,[::2]:2/history",
        "cassandra://[::1/history",
        "cassandra://::1]/history",
        "cassandra://[db]/history",
        "cassandra://[127.0.0.1]/history",
        "cassandra://[::1%25eth0]/history",
        "cassandra://[::1]x:1/history",
        "cassandra://[::1]:/history",
        "cassandra://a,,b/history",
        "cassandra://db/history?replication=x",
        "cassandra://db/history?tls=yes",
        "cassandra://db/history?ca=/etc/ca.pem",
        "cassandra://db/history?dc=a'b",
        "cassandra://db/history?password=secret",
    ],
)
def test_what_is_no_such_url_is_refused_before_anything_is_opened(url: str) -> None:
    with pytest.raises(ValueError, match=r"Cassandra|port|whole number|tls|dc|ca"):
        open_history(url)


def test_a_password_is_in_no_error() -> None:
    with pytest.raises(ValueError, match="keyspace") as refused:
        open_history("cassandra://keshi:hunter2@db/No")

    assert "hunter2" not in str(refused.value)


def test_a_migration_is_split_into_statements_with_the_retention_filled_in() -> None:
    cql = (
        "-- a; b\nCREATE TABLE a (k int) WITH default_time_to_live = TTL_SECONDS; -- c\n\nUSE b;\n"
    )
    migration = Migration(version=1, name="0001_a.cql", cql=cql)

    assert migration.statements(ttl_seconds=60) == [
        "CREATE TABLE a (k int) WITH default_time_to_live = 60",
        "USE b",
    ]


def test_the_migrations_add_what_is_missing_and_may_be_begun_again() -> None:
    adds = re.compile(r"CREATE TABLE IF NOT EXISTS \w|ALTER TABLE \w+ ADD IF NOT EXISTS \w")
    for migration in history_migrations():
        for statement in migration.statements(ttl_seconds=0):
            assert adds.match(statement), statement


def test_ranks_are_in_the_order_of_what_they_rank() -> None:
    last_of_round = ATTEMPTS_PER_ROUND_MAX - 1

    assert times.first_said(3) > times.first_said(4)
    assert times.of_version(0) < times.of_version(0, registered=True) < times.of_version(1)
    assert times.creation_of_version(2) < times.creation_of_version(1) < times.REGISTERED
    assert (
        times.of_standing(0, started=True)
        < times.of_standing(1)
        < times.of_standing(last_of_round)
        < times.of_standing(last_of_round + 1, started=True)
    )


async def test_answers_from_other_threads_reach_the_loop_each_once() -> None:
    loop = asyncio.get_running_loop()
    bridge = Bridge(loop)

    async def answers(numbers: range) -> list[list[int] | BaseException]:
        futures: dict[int, asyncio.Future[list[int]]] = {
            number: loop.create_future() for number in numbers
        }
        for number, future in futures.items():
            if number % 10:
                threads.submit(bridge.answered, [number], future)
            else:
                threads.submit(bridge.failed, ValueError(number), future)
        return await asyncio.gather(*futures.values(), return_exceptions=True)

    with ThreadPoolExecutor(4) as threads:
        found = [*await answers(range(1_000)), *await answers(range(1_000, 2_000))]

    assert sum(isinstance(each, ValueError) for each in found) == 200
    assert [each for each in found if isinstance(each, list)] == [
        [number] for number in range(2_000) if number % 10
    ]


async def test_an_answer_whose_caller_has_gone_is_dropped() -> None:
    loop = asyncio.get_running_loop()
    gone, stays = loop.create_future(), loop.create_future()
    bridge = Bridge(loop)
    gone.cancel()

    bridge.answered([1], gone)
    bridge.answered([2], stays)

    assert await stays == [2]


async def test_an_answer_for_a_loop_that_has_ended_is_dropped() -> None:
    ended = asyncio.new_event_loop()
    future: asyncio.Future[list[int]] = ended.create_future()
    ended.close()

    Bridge(ended).answered([1], future)

    assert not future.done()
