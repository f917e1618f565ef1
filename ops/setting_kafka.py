"""The settings of the log: a file, or Kafka and how to reach it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields

from connectors.kafka.connection import MECHANISMS, SCHEME, KafkaConnection, servers_of
from connectors.kafka.rows import IN_MEMORY, ON_DISK
from ops.setting_fields import setting
from ops.setting_values import LOG, broker_url, file_to_read, one_of, text, whole, yes_or_no

MUST_BE_NAMED = (
    "must be named where the log is on Kafka: cassandra://HOST/KEYSPACE, or sqlite://PATH where "
    "one machine runs every API and every archiving worker"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """Part of `ops.settings.Settings`."""

    broker: str = setting(
        f"{LOG.scheme}DATA/log.db", "The log that everything else is derived from.", unit="URL",
        parse=broker_url,
    )  # fmt: skip
    kafka_replication: int = setting(
        3, "How many brokers keep each record, on Kafka; 1 where there is a single one.",
        parse=whole(1, 9), unit="brokers",
    )  # fmt: skip
    kafka_tls: bool = setting(
        default=False,
        about="Kafka is reached over TLS, and its certificate verified.",
        parse=yes_or_no,
    )
    kafka_ca_file: str = setting(
        "", "The authority that signed Kafka's certificate, if the system does not know it.",
        parse=file_to_read, unit="path",
    )  # fmt: skip
    kafka_certificate_file: str = setting(
        "", "The certificate that we show to Kafka (mTLS).", parse=file_to_read, unit="path"
    )
    kafka_key_file: str = setting(
        "", "The private key of that certificate.", parse=file_to_read, unit="path"
    )
    kafka_username: str = setting(
        "", "Who signs in to Kafka by SASL.", parse=text(1, 255), unit="text"
    )
    kafka_password: str = setting(
        "", "The password of that user.", parse=text(1, 512), unit="text", secret=True
    )
    kafka_mechanism: str = setting(
        "SCRAM-SHA-512", "How that user signs in.", parse=one_of(*MECHANISMS)
    )
    table_store: str = setting(
        IN_MEMORY, "Where workers on Kafka have their tables: in memory, read from Kafka at each "
        f"start, or in `{ON_DISK}` in DATA/run/tables, which a start only brings up to date. The "
        "embedded log keeps the rows itself, in `log.db` and nowhere else.",
        parse=one_of(IN_MEMORY, ON_DISK),
    )  # fmt: skip

    @property
    def kafka(self) -> KafkaConnection | None:
        """How to reach Kafka, or None when the log is a file."""
        if not self.broker.startswith(SCHEME):
            return None
        return KafkaConnection(
            servers=servers_of(self.broker),
            tls=self.kafka_tls,
            ca_file=self.kafka_ca_file or None,
            certificate_file=self.kafka_certificate_file or None,
            key_file=self.kafka_key_file or None,
            username=self.kafka_username or None,
            password=self.kafka_password,
            mechanism=self.kafka_mechanism,
        )

    def kafka_contradictions(
        self, given: Collection[str], unread: Collection[str]
    ) -> Iterator[str]:
        """What does not go together, in sentences; of what is unread, somebody told already."""
        if self.kafka is None:
            if "broker" not in unread:
                yield from _without_kafka(given, self.table_store)
            return
        files = {"kafka_certificate_file", "kafka_key_file"}
        if not files.intersection(unread) and bool(self.kafka_certificate_file) != bool(
            self.kafka_key_file
        ):
            yield "KESHIKOMI_KAFKA_CERTIFICATE_FILE: goes with KESHIKOMI_KAFKA_KEY_FILE"
        if self.kafka_certificate_file and not self.kafka_tls:
            yield "KESHIKOMI_KAFKA_CERTIFICATE_FILE: needs KESHIKOMI_KAFKA_TLS=true"
        if self.kafka_ca_file and not self.kafka_tls:
            yield "KESHIKOMI_KAFKA_CA_FILE: needs KESHIKOMI_KAFKA_TLS=true"
        if bool(self.kafka_username) != bool(self.kafka_password):
            yield "KESHIKOMI_KAFKA_USERNAME: goes with KESHIKOMI_KAFKA_PASSWORD"


def _without_kafka(given: Collection[str], table_store: str) -> Iterator[str]:
    for item in fields(KafkaSettings):
        if item.name.startswith("kafka_") and item.name in given:
            yield (
                f"KESHIKOMI_{item.name.upper()}: is for a log on Kafka; set "
                "KESHIKOMI_BROKER=kafka://HOST:PORT too, or leave it out"
            )
    if table_store != IN_MEMORY:
        yield (
            f"KESHIKOMI_TABLE_STORE: {table_store} is for workers on Kafka; the embedded "
            "log keeps the tables itself, in log.db"
        )
