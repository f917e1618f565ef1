"""Every topic of the log: its key, who reads it, and how long its records stay."""

from __future__ import annotations

from dataclasses import dataclass

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic; `stage` is the only reader group that takes work from it, if any."""

    name: str
    key: str
    stage: str | None
    compacted: bool = False
    retention_seconds: int | None = 7 * DAY_SECONDS
    single_partition: bool = False


REFERENCES = Topic(name="references", key="account id and reference", stage="resolving")
INVOICES = Topic(name="invoices", key="invoice id", stage="settling")
NOTIFICATIONS = Topic(name="notifications", key="merchant id", stage="notifying")
HISTORY = Topic(name="history", key="merchant id", stage="archiving")
QUARANTINE = Topic(name="quarantine", key="notice id", stage="archiving")
DIRECTORY = Topic(
    name="directory",
    key="id of the merchant, key, account or endpoint",
    stage=None,  # every API process reads all of it
    compacted=True,
    retention_seconds=None,
    single_partition=True,
)
TOPICS = (REFERENCES, INVOICES, NOTIFICATIONS, HISTORY, QUARANTINE, DIRECTORY)

TABLES = {
    "reference-rows": REFERENCES,
    "invoice-rows": INVOICES,
    "endpoint-rows": NOTIFICATIONS,
    "delivery-rows": NOTIFICATIONS,
}
"""Each table and the topic whose records write it: both have the same keys and partitions."""
CHANGELOGS = tuple(f"{table}-changelog" for table in TABLES)

STAGES = ("resolving", "settling", "notifying", "archiving")


def group_of_topic() -> dict[str, str]:
    """The reader group of each topic, the same whether stages share a process or not."""
    return {topic.name: f"keshikomi-{topic.stage}" for topic in TOPICS if topic.stage}


def reference_key(account_id: str, reference: str) -> bytes:
    """The key of a payment reference, which is unique within its account only."""
    return f"{account_id}:{reference}".encode()
