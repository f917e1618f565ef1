"""The cache of a table's rows: bounded, and it knows when it holds all that there are."""

from __future__ import annotations

import pytest

from connectors.log.rowcache import ROW_OVERHEAD_BYTES, RowCache


def test_the_cache_forgets_who_was_not_asked_for() -> None:
    cache = RowCache(rows_max=2)
    cache.keep(b"a", b"1")
    cache.keep(b"b", b"2")
    assert cache.find(b"a") == (True, b"1")
    cache.keep(b"c", None)

    assert [cache.find(key) for key in (b"a", b"b", b"c")] == [
        (True, b"1"),
        (False, None),
        (True, None),
    ]


def test_the_cache_is_bounded_by_bytes_too() -> None:
    row = ROW_OVERHEAD_BYTES + 1 + 100
    cache = RowCache(bytes_max=3 * row)
    for key in (b"a", b"b", b"c", b"d", b"d"):
        cache.keep(key, b"x" * 100)
    assert (len(cache), cache.size_bytes) == (3, 3 * row)

    cache.keep(b"a", b"x" * 4 * row)
    assert (len(cache), cache.size_bytes) == (0, 0)


def test_what_is_forgotten_counts_no_more() -> None:
    cache = RowCache()
    cache.keep(b"a", b"1")
    cache.forget(b"a")
    cache.forget(b"a")
    assert (len(cache), cache.size_bytes) == (0, 0)
    cache.keep(b"a", b"1")
    cache.clear()
    assert (len(cache), cache.size_bytes) == (0, 0)


def test_a_cache_that_holds_every_row_knows_what_is_not_there() -> None:
    cache = RowCache(rows_max=2)
    cache.fill([(b"a", b"1")])
    cache.keep(b"gone", None)
    assert (cache.find(b"a"), cache.find(b"b"), len(cache)) == ((True, b"1"), (True, None), 1)

    cache.keep(b"b", b"2")
    assert cache.complete
    cache.keep(b"c", b"3")  # one of three rows had to go
    assert (cache.complete, cache.find(b"a")) == (False, (False, None))

    cache.fill([(b"a", b"1")])
    cache.clear()
    assert cache.find(b"a") == (False, None)


@pytest.mark.parametrize(
    ("limits", "kept"), [({"rows_max": 3}, 3), ({"bytes_max": 1_000}, 2), ({}, 4)]
)
def test_no_more_rows_are_read_than_fit(limits: dict[str, int], kept: int) -> None:
    rows = iter([(b"%d" % number, b"x" * (400 - ROW_OVERHEAD_BYTES)) for number in range(100)])
    cache = RowCache(**limits)
    cache.fill(rows, bytes_max=1_700)

    assert (len(cache), cache.complete) == (kept, False)
    assert len(list(rows)) == 100 - kept - 1
