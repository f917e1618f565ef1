"""How the text of a setting becomes a value; a `ValueError` says what is wrong, not the text."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from connectors.history.cassandra.address import address_of
from connectors.history.opening import CASSANDRA
from connectors.kafka.connection import SCHEME as KAFKA
from connectors.kafka.connection import servers_of
from connectors.urls import QUOTING, has_lone_percent, is_cut_short

Parse = Callable[[str], object]

MASTER_KEY_BYTES = 32
MASTER_KEYS_MAX = 8
ADMIN_KEY_CHARACTERS_MIN = 16
REDIS_DATABASE_MAX = 15
PATH_CHARACTERS_MAX = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A store in a file that a URL names; `otherwise` is what the setting may be beside it."""

    scheme: str
    otherwise: str


LOG = Engine(scheme="sqlitelog://", otherwise="kafka://HOST:PORT")
HISTORY = Engine(scheme="sqlite://", otherwise="cassandra://HOST:PORT/KEYSPACE")
CACHE = Engine(scheme="sqlite://", otherwise="redis://HOST:PORT")
IN_MEMORY = "memory://"
REDIS_SCHEMES = ("redis://", "rediss://")


def folder(given: str) -> Path:
    """A directory, which need not exist yet."""
    if "\0" in given or not given.strip():
        raise ValueError("must be a path")
    path = Path(given)
    if path.exists() and not path.is_dir():
        raise ValueError("is not a directory")
    return path


def file_to_read(given: str) -> str:
    """The path of a file that is there and that this user may read."""
    text(1, PATH_CHARACTERS_MAX)(given)
    try:
        with Path(given).open("rb"):
            return given
    except OSError as error:
        told = f"cannot be read: {error.strerror}; name a file in PEM that this user may read"
        raise ValueError(told) from None


def text(characters_min: int, characters_max: int) -> Parse:
    """Printable text without spaces around or inside."""

    def parse(given: str) -> str:
        if not characters_min <= len(given) <= characters_max:
            raise ValueError(f"must have {characters_min} to {characters_max} characters")
        if not given.isascii() or not given.isprintable() or " " in given:
            raise ValueError("must be printable ASCII without spaces")
        return given

    return parse


def whole(least: int, most: int) -> Parse:
    """A whole number within bounds."""

    def parse(given: str) -> int:
        # int() would take "1_000", " 5 " and digits of other scripts.
        digits = given.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(most))):
            raise ValueError(f"must be a whole number from {least} to {most}")
        if not least <= int(given) <= most:
            raise ValueError(f"must be from {least} to {most}")
        return int(given)

    return parse


def number(least: float, most: float) -> Parse:
    """A number within bounds."""

    def parse(given: str) -> float:
        try:
            value = float(given)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise ValueError(f"must be a number from {least:g} to {most:g}")
        return value

    return parse


def yes_or_no(given: str) -> bool:
    """True or false, and nothing that only looks like it."""
    known = {"true": True, "1": True, "false": False, "0": False}
    if given.lower() not in known:
        raise ValueError("must be true or false")
    return known[given.lower()]


def one_of(*choices: str) -> Parse:
    """One of a few words."""

    def parse(given: str) -> str:
        if given not in choices:
            raise ValueError(f"must be {' or '.join(choices)}")
        return given

    return parse


def is_plain(path: str) -> bool:
    """Whether a path stays itself in a URL, where some characters would end or change it."""
    return not any(character in path for character in "?#%\0")


def engine(kind: Engine) -> Parse:
    """The URL of an engine: its scheme and a path."""

    def parse(given: str) -> str:
        path = given.removeprefix(kind.scheme)
        if path == given or not path.strip("/") or path.endswith("/"):
            raise ValueError(f"must be {kind.scheme}PATH, the path of a file, or {kind.otherwise}")
        if not is_plain(path):
            raise ValueError("the path must not contain ?, # or %")
        return given

    return parse


def broker_url(given: str) -> str:
    """The URL of a log: on a file, or on Kafka."""
    if given.startswith(KAFKA):
        servers_of(given)
        return given
    return str(engine(LOG)(given))


def history_url(given: str) -> str:
    """The URL of a history: on a file, or on Cassandra."""
    if given.startswith(CASSANDRA):
        if (authority := address_of(given).ca) is not None:
            try:
                file_to_read(authority)
            except ValueError as error:
                raise ValueError(f"its ca, {authority}, {error}") from None
        return given
    return str(engine(HISTORY)(given))


def cache_url(given: str) -> str:
    """The URL of a cache: on a file, in the memory of a process, or on Redis."""
    if given.startswith(REDIS_SCHEMES):
        return redis_url(given)
    return given if given == IN_MEMORY else str(engine(CACHE)(given))


def redis_url(given: str) -> str:
    """The URL of a Redis; it has no options, so none can switch off what TLS verifies."""
    wanted = "must be redis://HOST:PORT, or rediss:// with TLS"
    quoted = f"{wanted}; {QUOTING}, or set it as it is in KESHIKOMI_CACHE_PASSWORD"
    if has_lone_percent(given) or is_cut_short(given):
        raise ValueError(quoted)
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:  # whose message may hold a part of a password
        raise ValueError(quoted if "@" in given else wanted) from None
    if not parts.hostname or port == 0:
        raise ValueError(wanted)
    if not (given.isascii() and given.isprintable()) or {" ", "?", "#"} & set(given):
        raise ValueError("must have no spaces, no ? and no #")
    database = parts.path.removeprefix("/")
    if database and not (database.isdigit() and int(database) <= REDIS_DATABASE_MAX):
        raise ValueError(f"what follows the port is a database, 0 to {REDIS_DATABASE_MAX}")
    return given


def master_keys(given: str) -> tuple[bytes, ...]:
    """One key or several, the current one first."""
    keys: list[bytes] = []
    for position, part in enumerate(given.split(","), start=1):
        try:
            key = base64.b64decode(part.strip(), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != MASTER_KEY_BYTES:
            raise ValueError(f"key {position} must be base64 of {MASTER_KEY_BYTES} bytes")
        keys.append(key)
    if len(set(keys)) != len(keys):
        raise ValueError("a key is given twice")
    if len(keys) > MASTER_KEYS_MAX:
        raise ValueError(f"must be at most {MASTER_KEYS_MAX} keys")
    return tuple(keys)
