"""Getting in to a real Cassandra that wants TLS and a password."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from connectors.history.opening import open_history
from ops.cql.files import history_migrations
from ops.stack.cassandra import JARS, CassandraServer
from streams.domain.errors import Unavailable
from tests.history_engines import an_open_history, archived
from tests.message_builders import a_notice_accepted
from tests.real_engines import JAR_CACHE, need_java

pytestmark = [pytest.mark.integration, pytest.mark.allows_errors]

STORE_PASSWORD = "keystore"
OPTIONS = """
authenticator: PasswordAuthenticator
client_encryption_options:
  enabled: true
  keystore: {directory}/node.p12
  keystore_password: {password}
"""
GIVEN_USER = "cassandra:cassandra"
"""The one that a new node makes by itself."""


class GuardedServer(CassandraServer):
    """A node with a certificate of its own for its address, and password authentication."""

    def prepare(self) -> Sequence[str]:
        program, *rest = super().prepare()
        directory = self.directory.absolute()
        with (directory / "cassandra.yaml").open("a") as options:
            options.write(OPTIONS.format(directory=directory, password=STORE_PASSWORD))
        return [program, "-Dcassandra.superuser_setup_delay_ms=0", *rest]

    def answers(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.directory / "node.pem"))
        with (
            suppress(OSError),
            socket.create_connection((self.host, self.port), 1) as plain,
            context.wrap_socket(plain, server_hostname=self.host),
        ):
            return True
        return False


def make_certificate(directory: Path) -> None:
    """A key for 127.0.0.1, and its certificate for those who are to trust it."""
    store = ["-keystore", str(directory / "node.p12"), "-storepass", STORE_PASSWORD]
    what = ["-alias", "node", "-keyalg", "EC", "-dname", "CN=node", "-ext", "SAN=ip:127.0.0.1"]
    tool = shutil.which("keytool") or "keytool"  # of the Java that runs the server
    subprocess.run([tool, "-genkeypair", *store, *what], check=True, capture_output=True)
    export = [tool, "-exportcert", *store, "-alias", "node", "-rfc"]
    done = subprocess.run(export, check=True, capture_output=True)
    (directory / "node.pem").write_bytes(done.stdout)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraServer]:
    need_java(JARS)
    directory = tmp_path_factory.mktemp("guarded")
    make_certificate(directory)
    server = GuardedServer(directory, jar_cache=JAR_CACHE)
    try:
        server.start()
        server.wait_usable()
        yield server
    finally:
        server.stop()


async def test_with_the_authority_and_the_password_it_is_let_in(guarded: CassandraServer) -> None:
    ca = guarded.directory / "node.pem"
    url = f"cassandra://{GIVEN_USER}@{guarded.address}/guarded?tls=true&ca={ca}"
    history = open_history(url, migrations=history_migrations())
    async with asyncio.timeout(60):
        while True:  # the node makes its first user a moment after it is usable
            try:
                await history.store(archived(a_notice_accepted()))
                break
            except Unavailable:
                continue

    assert await history.has_notice(a_notice_accepted().notice_id)
    await history.close()


@pytest.mark.parametrize(
    ("user", "options"),
    [
        pytest.param(GIVEN_USER, "tls=true", id="an authority that this machine does not trust"),
        pytest.param(GIVEN_USER, "", id="no TLS"),
        pytest.param("cassandra:wrong", "tls=true&ca={ca}", id="a wrong password"),
    ],
)
async def test_whoever_may_not_get_in_finds_it_unavailable(
    guarded: CassandraServer, user: str, options: str
) -> None:
    chosen = options.format(ca=guarded.directory / "node.pem")
    async with an_open_history(f"cassandra://{user}@{guarded.address}/guarded?{chosen}") as history:
        with pytest.raises(Unavailable) as refused:
            await history.command("req_none")

    assert "wrong" not in str(refused.value)
