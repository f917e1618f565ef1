"""A start refuses a log that was lost, and a master key that is not the installation's."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.log.sqlitelog import SqliteLog
from ops.cli import main
from ops.installation import begin
from ops.keys import with_keys
from ops.settings import Settings
from streams.domain.errors import NotOurs
from streams.topics import DIRECTORY
from tests.installations import (
    OTHER_KEY,
    another,
    append,
    in_use_without_record,
    installation_of,
    lose_log,
    own_data,
    owner_of,
    started,
)

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory, and no settings of whoever runs the tests."""
    return own_data(tmp_path, monkeypatch)


def test_a_first_start_makes_one_id_for_the_log_and_its_history(data: Path) -> None:
    settings = started(data)
    first = installation_of(settings)
    started(data)

    assert installation_of(settings) == first
    assert owner_of(settings) == first.installation_id


def test_an_installation_of_an_earlier_version_gets_its_id_at_the_next_start(data: Path) -> None:
    settings = in_use_without_record(data, seal=with_keys(Settings(data=data)).master_keys[0])

    begin(settings, with_history=True)

    assert owner_of(settings) == installation_of(settings).installation_id


def test_an_earlier_version_under_another_key_is_refused_too(data: Path) -> None:
    settings = in_use_without_record(data, seal=b"z" * 32)

    with pytest.raises(NotOurs, match="sealed under another master key"):
        begin(settings, with_history=True)

    assert owner_of(settings) == ""


def test_another_master_key_is_refused_and_check_names_it(
    data: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(data)
    monkeypatch.setenv("KESHIKOMI_MASTER_KEY", OTHER_KEY)

    for command in ("setup", "check"):
        assert main([command]) == 1

    told = capsys.readouterr()
    assert told.err.count("keshikomi: the secrets in sqlitelog://") == 1
    assert "set KESHIKOMI_MASTER_KEY to the key of the installation's other machines" in told.err
    assert "FAULT installation: the secrets in sqlitelog://" in told.out


def test_after_a_rotation_the_old_key_may_be_left_out(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = started(data).master_key_path.read_text().strip()
    monkeypatch.setenv("KESHIKOMI_MASTER_KEY", f"{OTHER_KEY},{old}")
    assert main(["setup"]) == 0

    monkeypatch.setenv("KESHIKOMI_MASTER_KEY", OTHER_KEY)
    assert main(["setup"]) == 0

    monkeypatch.setenv("KESHIKOMI_MASTER_KEY", old)
    assert main(["setup"]) == 1


def test_a_log_that_is_lost_is_not_begun_anew_beside_its_history(
    data: Path, capsys: Output
) -> None:
    settings = started(data)
    lose_log(settings)

    for command in ("check", "setup"):
        assert main([command]) == 1

    told = capsys.readouterr()
    assert told.err.count("has been in use, and the log at sqlitelog://") == 1
    assert "FAULT installation" in told.out
    assert not settings.log_path.exists(), "nothing was made"


def test_of_two_that_are_made_at_once_the_first_one_holds_and_stays_the_last(data: Path) -> None:
    settings = started(data)
    first = installation_of(settings).installation_id
    append(settings, another(settings, "ins_late"))
    begin(settings, with_history=True)

    log = SqliteLog(settings.log_path, on_failure=None)
    log.compact(DIRECTORY.name)
    log.close()

    assert installation_of(settings).installation_id == first
