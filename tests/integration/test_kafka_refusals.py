"""Whoever a real Kafka does not let in is told why: soon, once, and without a secret."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from connectors.kafka import reaching
from connectors.kafka.admin import an_admin
from connectors.kafka.appender import KafkaAppender
from connectors.kafka.connection import KafkaConnection
from connectors.kafka.tail import KafkaTail
from streams.clock import monotonic_seconds, system_clock
from streams.domain.errors import Unavailable
from tests.kafka_guarded import (
    PASSWORD,
    USER,
    WAYS,
    WRONG_PASSWORD,
    Authority,
    GuardedKafka,
)
from tests.log_helpers import a_record
from tests.real_engines import fresh_name

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("leaves_nothing")]

TOLD_SECONDS_MAX = reaching.REACH_SECONDS_MAX + 2


def of_a_stranger(kafka: GuardedKafka) -> KafkaConnection:
    """A certificate of an authority that has the right name and is another."""
    stranger = Authority(kafka.server.directory / fresh_name("stranger")).sign("client")
    return replace(
        kafka.by_certificate(),
        certificate_file=str(stranger.certificate),
        key_file=str(stranger.key),
    )


def at(kafka: GuardedKafka, listener: str, *, host: str = "127.0.0.1") -> tuple[str, ...]:
    return (f"{host}:{kafka.ports[listener]}",)


Change = Callable[[GuardedKafka], KafkaConnection]
BY_PASSWORD: Change = lambda kafka: kafka.by_password("SCRAM-SHA-512")  # noqa: E731  # a short word

FAULTS: dict[str, tuple[Change, str]] = {
    "a wrong password": (
        lambda kafka: replace(BY_PASSWORD(kafka), password=WRONG_PASSWORD),
        f"refuses the user '{USER}' with this password and SCRAM-SHA-512",
    ),
    "a wrong password, plainly": (
        lambda kafka: replace(kafka.by_password("PLAIN"), password=WRONG_PASSWORD),
        f"refuses the user '{USER}' with this password and PLAIN",
    ),
    "an unknown user": (
        lambda kafka: replace(BY_PASSWORD(kafka), username="nobody"),
        "refuses the user 'nobody' with this password and SCRAM-SHA-512",
    ),
    "a wrong mechanism": (
        lambda kafka: replace(BY_PASSWORD(kafka), mechanism="PLAIN"),
        "lets nobody sign in by PLAIN; choose another mechanism",
    ),
    "no user": (
        lambda kafka: replace(BY_PASSWORD(kafka), username=None, password=""),
        r"closes the connection: it may want no TLS, or a user with a password \(\w+\)",
    ),
    "a user where none signs in": (
        lambda kafka: replace(BY_PASSWORD(kafka), servers=at(kafka, "PLAINTEXT"), tls=False),
        "lets nobody sign in at this port: name no user, or another port",
    ),
    "an unknown authority": (
        lambda kafka: replace(BY_PASSWORD(kafka), ca_file=None),
        "shows a certificate that cannot be verified; name the authority that signed it: .+",
    ),
    "another host name": (
        lambda kafka: replace(BY_PASSWORD(kafka), servers=at(kafka, "SCRAM", host="localhost")),
        "shows a certificate for another name: .+ not valid for 'localhost'.*",
    ),
    "no certificate": (
        lambda kafka: replace(kafka.by_certificate(), certificate_file=None, key_file=None),
        r"wants a certificate of ours \(\w+\)",
    ),
    "a certificate of a stranger": (
        of_a_stranger,
        r"does not accept our certificate \S+/client.pem \(\w+\)",
    ),
    "no TLS where there is TLS": (
        lambda kafka: replace(kafka.by_certificate(), tls=False),
        r"closes the connection: it may want TLS, or a user with a password \(\w+\)",
    ),
    "TLS where there is none": (
        lambda kafka: replace(BY_PASSWORD(kafka), servers=at(kafka, "PLAINTEXT")),
        r"closes the connection: it may want no TLS \(\w+\)",
    ),
    "nobody at the port": (
        lambda kafka: replace(BY_PASSWORD(kafka), servers=("127.0.0.1:1",)),
        "refuses connections: nothing listens there",
    ),
    "no such host": (
        lambda kafka: replace(BY_PASSWORD(kafka), servers=("nobody.invalid:9092",)),
        "is not found: .+",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_who_may_not_get_in_is_told_why_soon_and_once(
    kafka: GuardedKafka, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("aiokafka").setLevel(logging.WARNING)  # as `ops.logs` sets it
    make, sentence = FAULTS[fault]
    connection = make(kafka)
    expected = re.compile(rf"Kafka at {connection.servers[0]} {sentence}")

    told = await refusals(connection)

    assert [text for text in told if not expected.fullmatch(text)] == []
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []
    everything = "\n".join([*told, caplog.text, repr(connection)])
    assert not {word for word in (PASSWORD, WRONG_PASSWORD, "PRIVATE KEY") if word in everything}


async def refusals(connection: KafkaConnection) -> list[str]:
    """What each kind of client says, of which none may take long."""
    appender = KafkaAppender(connection)
    tail = KafkaTail(connection, {"notices": 1}, system_clock)

    async def administer() -> None:
        async with an_admin(connection):
            pass

    async def told(attempt: Callable[[], Awaitable[object]]) -> str:
        began = monotonic_seconds()
        with pytest.raises(Unavailable) as refused:
            await attempt()
        assert monotonic_seconds() - began < TOLD_SECONDS_MAX
        return str(refused.value)

    attempts = (
        administer,
        lambda: appender.append([a_record()]),
        lambda: tail.fetch("notices", 0, 0, 1),
        lambda: tail.end("notices", 0),
    )
    answers = await asyncio.gather(*map(told, attempts))
    await appender.close()
    await tail.close()
    return answers


async def test_brokers_that_refuse_alike_are_named_together(kafka: GuardedKafka) -> None:
    (server,) = at(kafka, "SCRAM")
    connection = replace(
        BY_PASSWORD(kafka), servers=(server, "127.0.0.1:1", server), password=WRONG_PASSWORD
    )

    with pytest.raises(Unavailable) as refused:
        await reaching.reached(connection)

    parts = set(str(refused.value).split("; "))
    assert parts == {
        "Kafka at 127.0.0.1:1 refuses connections: nothing listens there",
        f"Kafka at {server} and {server} {FAULTS['a wrong password'][1]}",
    }


async def test_a_broker_that_hangs_keeps_nobody_from_the_others(kafka: GuardedKafka) -> None:
    async def hear_out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hear_out, "127.0.0.1", 0) as hanging:
        host, port = hanging.sockets[0].getsockname()
        connection = replace(kafka.by_certificate(), servers=(f"{host}:{port}", "127.0.0.1:2"))
        with pytest.raises(Unavailable, match="did not answer within 3 s"):
            await reaching.reached(connection)

        connection = replace(connection, servers=(*connection.servers, *at(kafka, "CERTIFICATE")))
        async with an_admin(connection) as admin:
            assert len((await admin.describe_cluster())["brokers"]) == 1


@pytest.mark.allows_errors  # of the client that waits for the server to be usable again
async def test_a_frozen_broker_is_told_from_one_that_refuses(kafka: GuardedKafka) -> None:
    ways = [WAYS[way](kafka) for way in ("certificate", "SCRAM-SHA-512")]
    kafka.server.freeze()
    try:
        told = await asyncio.gather(*map(refusals, ways))
    finally:
        kafka.server.thaw()
        kafka.server.wait_usable()

    for connection, lines in zip(ways, told, strict=True):
        assert set(lines) == {f"Kafka at {connection.servers[0]} did not answer within 3 s"}
