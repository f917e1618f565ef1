"""What became of each request goes from the processes that made it to the run, by files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.results import Result, ResultsFile, begin_ns, begun_ns, claim, read_results

A_RESULT = Result(
    what="notice",
    number=0,
    intended_ns=1,
    sent_ns=2,
    answered_ns=3,
    status=202,
    is_good=True,
)


def test_results_are_read_as_they_were_written_but_for_a_line_that_was_cut_off(
    tmp_path: Path,
) -> None:
    file = ResultsFile(tmp_path, "Gmo-0")
    file.add(A_RESULT)
    file.add(replace(A_RESULT, what="read", ids=("evt_1",)))
    file.done()
    file.close()
    (tmp_path / "Sbps-0.results").write_text('{"what":"not')

    assert list(read_results(tmp_path)) == [
        A_RESULT,
        replace(A_RESULT, what="read", ids=("evt_1",)),
    ]


def test_each_number_is_claimed_once(tmp_path: Path) -> None:
    assert [claim(tmp_path, "Gmo", 2), claim(tmp_path, "Gmo", 2)] == [0, 1]
    with pytest.raises(RuntimeError, match="more than 2"):
        claim(tmp_path, "Gmo", 2)


def test_all_begin_when_the_first_one_said(tmp_path: Path) -> None:
    assert begun_ns(tmp_path) is None
    assert [begin_ns(tmp_path, 7), begin_ns(tmp_path, 9), begun_ns(tmp_path)] == [7, 7, 7]
