"""Figures in mapped files: a place for each, on a disk that has room and on one that has not."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from ops import figure_file
from ops.figure_file import FIRST_BYTES, FigureFile
from tests.full_disks import a_full_disk

MANY = 3_000
"""Figures for which the file must grow twice."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure_file, "TRY_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(FigureFile, "has_complained", False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counter_worker.db"


def kept(path: Path) -> dict[str, float]:
    """As prometheus_client reads the files of all processes."""
    rows = MmapedDict.read_all_values_from_file(str(path))  # type: ignore[no-untyped-call]  # it has no types
    return {key: value for key, value, *_ in rows}


def test_the_file_grows_with_its_figures_and_has_its_blocks(path: Path) -> None:
    figures = FigureFile(str(path))
    wanted = {f"figure {'é' * (number % 9)} {number}": float(number) for number in range(MANY)}
    for key, value in wanted.items():
        assert figures.read_value(key) == (0.0, 0.0)
        figures.write_value(key, value, 7.0)
        assert path.stat().st_blocks * 512 >= path.stat().st_size
    figures.close()

    assert path.stat().st_size == FIRST_BYTES * 4
    assert kept(path) == wanted
    again = FigureFile(str(path))
    assert all(again.read_value(key) == (value, 7.0) for key, value in wanted.items())
    again.write_value("another", 1.0, 0.0)
    again.close()
    assert kept(path) == wanted | {"another": 1.0}


def test_without_room_for_the_file_figures_wait(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    figures = FigureFile(str(path))
    with a_full_disk(FIRST_BYTES - 1), caplog.at_level(logging.WARNING):
        assert figures.read_value("a") == (0.0, 0.0)
        figures.write_value("a", 1.0, 0.0)
        FigureFile(str(path.with_name("other.db"))).write_value("a", 1.0, 0.0)
        assert not path.exists(), "whoever reads it would find no figures in it, and fail"
    (said,) = (record.message for record in caplog.records)
    new = path.with_suffix(".new")
    assert said == f"figures are missing from /metrics until there is room: {new}: File too large"

    figures.write_value("a", 2.0, 0.0)

    assert kept(path) == {"a": 2.0}
    figures.close()


def test_without_room_to_grow_the_figures_that_have_a_place_go_on(path: Path) -> None:
    figures = FigureFile(str(path))
    with a_full_disk(FIRST_BYTES):
        for number in range(MANY):
            figures.write_value(str(number), 1.0, 0.0)
        places = len(kept(path))
        assert 1_000 < places < MANY
        figures.write_value("0", 2.0, 0.0)
        assert kept(path)["0"] == 2.0

    for number in range(MANY):
        figures.write_value(str(number), 3.0, 0.0)

    assert kept(path) == {str(number): 3.0 for number in range(MANY)}
    figures.close()


def test_a_full_disk_is_not_asked_for_each_figure(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figure_file, "TRY_AGAIN_SECONDS", 3_600.0)
    figures = FigureFile(str(path))
    with a_full_disk(0):
        figures.write_value("a", 1.0, 0.0)
    figures.write_value("a", 1.0, 0.0)

    assert not path.exists()
    figures.close()
