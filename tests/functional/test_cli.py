"""The command line does what its help says, with the exit status that scripts rely on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from connectors.history.opening import open_history
from connectors.log.sqlitelog import SqliteLog
from ops import arguments, check, cli, up
from ops.children import ChildSpec
from ops.cli import COMMANDS, main
from ops.keys import with_keys
from ops.settings import Settings
from ops.stack.server import free_port
from streams.domain.errors import Unavailable
from streams.topics import STAGES, TOPICS
from tests.installations import own_data

NOW = datetime(2026, 11, 24, 1, 15, 3, tzinfo=UTC)
RAW = b'{"type":"nothing"}\x1b[2J'

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data directory and a free port, and no settings of whoever runs the tests."""
    own = own_data(tmp_path, monkeypatch)
    monkeypatch.setenv("KESHIKOMI_PORT", str(free_port()))
    monkeypatch.chdir(tmp_path)
    yield own
    assert sorted(path.name for path in tmp_path.iterdir()) in ([], ["data"])


async def make_history(data: Path) -> None:
    await open_history(Settings(data=data).history).close()


def test_the_topics_are_made_as_often_as_one_likes(data: Path, capsys: Output) -> None:
    assert main(["setup"]) == 0
    assert main(["setup"]) == 0

    log = SqliteLog(data / "log.db", on_failure=None)
    names = [topic.name for topic in log.catalog.all()]
    log.close()
    assert names == [topic.name for topic in TOPICS]
    assert str(data / "log.db") in capsys.readouterr().out


def test_a_check_of_a_new_place_finds_no_fault_and_leaves_nothing(
    data: Path, capsys: Output
) -> None:
    assert main(["check", "--json"]) == 0

    findings = orjson.loads(capsys.readouterr().out)
    assert [finding["is_fault"] for finding in findings] == [False] * 10
    assert not data.exists()


async def test_a_check_of_a_place_in_use_finds_no_fault(data: Path, capsys: Output) -> None:
    await asyncio.to_thread(main, ["setup"])
    await make_history(data)

    assert await asyncio.to_thread(main, ["check"]) == 0
    assert "everything is in order" in capsys.readouterr().out


def test_a_check_names_all_faults_at_once(
    data: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["setup"])
    (data / "master.key").unlink()
    monkeypatch.setattr(check, "DISK_FREE_BYTES_MIN", 2**80)
    monkeypatch.setattr(check, "CLOCK_EARLIEST", datetime(2999, 1, 1, tzinfo=UTC))
    monkeypatch.setenv("KESHIKOMI_PARTITIONS", "7")

    assert main(["check"]) == 1

    out = capsys.readouterr().out
    for words in ("GiB must be", "master.key: is missing", "set it, and keep it", "4 partitions"):
        assert words in out
    assert "faults: 4" in out


def test_a_check_tells_bad_settings_as_faults(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KESHIKOMI_PORT", "x")
    monkeypatch.setenv("KESHIKOMI_CACHE", "redis://x?")

    assert main(["check"]) == 1
    assert "faults: 2" in capsys.readouterr().out


def test_bad_settings_hide_no_fault_of_an_engine_and_what_they_name_is_not_tried(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KESHIKOMI_PORT", "x")
    monkeypatch.setenv("KESHIKOMI_HISTORY", "somewhere://x")
    monkeypatch.setattr(check, "DISK_FREE_BYTES_MIN", 2**80)

    assert main(["check"]) == 1

    out = capsys.readouterr().out
    names = [line.partition(":")[0].split()[-1] for line in out.splitlines()]
    assert out.count("FAULT settings") == 2
    assert "FAULT disk" in out
    assert {"log", "cache"} <= set(names)
    assert {"port", "history"} & set(names) == set()


def test_a_damaged_log_is_a_fault(data: Path, capsys: Output) -> None:
    with_keys(Settings(data=data))
    (data / "log.db").write_bytes(b"this is no database" * 100)

    assert main(["check"]) == 1
    assert "FAULT topics" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["up"], ["setup"], ["audit"], ["quarantine", "list"]])
def test_bad_settings_are_wrong_use_and_all_named(
    command: list[str], capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KESHIKOMI_PORT", "x")
    monkeypatch.setenv("KESHIKOMI_PROT", "1")

    assert main(command) == 2

    assert capsys.readouterr().err.count("keshikomi: KESHIKOMI_P") == 2


@pytest.mark.parametrize("command", [["audit"], ["quarantine", "list"]])
def test_a_look_at_a_place_without_data_fails_and_makes_none(
    command: list[str], data: Path, capsys: Output
) -> None:
    assert main(command) == 1

    assert "start with `keshikomi up`" in capsys.readouterr().err
    assert not data.exists()


async def test_an_audit_that_holds_ends_with_zero(data: Path) -> None:
    await asyncio.to_thread(main, ["setup"])
    await make_history(data)

    assert await asyncio.to_thread(main, ["audit", "--json"]) == 0


@pytest.mark.parametrize(
    "words", [[], ["fly"], ["worker"], ["worker", "--stage", "flying"], ["demo", "--payments", "0"]]
)
def test_wrong_use_ends_with_two(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("given", "stages"),
    [
        ("all", STAGES),
        ("archiving", ("archiving",)),
        ("notifying,resolving,resolving", ("resolving", "notifying")),
    ],
)
def test_stages_are_named_by_list(given: str, stages: tuple[str, ...]) -> None:
    parsed = arguments.parser(COMMANDS).parse_args(["worker", "--stage", given])

    assert parsed.stage == stages


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself_with_an_example(name: str, capsys: Output) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*name.split(), "--help"])

    assert ended.value.code == 0
    assert f"example:\n  keshikomi {name}" in capsys.readouterr().out


STEADY = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
assert os.environ["KESHIKOMI_PORT"] == "9999"
assert os.environ["KESHIKOMI_PROCESS"] == "only"
assert os.environ["PROMETHEUS_MULTIPROC_DIR"].endswith("/run/metrics")
os.write(int(os.environ["KESHIKOMI_READY_FD"]), b"1")
while True:
    signal.pause()
"""


def test_up_prepares_the_place_and_runs_until_a_signal(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = (ChildSpec(name="only", command=(sys.executable, "-c", STEADY)),)
    monkeypatch.setattr(up, "parts", lambda _settings: specs)
    monkeypatch.setattr(up, "configure", lambda **_: None)
    stale = data / "run" / "metrics" / "counter_api.db"
    stale.parent.mkdir(parents=True)
    stale.touch()

    clean = up.run_up(
        Settings(data=data, port=9999), announce=lambda: os.kill(os.getpid(), signal.SIGTERM)
    )

    assert clean
    assert not stale.exists()
    made = {path.name for path in data.iterdir()}
    assert made >= {"admin.key", "master.key", "lock", "log.db"}


def test_up_says_where_it_is_and_where_its_key_is(
    data: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_up(settings: Settings, *, announce: Callable[[], None]) -> bool:
        announce()
        return False

    monkeypatch.setattr(cli, "run_up", run_up)

    assert main(["up", "--port", "9999"]) == 1
    assert capsys.readouterr().out == (
        "keshikomi is ready at http://127.0.0.1:9999 "
        f"(admin key: {data / 'admin.key'}). Ctrl-C ends it.\n"
    )


@pytest.mark.parametrize(
    "command", [["up"], ["setup"], ["api"], ["worker", "--stage", "resolving"]], ids=" ".join
)
def test_a_data_directory_that_cannot_be_made_is_named_with_the_reason(
    command: list[str], tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody, and not even root, makes a directory there.
    assert main([*command, "--data", "/proc/x/data"]) == 1

    assert capsys.readouterr().err == (
        "keshikomi: the directory /proc/x cannot be made for the data: No such file or directory; "
        "choose another place with --data or KESHIKOMI_DATA\n"
    )


def test_what_the_system_refuses_is_said_without_its_number(
    data: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "configure", lambda **_: None)
    (data / "lock").mkdir(parents=True)

    assert main(["up"]) == 1
    assert capsys.readouterr().err == f"keshikomi: {data / 'lock'}: Is a directory\n"


def test_an_engine_that_is_away_ends_with_one(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_up(settings: Settings, *, announce: Callable[[], None]) -> bool:
        raise Unavailable("the disk is gone")

    monkeypatch.setattr(cli, "run_up", run_up)

    assert main(["up"]) == 1
    assert capsys.readouterr().err == "keshikomi: the disk is gone\n"
