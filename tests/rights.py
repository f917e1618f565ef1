"""The rights that docs/operate.md says are enough, given to users of each engine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]  # it ships no types
from aiokafka.protocol.admin import CreateAclsRequest  # type: ignore[import-untyped]  # as above

PAGE = Path(__file__).parents[1] / "docs" / "operate.md"
ROW = re.compile(r"^\| (Kafka, topics|Kafka, groups|Cassandra) \|(.*)\|(.*)\|(.*)\|$", re.MULTILINE)
REDIS = re.compile(r"^ +redis-cli (ACL SETUSER keshikomi (?:.*\\\n)*.*)$", re.MULTILINE)
TOPICS, GROUPS, CASSANDRA = "Kafka, topics", "Kafka, groups", "Cassandra"

RESOURCES = {TOPICS: 2, GROUPS: 3}
OPERATIONS = {
    "Read": 3,
    "Write": 4,
    "Create": 5,
    "Describe": 8,
    "DescribeConfigs": 10,
    "AlterConfigs": 11,
}
LITERAL, ALLOW, ANY_HOST = 3, 3, "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """A row of the table: what two users may do with each of some things."""

    where: str
    what: Sequence[str]
    setup: Sequence[str]
    running: Sequence[str]


def documented() -> list[Right]:
    """The table of the docs."""
    return [
        Right(
            where=where,
            what=_quoted(what),
            setup=_quoted(setup),
            running=_quoted(running),
        )
        for where, what, setup, running in ROW.findall(PAGE.read_text("utf-8"))
    ]


def _quoted(cell: str) -> Sequence[str]:
    return re.findall(r"`([^`]+)`", cell)


def named(where: str) -> set[str]:
    """Everything of a kind that the table names."""
    return {name for right in documented() if right.where == where for name in right.what}


async def allow(admin: AIOKafkaAdminClient, *, setup: str, running: str) -> None:
    """Give two users of a Kafka what the table says, and nothing else."""
    rows = [
        (RESOURCES[right.where], name, LITERAL, f"User:{user}", ANY_HOST, OPERATIONS[each], ALLOW)
        for right in documented()
        if right.where in RESOURCES
        for name in right.what
        for user, operations in ((setup, right.setup), (running, right.running))
        for each in operations
    ]
    for row in rows:
        answer = await admin._send_request(CreateAclsRequest(*row))  # noqa: SLF001  # it has no other way
        assert answer.creation_responses[0][0] == 0, answer


def grants(keyspace: str, *, setup: str, running: str) -> Iterator[tuple[str, str]]:
    """The same for Cassandra: the statements of each user, in the name of the keyspace."""
    for right in documented():
        if right.where == CASSANDRA:
            for name in right.what:
                on = name.replace("KEYSPACE keshikomi", f"KEYSPACE {keyspace}")
                for user, each in ((setup, right.setup), (running, right.running)):
                    for permission in each:
                        yield user, f"GRANT {permission} ON {on} TO {user}"


def acl_words(password: str) -> Sequence[str]:
    """The same for Redis: the words of the command that makes the user."""
    (line,) = REDIS.findall(PAGE.read_text("utf-8"))
    words = shlex.split(line.replace("\\\n", ""))
    words[words.index(">...")] = f">{password}"
    return words
