"""A master key is made once, and never where another one must have been."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.keys import with_keys
from ops.settings import BadSettings, Settings, read

BROKERS = ["kafka://broker-1.example:9092", "sqlitelog://{data}/log.db"]


def settings_of(data: Path, broker: str, **more: str) -> Settings:
    given = {
        "KESHIKOMI_DATA": str(data),
        "KESHIKOMI_BROKER": broker.format(data=data),
        "KESHIKOMI_HISTORY": "sqlite://DATA/history.db",
    }
    return read({**given, **more}, {})


def use(settings: Settings) -> None:
    """As it is after a first start."""
    with_keys(settings)
    if settings.kafka is None:
        settings.log_path.touch()
    else:
        (settings.data / "run" / "tables").mkdir(parents=True)


@pytest.mark.parametrize("broker", BROKERS)
def test_a_first_start_makes_the_keys_and_the_next_has_the_same(
    tmp_path: Path, broker: str
) -> None:
    settings = settings_of(tmp_path, broker)
    first = with_keys(settings)
    use(settings)

    assert first.master_keys
    assert with_keys(settings) == first


@pytest.mark.parametrize("broker", BROKERS)
def test_a_master_key_that_is_gone_is_missed(tmp_path: Path, broker: str) -> None:
    settings = settings_of(tmp_path, broker)
    use(settings)
    settings.master_key_path.unlink()

    with pytest.raises(BadSettings, match=r"master\.key: is missing, and secrets in .* sealed"):
        with_keys(settings)

    assert not settings.master_key_path.exists()


@pytest.mark.parametrize("broker", BROKERS)
def test_a_master_key_of_the_environment_needs_no_file(tmp_path: Path, broker: str) -> None:
    settings = settings_of(tmp_path, broker)
    use(settings)
    key = settings.master_key_path.read_text().strip()
    settings.master_key_path.unlink()

    found = with_keys(settings_of(tmp_path, broker, KESHIKOMI_MASTER_KEY=key))

    assert found.master_keys
    assert not settings.master_key_path.exists()
