"""Every setting of the product: read once, checked together, passed down as values."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path

from ops.setting_contradictions import contradictions, in_the_clear, unnamed
from ops.setting_fields import setting
from ops.setting_kafka import KafkaSettings
from ops.setting_values import (
    ADMIN_KEY_CHARACTERS_MIN,
    CACHE,
    HISTORY,
    IN_MEMORY,
    LOG,
    MASTER_KEY_BYTES,
    cache_url,
    folder,
    history_url,
    master_keys,
    number,
    one_of,
    text,
    whole,
    yes_or_no,
)
from streams.domain.errors import KeshikomiError

PREFIX = "KESHIKOMI_"
DATA_DEFAULT = Path("data")
READY_FD = "KESHIKOMI_READY_FD"
SUPERVISED_BY = "KESHIKOMI_SUPERVISED_BY"
PROCESS = "KESHIKOMI_PROCESS"
INTERNAL = frozenset({READY_FD, SUPERVISED_BY, PROCESS})
"""What a supervisor tells its children; no setting of a person."""

LATER = {"KESHIKOMI_OTLP_ENDPOINT": "OpenTelemetry export is not built into this version"}


class BadSettings(KeshikomiError):
    """Settings that cannot be used: `faults` names them all, `unread` of `others` is not tried."""

    code = "bad_settings"

    def __init__(
        self,
        faults: tuple[str, ...],
        *,
        others: Settings | None = None,
        unread: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__("\n".join(faults))
        self.faults, self.others, self.unread = faults, others, unread


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(KafkaSettings):
    """All settings; a default that begins in DATA follows the data directory."""

    data: Path = setting(  # noqa: RUF009  # it returns a dataclass field
        DATA_DEFAULT, "Where everything is kept: log, history, keys, locks.", parse=folder
    )
    host: str = setting(
        "127.0.0.1", "The address that the API listens on.", parse=text(1, 255), unit="address"
    )
    port: int = setting(
        8080, "The port that the API listens on.", parse=whole(1, 65_535), unit="TCP port"
    )
    worker_name: str = setting(
        "", "What tells this machine's workers from those of another; its host name unless set.",
        parse=text(1, 100), unit="text",
    )  # fmt: skip
    history: str = setting(
        f"{HISTORY.scheme}DATA/history.db", "The store that the API answers questions from; it has "
        "no default where the log is on Kafka.",
        unit="URL", parse=history_url, secret=True,  # it may hold a password
    )  # fmt: skip
    cache: str = setting(
        f"{CACHE.scheme}DATA/cache.db", "The first answers to calls with an `Idempotency-Key`; "
        f"with `{IN_MEMORY}` a restart of the API forgets them. Several APIs share them, and the "
        "limits of calls, on `redis://HOST:PORT` (`rediss://` with TLS, which is verified).",
        unit="URL", parse=cache_url, secret=True,
    )  # fmt: skip
    cache_password: str = setting(
        "", "The password of the cache on Redis, unless its URL has one.", parse=text(1, 512),
        unit="text", secret=True,
    )  # fmt: skip
    admin_key: str = setting(
        "", "The key of the admin calls; without it DATA/admin.key is made and used.",
        parse=text(ADMIN_KEY_CHARACTERS_MIN, 512), unit="text", secret=True,
    )  # fmt: skip
    master_keys: tuple[bytes, ...] = setting(
        (), "Keys that encrypt secrets at rest, the current one first, then those it replaces; "
        "without it DATA/master.key is made and used.",
        parse=master_keys, unit=f"base64 of {MASTER_KEY_BYTES} bytes, comma-separated",
        name="KESHIKOMI_MASTER_KEY", secret=True,
    )  # fmt: skip
    allow_private_endpoints: bool = setting(
        default=False,
        about="Webhooks may go to http and to private addresses (development only).",
        parse=yes_or_no,
    )
    partitions: int = setting(
        4, "Partitions of each topic; fixed once the topics exist.", parse=whole(1, 64),
        unit="partitions",
    )  # fmt: skip
    log_retention_days: float = setting(
        7.0, "How long records stay in the log. The embedded one keeps longer what a step has yet "
        "to read; Kafka forgets by time, read or not.", parse=number(0.001, 3_650), unit="days",
    )  # fmt: skip
    history_retention_days: int = setting(
        400, "How long finished payments stay in history.", parse=whole(1, 36_500), unit="days"
    )
    webhook_timeout_seconds: float = setting(
        15.0, "How long one attempt at a webhook may take as a whole.", parse=number(0.1, 60),
        unit="seconds",
    )  # fmt: skip
    webhook_connect_timeout_seconds: float = setting(
        5.0, "How long an attempt may take to connect, TLS included.", parse=number(0.1, 60),
        unit="seconds",
    )  # fmt: skip
    rate_limit_per_second: int = setting(
        500, "Calls that one API key may make, and twice as many at once.",
        parse=whole(1, 1_000_000), unit="calls per second",
    )  # fmt: skip
    log_level: str = setting(
        "info", "The least severity that is logged.",
        parse=one_of("debug", "info", "warning", "error"),
    )  # fmt: skip
    log_format: str = setting(
        "text", "Lines for people or for machines.", parse=one_of("text", "json")
    )
    metrics_port: int | None = setting(
        None, "A port on 127.0.0.1 where a `worker` of its own shows its metrics.",
        parse=whole(1, 65_535), unit="TCP port",
    )  # fmt: skip
    start_seconds: float = setting(
        30.0, "How long `up` waits for its parts to be ready before it says so.",
        parse=number(1, 3_600), unit="seconds",
    )  # fmt: skip
    shutdown_seconds: float = setting(
        10.0, "How long each part may take to end before it is killed.", parse=number(0.1, 600),
        unit="seconds",
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Make paths absolute: parts of the product may run in other directories."""
        object.__setattr__(self, "data", self.data.expanduser().absolute())
        for name, kind in (("broker", LOG), ("history", HISTORY), ("cache", CACHE)):
            given: str = getattr(self, name)
            if not given.startswith(kind.scheme):
                continue  # it is not on a file
            path = Path(given.removeprefix(kind.scheme))
            in_data = path.parts[:1] == ("DATA",)
            placed = self.data.joinpath(*path.parts[1:]) if in_data else path.expanduser()
            object.__setattr__(self, name, f"{kind.scheme}{placed.absolute()}")

    @property
    def log_path(self) -> Path:
        """The file of the embedded log."""
        return Path(self.broker.removeprefix(LOG.scheme))

    @property
    def history_path(self) -> Path:
        """The file of the embedded history."""
        return Path(self.history.removeprefix(HISTORY.scheme))

    @property
    def cache_path(self) -> Path | None:
        """The file of the embedded cache, unless it is in memory or on Redis."""
        path = self.cache.removeprefix(CACHE.scheme)
        return None if path == self.cache else Path(path)

    @property
    def admin_key_path(self) -> Path:
        """Where the admin key is kept unless the environment names one."""
        return self.data / "admin.key"

    @property
    def master_key_path(self) -> Path:
        """Where the master key is kept unless the environment names one."""
        return self.data / "master.key"

    @property
    def lock_path(self) -> Path:
        """What a second `up` on the same data is stopped by."""
        return self.data / "lock"

    @property
    def metrics_path(self) -> Path:
        """Where the parts of one `up` put their figures for the API to show."""
        return self.data / "run" / "metrics"

    def flags(self) -> dict[str, str]:
        """What the command line may have changed, for the environment of other parts."""
        return {f"{PREFIX}{name.upper()}": str(getattr(self, name)) for name in FLAGS}


FLAGS = ("data", "host", "port")


def name_of(item: Field[object]) -> str:
    """The variable of the environment that a setting is read from."""
    return item.metadata["name"] or f"{PREFIX}{item.name.upper()}"


def from_environment(flags: Mapping[str, str | None] | None = None) -> Settings:
    """The settings of this process; the flags of the command line go before its environment."""
    return read(os.environ, flags or {})


def read(environment: Mapping[str, str], flags: Mapping[str, str | None]) -> Settings:
    """Read every setting or raise `BadSettings` with all faults; an empty variable is unset."""
    faults = list(_strangers(environment))
    values: dict[str, object] = {}
    unread: set[str] = set()
    for item in fields(Settings):
        flag = flags.get(item.name)
        said = environment.get(name_of(item), "") if flag is None else flag
        if said == "" and flag is None:
            continue
        source = name_of(item) if flag is None else f"--{item.name}"
        try:
            values[item.name] = item.metadata["parse"](said)
        except ValueError as error:
            shown = "" if item.metadata["secret"] or "://" in said else f"{said!r} "
            faults.append(f"{source}: {shown}{error}")
            unread.add(item.name)
    settings = Settings(**values)  # type: ignore[arg-type]  # the parsers give the fields' types
    given = {*values, *unread}
    faults += contradictions(settings, given, unread)
    for name, fault in (*unnamed(settings, given), *in_the_clear(settings)):
        faults.append(fault)
        unread.add(name)  # nor is it tried, which would send the password
    if faults:
        raise BadSettings(tuple(faults), others=settings, unread=frozenset(unread))
    return settings


def _strangers(environment: Mapping[str, str]) -> Iterator[str]:
    known = {name_of(item) for item in fields(Settings)}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in known | INTERNAL:
            continue
        endings = [other.removeprefix(PREFIX) for other in known]
        close = difflib.get_close_matches(name.removeprefix(PREFIX), endings, n=1)
        hint = f"; did you mean {PREFIX}{close[0]}?" if close else ""
        yield f"{name}: {LATER.get(name) or f'there is no such setting{hint}'}"


def describe() -> list[tuple[str, str, str, str]]:
    """Each setting's variable, default, unit and sentence."""
    return [
        (name_of(item), _shown(item), item.metadata["unit"], item.metadata["about"])
        for item in fields(Settings)
    ]


def _shown(item: Field[object]) -> str:
    if isinstance(item.default, bool):
        return str(item.default).lower()
    if isinstance(item.default, float):
        return f"{item.default:g}"
    return "" if item.default in (None, ()) else str(item.default)


def table() -> str:
    """The settings as a Markdown table, as it stands in the operators' page."""
    rows = ["| Variable | Default | Unit | Meaning |", "|---|---|---|---|"]
    for name, default, unit, about in describe():
        rows.append(f"| `{name}` | {f'`{default}`' if default else ''} | {unit} | {about} |")
    return "\n".join(rows)
