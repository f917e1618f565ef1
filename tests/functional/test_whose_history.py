"""A start refuses a history that is another installation's, or lacks what was stored."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from connectors.history.opening import open_history
from ops.cli import main
from ops.installation import begin
from streams.domain.errors import NotOurs
from streams.installations import Claim
from tests.installations import (
    append,
    archiver_starts,
    commit,
    committed,
    forget,
    installation_of,
    new_history,
    own_data,
    owner_of,
    records_of_history,
    started,
)

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory, and no settings of whoever runs the tests."""
    return own_data(tmp_path, monkeypatch)


def test_the_history_of_another_installation_is_refused(data: Path, capsys: Output) -> None:
    settings = started(data)
    other = started(data.with_name("other"))
    shutil.copy(other.history_path, settings.history_path)

    for command in ("check", "setup", "audit"):
        assert main([command]) == 1

    told = capsys.readouterr()
    ids = [owner_of(other), installation_of(settings).installation_id]
    assert told.err.count(f"belongs to the installation {ids[0]}, and the log at") == 1
    assert f"history belongs to {ids[0]}, the log to {ids[1]}" in told.out


def test_a_history_that_lacks_what_was_committed_is_a_broken_law(
    data: Path, capsys: Output
) -> None:
    settings = started(data)
    append(settings, *records_of_history(3))
    partition = asyncio.run(commit(settings, 3, stored=1))

    assert main(["audit"]) == 1

    lacks = f"history lacks records 1 to 2 of partition {partition} of history"
    assert f"{lacks}, which the log still has" in capsys.readouterr().out


def test_a_check_bears_with_a_history_that_an_archiver_brings_up_to_date(
    data: Path, capsys: Output
) -> None:
    settings = started(data)
    append(settings, *records_of_history(3))
    asyncio.run(commit(settings, 3, stored=1))

    assert main(["check"]) == 0

    assert "history lacks records 1 to 2" in capsys.readouterr().out


def test_a_copy_of_an_earlier_version_is_taken_when_a_person_says_so(data: Path) -> None:
    settings = started(data)
    append(settings, *records_of_history(3))
    new_history(settings)
    asyncio.run(commit(settings, 3, stored=1))

    assert main(["setup"]) == 1
    assert main(["setup", "--take-history"]) == 0
    assert owner_of(settings) == installation_of(settings).installation_id
    asyncio.run(archiver_starts(settings))
    assert committed(settings, 0) == 1


def test_an_archiver_reads_again_what_history_lacks(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = started(data)
    append(settings, *records_of_history(3))
    partition = asyncio.run(commit(settings, 3, stored=1))

    asyncio.run(archiver_starts(settings))

    assert committed(settings, partition) == 1
    assert "it is read again" in caplog.text


def test_what_the_log_has_forgotten_is_gone_on_without_only_when_a_person_says_so(
    data: Path, capsys: Output
) -> None:
    settings = started(data)
    append(settings, *records_of_history(4))
    partition = asyncio.run(commit(settings, 4))
    forget(settings, partition, 3)

    with pytest.raises(NotOurs, match=r"lacks records 0 to 3 .* the log has none before 3"):
        asyncio.run(archiver_starts(settings))

    assert main(["setup", "--take-history"]) == 0
    assert "the history is taken: history lacks records 0 to 3" in capsys.readouterr().out
    asyncio.run(archiver_starts(settings))
    assert committed(settings, partition) == 3


def test_a_history_that_is_new_beside_a_log_in_use_is_begun_only_when_a_person_says_so(
    data: Path, capsys: Output
) -> None:
    settings = started(data)
    append(settings, *records_of_history(2))
    partition = asyncio.run(commit(settings, 2))
    new_history(settings)

    assert main(["setup"]) == 1
    told = capsys.readouterr().err
    assert told.count("`keshikomi setup --take-history` begins this one") == 1

    assert main(["setup", "--take-history"]) == 0
    assert owner_of(settings) == installation_of(settings).installation_id
    asyncio.run(archiver_starts(settings))
    assert committed(settings, partition) == 0, "the log has it all, so it is stored again"


def test_a_history_of_more_than_the_log_ever_had_is_refused(data: Path) -> None:
    settings = started(data)
    asyncio.run(commit(settings, 0, stored=2))

    assert main(["check"]) == main(["setup", "--take-history"]) == 1
    with pytest.raises(NotOurs, match=r"history has 2 records .* and the log only 0"):
        asyncio.run(archiver_starts(settings))
    assert main(["audit"]) == 1


async def test_the_claim_of_another_is_told(data: Path) -> None:
    settings = await asyncio.to_thread(started, data)
    await asyncio.to_thread(new_history, settings)
    history = open_history(settings.history)
    await history.installation(Claim(installation_id="ins_other"))
    await history.close()

    with pytest.raises(NotOurs, match="belongs to the installation ins_other"):
        await asyncio.to_thread(begin, settings, with_history=True)
