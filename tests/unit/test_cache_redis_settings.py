"""A Redis is named by a plain URL, and its password is shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops import check
from ops.settings import BadSettings, Settings, read


@pytest.mark.parametrize(
    "given",
    [
        "redis://127.0.0.1",
        "redis://cache.internal:6380/15",
        "rediss://user:p%40ss%2Fword@[::1]:6380/",
        "redis://:hunter2@host",
    ],
)
def test_a_redis_is_named_by_its_url(given: str) -> None:
    settings = read({"KESHIKOMI_CACHE": given, "KESHIKOMI_CACHE_PASSWORD": "s3same"}, {})

    assert (settings.cache, settings.cache_password) == (given, "s3same")
    assert settings.cache_path is None
    assert "hunter2" not in repr(settings)
    assert "s3same" not in repr(settings)


@pytest.mark.parametrize(
    "given",
    [
        "redis://",
        "redis:///1",
        "redis://user:hunter2@",
        "redis://host:0",
        "redis://host:65536",
        "redis://host:port",
        "redis://user:hunter2/x@host",
        "redis://user:hunter2[@host",
        "redis://user:hunter2#@host",
        "redis://host/16",
        "redis://host/cache",
        "redis://host/1/2",
        "redis://host /1",
        "rediss://user:hunter2@host?ssl_cert_reqs=none",
        "redis:hunter2",
    ],
)
def test_another_url_is_refused_without_being_told(given: str) -> None:
    with pytest.raises(BadSettings) as caught:
        read({"KESHIKOMI_CACHE": given}, {})

    (fault,) = caught.value.faults
    assert fault.startswith("KESHIKOMI_CACHE: ")
    assert "hunter2" not in fault
    assert "hunter2" not in "".join(map(str, (caught.value.__cause__, caught.value.__context__)))


async def test_a_check_tells_that_redis_is_away_among_all_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "DISK_FREE_BYTES_MIN", 2**80)
    settings = Settings(data=tmp_path / "data", cache="redis://user:hunter2@127.0.0.1:1")

    findings = await check.check(settings)

    faults = {finding.name: finding.sentence for finding in findings if finding.is_fault}
    assert faults.keys() >= {"disk", "cache"}
    assert "redis: Error" in faults["cache"]
    assert "hunter2" not in faults["cache"]
