"""What does not go together among settings that are each well, in sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connectors.history.cassandra.address import address_of
from connectors.history.opening import CASSANDRA
from ops.setting_kafka import MUST_BE_NAMED
from ops.setting_values import REDIS_SCHEMES, is_plain

if TYPE_CHECKING:
    from ops.settings import Settings


def contradictions(
    settings: Settings, given: Collection[str], unread: Collection[str]
) -> Iterator[str]:
    """Each fault, of the settings that were `given`; of what is unread, somebody told already."""
    if settings.webhook_connect_timeout_seconds > settings.webhook_timeout_seconds:
        yield (
            "KESHIKOMI_WEBHOOK_CONNECT_TIMEOUT_SECONDS: must not be more than "
            "KESHIKOMI_WEBHOOK_TIMEOUT_SECONDS"
        )
    if settings.metrics_port == settings.port:
        yield "KESHIKOMI_METRICS_PORT: must not be the port of the API"
    yield from settings.kafka_contradictions(given, unread)
    is_redis = "cache" in unread or settings.cache.startswith(REDIS_SCHEMES)
    if settings.cache_password and not is_redis:
        yield (
            "KESHIKOMI_CACHE_PASSWORD: is for a cache on Redis; set "
            "KESHIKOMI_CACHE=rediss://HOST:PORT too, or leave it out"
        )
    yield from _of_files(settings)


def unnamed(settings: Settings, given: Collection[str]) -> Iterator[tuple[str, str]]:
    """The settings whose default nobody can mean, where they were not `given`, and the faults."""
    if settings.kafka is not None and "history" not in given:
        yield "history", f"KESHIKOMI_HISTORY: {MUST_BE_NAMED}"


def in_the_clear(settings: Settings) -> Iterator[tuple[str, str]]:
    """The settings by which a password would be sent so that others can read it, and the faults."""
    # The other mechanisms never send the password itself.
    is_plain_sasl = settings.kafka_password and settings.kafka_mechanism == "PLAIN"
    if settings.kafka and is_plain_sasl and not settings.kafka_tls:
        yield "broker", "KESHIKOMI_KAFKA_MECHANISM: PLAIN needs KESHIKOMI_KAFKA_TLS=true"
    if settings.cache.startswith(REDIS_SCHEMES):
        parts = urlsplit(settings.cache)
        if parts.scheme == "redis" and (settings.cache_password or parts.password):
            fault = "a password needs rediss://; redis:// sends it in the clear"
            yield "cache", f"KESHIKOMI_CACHE: {fault}"
    if settings.history.startswith(CASSANDRA):
        address = address_of(settings.history)
        if address.password and not address.tls:
            fault = "a password needs ?tls=true; without, it goes in the clear"
            yield "history", f"KESHIKOMI_HISTORY: {fault}"


def _of_files(settings: Settings) -> Iterator[str]:
    files = (
        None if settings.kafka else settings.log_path,
        None if settings.history.startswith(CASSANDRA) else settings.history_path,
        settings.cache_path,
    )
    for path in files:
        if path and not is_plain(str(path)):
            yield f"KESHIKOMI_DATA: the path {str(path)!r} must not contain ?, # or %"
    if settings.log_path == settings.history_path:
        yield "KESHIKOMI_HISTORY: must not be the file of the log"
    if settings.cache_path in {settings.log_path, settings.history_path}:
        yield "KESHIKOMI_CACHE: must not be the file of the log or of history"
