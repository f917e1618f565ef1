"""A Redis is named by a plain URL, and its password is shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops import check
from ops.settings import BadSettings, Settings, read


@pytest.mark.parametrize(
    "given",
    [
        "rediss://127.0.0.1",
        "rediss://cache.internal:6380/15",
        "rediss://user:p%40ss%2Fword@[::1]:6380/",
        "rediss://:hunter2@host",
    ],
)
def test_a_redis_is_named_by_its_url(given: str) -> None:
    settings = read({"KESHIKOMI_CACHE": given, "KESHIKOMI_CACHE_PASSWORD": "s3same"}, {})

    assert (settings.cache, settings.cache_password) == (given, "s3same")
    assert settings.cache_path is None
    assert "hunter2" not in repr(settings)
    assert "s3same" not in repr(settings)


def faults_of(**environment: str) -> tuple[str, ...]:
    with pytest.raises(BadSettings) as caught:
        read({f"KESHIKOMI_{name}": value for name, value in environment.items()}, {})
    return caught.value.faults


def test_a_password_goes_to_redis_over_tls_alone() -> None:
    told = ("KESHIKOMI_CACHE: a password needs rediss://; redis:// sends it in the clear",)

    assert faults_of(CACHE="redis://host", CACHE_PASSWORD="s3same") == told
    assert faults_of(CACHE="redis://:hunter2@host") == told
    assert read({"KESHIKOMI_CACHE": "redis://host:6379/1"}, {}).cache_password == ""


def test_a_password_is_of_no_use_without_a_redis() -> None:
    told = "KESHIKOMI_CACHE_PASSWORD: is for a cache on Redis; set KESHIKOMI_CACHE=rediss://"

    for cache in ("", "memory://", "sqlite:///x"):
        (fault,) = faults_of(CACHE=cache, CACHE_PASSWORD="s3same")
        assert fault.startswith(told)
    # Whether there is to be a Redis is not known as long as the URL cannot be read.
    (fault,) = faults_of(CACHE="redis//host", CACHE_PASSWORD="s3same")
    assert fault.startswith("KESHIKOMI_CACHE: ")


@pytest.mark.parametrize("password", ["a/b", "1/b", "a?b", "1?b", "a#b", "1#b", "a%b", "a[b"])
def test_a_password_that_ends_the_host_is_told_how_it_is_written(password: str) -> None:
    for user in ("", "user"):
        (fault,) = faults_of(CACHE=f"rediss://{user}:{password}@host:6379/0")
        assert "write / as %2F, ? as %3F" in fault
        assert fault.endswith("or set it as it is in KESHIKOMI_CACHE_PASSWORD")
        assert password not in fault


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
