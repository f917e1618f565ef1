"""How to reach a Kafka cluster, and as whom: one value for every client that the product opens."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from yarl import URL

from connectors.tls import context_by, why
from streams.domain.errors import Unavailable

if TYPE_CHECKING:
    from faust.types.auth import CredentialsT

SCHEME = "kafka://"
DRIVER_SCHEME = "kafkasafe"
"""The hardened driver's own name in Faust, so that nobody gets the plain one by mistake."""
PORT = 9092
REQUEST_SECONDS_MAX = 30.0
"""How long a broker may be away before a send counts as failed."""
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """Brokers, and how the two sides prove who they are.

    With `tls` the broker's certificate and name are verified; `ca_file` names the authority when
    it is not one that the system trusts, and the client's own certificate is shown when there is
    one (mTLS). With `username` the client signs in by SASL.
    """

    servers: tuple[str, ...]
    tls: bool = False
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    username: str | None = None
    password: str = field(default="", repr=False)
    mechanism: str = "SCRAM-SHA-512"

    @property
    def urls(self) -> list[URL]:
        """The brokers as Faust wants them."""
        return [URL(f"{DRIVER_SCHEME}://{server}") for server in self.servers]

    def ssl_context(self) -> ssl.SSLContext | None:
        """A context that verifies certificates and names, or None without TLS.

        Raises:
            Unavailable: a file that the connection names is no use; the message names the file.
        """
        if not self.tls:
            return None
        context = context_by(self.ca_file, whose="Kafka's")
        if self.certificate_file:
            try:
                # An empty password, because Python would ask whoever sits at the terminal.
                context.load_cert_chain(self.certificate_file, self.key_file, password=str)
            except OSError as error:
                text = f"our certificate for Kafka cannot be used, {self.certificate_file}"
                text += f" with the key {self.key_file}: {why(error)}"
                raise Unavailable(text) from error
        return context

    def client_options(self) -> Mapping[str, Any]:
        """What every aiokafka client is made with; raises as `ssl_context` does."""
        return {
            "bootstrap_servers": list(self.servers),
            **self.access_options(),
            "ssl_context": self.ssl_context(),
        }

    def access_options(self) -> Mapping[str, Any]:
        """What a client or a single connection needs beside an address and a TLS context."""
        options: dict[str, Any] = {
            "request_timeout_ms": int(REQUEST_SECONDS_MAX * 1000),
            "security_protocol": self._protocol,
        }
        if self.username is not None:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options

    @property
    def _protocol(self) -> str:
        if self.username is None:
            return "SSL" if self.tls else "PLAINTEXT"
        return "SASL_SSL" if self.tls else "SASL_PLAINTEXT"

    def credentials(self) -> CredentialsT | None:
        """The same for Faust's own consumer; raises as `ssl_context` does."""
        import faust  # noqa: PLC0415  # 0.2 s, and no process but a worker needs it

        context = self.ssl_context()
        if self.username is not None:
            return faust.SASLCredentials(
                username=self.username,
                password=self.password,
                ssl_context=context,
                mechanism=self.mechanism,
            )
        return None if context is None else faust.SSLCredentials(context)


def servers_of(url: str) -> tuple[str, ...]:
    """The brokers that `kafka://HOST[:PORT][,HOST[:PORT]...]` names; raises `ValueError`."""
    if not url.startswith(SCHEME):
        raise ValueError(f"it must be {SCHEME}HOST:PORT[,HOST:PORT...]")
    if "@" in url:
        raise ValueError(
            f"it must be {SCHEME}HOST:PORT[,HOST:PORT...]; who signs in is named by"
            " KESHIKOMI_KAFKA_USERNAME and KESHIKOMI_KAFKA_PASSWORD, written as they are"
        )
    return tuple(_server(part) for part in url.removeprefix(SCHEME).rstrip("/").split(","))


def _server(part: str) -> str:
    wanted = f"it must be {SCHEME}HOST:PORT[,HOST:PORT...], nothing else in it"
    try:
        parsed = URL(f"kafka://{part}")
    except ValueError:
        raise ValueError(wanted) from None
    if not parsed.raw_host or parsed.path.strip("/") or parsed.query_string or parsed.fragment:
        raise ValueError(wanted)
    host = f"[{parsed.raw_host}]" if ":" in parsed.raw_host else parsed.raw_host
    return f"{host}:{parsed.explicit_port or PORT}"
