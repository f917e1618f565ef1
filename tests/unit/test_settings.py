"""Settings are read once, and all their faults are told together."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from ops.keys import make_once, with_keys, with_known_keys
from ops.settings import INTERNAL, BadSettings, Settings, describe, read, table

KEY = base64.b64encode(bytes(range(32))).decode()
OLDER_KEY = base64.b64encode(bytes(32)).decode()


def faults_of(environment: dict[str, str], **flags: str) -> tuple[str, ...]:
    with pytest.raises(BadSettings) as caught:
        read(environment, flags)
    return caught.value.faults


def test_without_anything_set_everything_lies_in_the_data_directory(tmp_path: Path) -> None:
    settings = read({"KESHIKOMI_DATA": str(tmp_path)}, {})

    assert settings.port == 8080
    assert settings.host == "127.0.0.1"
    assert settings.broker == f"sqlitelog://{tmp_path}/log.db"
    assert settings.log_path == tmp_path / "log.db"
    assert settings.history_path == tmp_path / "history.db"
    assert settings.allow_private_endpoints is False
    assert settings == Settings(data=tmp_path)


def test_paths_are_absolute_wherever_a_part_runs() -> None:
    settings = read({"KESHIKOMI_BROKER": "sqlitelog://here/log.db"}, {"data": "there"})

    assert settings.log_path == Path("here/log.db").absolute()
    assert settings.history_path == Path("there/history.db").absolute()


def test_a_flag_goes_before_the_environment() -> None:
    settings = read({"KESHIKOMI_PORT": "9000"}, {"port": "9001", "host": None})

    assert settings.port == 9001
    assert settings.flags()["KESHIKOMI_PORT"] == "9001"


def test_an_empty_variable_is_unset() -> None:
    assert read({"KESHIKOMI_PORT": ""}, {}).port == 8080


def test_all_faults_are_told_at_once() -> None:
    faults = faults_of(
        {
            "KESHIKOMI_PORTT": "8080",
            "KESHIKOMI_PARTITIONS": "many",
            "KESHIKOMI_ALLOW_PRIVATE_ENDPOINTS": "yes",
            "KESHIKOMI_LOG_LEVEL": "loud",
            "KESHIKOMI_SHUTDOWN_SECONDS": "nan",
            "KESHIKOMI_WEBHOOK_TIMEOUT_SECONDS": "1",
        },
        port="65536",
    )

    assert faults == (
        "KESHIKOMI_PORTT: there is no such setting; did you mean KESHIKOMI_PORT?",
        "--port: '65536' must be from 1 to 65535",
        "KESHIKOMI_ALLOW_PRIVATE_ENDPOINTS: 'yes' must be true or false",
        "KESHIKOMI_PARTITIONS: 'many' must be a whole number from 1 to 64",
        "KESHIKOMI_LOG_LEVEL: 'loud' must be debug or info or warning or error",
        "KESHIKOMI_SHUTDOWN_SECONDS: 'nan' must be a number from 0.1 to 600",
        (
            "KESHIKOMI_WEBHOOK_CONNECT_TIMEOUT_SECONDS: must not be more than "
            "KESHIKOMI_WEBHOOK_TIMEOUT_SECONDS"
        ),
    )


@pytest.mark.parametrize("given", ["1_000", " 8080", "٨٠٨٠", "8080.0", "-1", "0", "1e3", "9" * 99])
def test_a_port_is_a_plain_number(given: str) -> None:
    assert len(faults_of({"KESHIKOMI_PORT": given})) == 1


@pytest.mark.parametrize(
    "value", ["sqlite:///x/log.db", "sqlitelog://", "sqlitelog:///", "log.db", "sqlitelog:///a?b"]
)
def test_a_log_is_named_by_its_scheme_and_a_path(value: str) -> None:
    assert len(faults_of({"KESHIKOMI_BROKER": value})) == 1


def test_a_data_directory_that_a_url_cannot_hold_is_refused(tmp_path: Path) -> None:
    assert "must not contain" in faults_of({}, data=str(tmp_path / "50%"))[0]


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert "is not a directory" in faults_of({}, data=str(tmp_path / "file"))[0]


def test_what_comes_later_is_told_apart_from_a_typo() -> None:
    (fault,) = faults_of({"KESHIKOMI_OTLP_ENDPOINT": "http://localhost:4317"})

    assert fault.endswith("OpenTelemetry export is not built into this version")


def test_a_stranger_without_a_likeness_gets_no_hint() -> None:
    assert faults_of({"KESHIKOMI_X": "1"}) == ("KESHIKOMI_X: there is no such setting",)


def test_log_and_history_do_not_share_a_file() -> None:
    faults = faults_of({"KESHIKOMI_BROKER": "sqlitelog:///x", "KESHIKOMI_HISTORY": "sqlite:///x"})

    assert faults == ("KESHIKOMI_HISTORY: must not be the file of the log",)


def test_the_cache_has_a_file_of_its_own_or_none(tmp_path: Path) -> None:
    environment = {"KESHIKOMI_HISTORY": "sqlite:///x", "KESHIKOMI_CACHE": "sqlite:///x"}

    assert faults_of(environment) == (
        "KESHIKOMI_CACHE: must not be the file of the log or of history",
    )
    assert len(faults_of({"KESHIKOMI_CACHE": "memory://x"})) == 1
    assert read({}, {"data": str(tmp_path)}).cache_path == tmp_path / "cache.db"
    assert read({"KESHIKOMI_CACHE": "sqlite:///x"}, {}).cache_path == Path("/x")
    assert read({"KESHIKOMI_CACHE": "memory://"}, {}).cache_path is None


def test_variables_of_the_supervisor_are_no_strangers() -> None:
    assert read(dict.fromkeys(INTERNAL, "1"), {}).port == 8080


def test_several_master_keys_are_kept_in_their_order() -> None:
    settings = read({"KESHIKOMI_MASTER_KEY": f"{KEY}, {OLDER_KEY}"}, {})

    assert settings.master_keys == (bytes(range(32)), bytes(32))


@pytest.mark.parametrize("value", ["short", KEY[:-4], f"{KEY},", f"{KEY},{KEY}", "é" * 44])
def test_a_bad_master_key_is_refused_without_being_shown(value: str) -> None:
    (fault,) = faults_of({"KESHIKOMI_MASTER_KEY": value})

    assert value not in fault


def test_secrets_are_not_in_the_repr() -> None:
    settings = read({"KESHIKOMI_MASTER_KEY": KEY, "KESHIKOMI_ADMIN_KEY": "a-long-admin-key"}, {})

    assert "a-long-admin-key" not in repr(settings)
    assert "master" not in repr(settings)


def test_a_short_admin_key_is_refused_without_being_shown() -> None:
    (fault,) = faults_of({"KESHIKOMI_ADMIN_KEY": "hunter2"})

    assert fault == "KESHIKOMI_ADMIN_KEY: must have 16 to 512 characters"


def test_keys_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    first = with_keys(Settings(data=tmp_path / "data"))
    again = with_keys(Settings(data=tmp_path / "data"))

    assert first.admin_key.startswith("kadm_")
    assert len(first.master_keys[0]) == 32
    assert again == first
    for path in (first.admin_key_path, first.master_key_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(path.name for path in first.data.iterdir()) == ["admin.key", "master.key"]


def test_keys_of_the_environment_leave_no_file(tmp_path: Path) -> None:
    given = Settings(data=tmp_path, admin_key="from-the-environment", master_keys=(bytes(32),))

    assert with_keys(given) == given
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_another_process_made_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "admin.key"

    def make() -> str:
        path.write_text("made by the other one\n")
        return "ours"

    make_once(path, make)

    assert path.read_text() == "made by the other one\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_master_key_is_not_made_anew_beside_a_log(tmp_path: Path) -> None:
    (tmp_path / "log.db").touch()

    with pytest.raises(BadSettings, match="is missing"):
        with_keys(Settings(data=tmp_path))


def test_key_files_that_others_can_read_or_that_hold_no_key_are_faults(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    settings.admin_key_path.write_text("an-admin-key-of-good-length")
    settings.admin_key_path.chmod(0o644)
    settings.master_key_path.write_text("nonsense")
    settings.master_key_path.chmod(0o600)

    with pytest.raises(BadSettings) as caught:
        with_known_keys(settings)

    assert "open to others (mode 0644)" in caught.value.faults[0]
    assert "key 1 must be base64 of 32 bytes" in caught.value.faults[1]


def test_every_setting_says_what_it_is_for() -> None:
    for name, _, _, about in describe():
        assert name.startswith("KESHIKOMI_")
        assert about.endswith(".")


def test_the_operators_page_lists_the_settings_as_they_are() -> None:
    page = Path(__file__).parents[2] / "docs" / "operate.md"

    assert table() in page.read_text("utf-8"), "put the output of ops.settings.table() there"
