"""A Cassandra that wants TLS and a password; it may ask what its users may do as well."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ops.stack.cassandra import JARS, CassandraServer
from tests.real_engines import JAR_CACHE, need_java

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

    more = ""
    """Lines of its `cassandra.yaml` beside these."""

    def prepare(self) -> Sequence[str]:
        program, *rest = super().prepare()
        directory = self.directory.absolute()
        with (directory / "cassandra.yaml").open("a") as options:
            options.write(OPTIONS.format(directory=directory, password=STORE_PASSWORD) + self.more)
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


S = TypeVar("S", bound=GuardedServer)


def a_guarded_server(directory: Path, kind: type[S]) -> Iterator[S]:
    """One that is usable, with `node.pem` in its folder for those who are to trust it."""
    need_java(JARS)
    directory.mkdir(exist_ok=True)
    make_certificate(directory)
    server = kind(directory, jar_cache=JAR_CACHE)
    try:
        server.start()
        server.wait_usable()
        yield server
    finally:
        server.stop()
