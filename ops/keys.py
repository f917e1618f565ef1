"""The admin key and the master key: from the environment, else from a file that is made once."""

from __future__ import annotations

import base64
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ops.data_directory import make_data_directory
from ops.setting_values import ADMIN_KEY_CHARACTERS_MIN, MASTER_KEY_BYTES, master_keys, text
from ops.settings import BadSettings, Settings

KEY_FILE_MODE = 0o600
KEY_FILE_BYTES_MAX = 4_096
ADMIN_KEY_PREFIX = "kadm_"
ADMIN_KEY_RANDOM_BYTES = 32


def with_keys(settings: Settings) -> Settings:
    """The settings with both keys, made on the first start of this data directory."""
    must_not_lack_master_key(settings)
    make_data_directory(settings.data)
    make_once(settings.admin_key_path, _new_admin_key, wanted=not settings.admin_key)
    make_once(settings.master_key_path, _new_master_key, wanted=not settings.master_keys)
    return with_known_keys(settings)


def must_not_lack_master_key(settings: Settings) -> None:
    """Refuse to make a master key where secrets were sealed before: it could not open them.

    On Kafka a data directory that was in use says so; one of another machine cannot.
    """
    if settings.master_keys or settings.master_key_path.exists():
        return
    is_kafka = settings.kafka is not None
    used = settings.data / "run" if is_kafka else settings.log_path
    if used.exists():
        fault = (
            f"{settings.master_key_path}: is missing, and secrets in "
            f"{settings.broker if is_kafka else used} are sealed under it; restore it, or set "
            "KESHIKOMI_MASTER_KEY"
        )
        raise BadSettings((fault,))


def with_known_keys(settings: Settings) -> Settings:
    """The settings with the keys that exist already; makes nothing."""
    faults: list[str] = []
    admin_key, keys = settings.admin_key, settings.master_keys
    if not admin_key and settings.admin_key_path.exists():
        admin_key = str(
            _parsed(settings.admin_key_path, text(ADMIN_KEY_CHARACTERS_MIN, 512), faults)
        )
    if not keys and settings.master_key_path.exists():
        parsed = _parsed(settings.master_key_path, master_keys, faults)
        keys = parsed if isinstance(parsed, tuple) else ()
    if faults:
        raise BadSettings(tuple(faults))
    return replace(settings, admin_key=admin_key, master_keys=keys)


def _parsed(path: Path, parse: Callable[[str], object], faults: list[str]) -> object:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise ValueError(f"is open to others (mode {mode:04o}); chmod 600 it")
        return parse(path.read_text("utf-8")[:KEY_FILE_BYTES_MAX].strip())
    except (OSError, ValueError) as error:
        faults.append(f"{path}: {error}")
        return ""


def make_once(path: Path, make: Callable[[], str], *, wanted: bool = True) -> None:
    """Write a new key unless there is one; of several processes the first one wins."""
    if not wanted or path.exists():
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, KEY_FILE_MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(make() + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link appears whole or not at all, and never replaces another process's key.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Secrets sealed under a key whose file a power cut forgets could never be opened again."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _new_admin_key() -> str:
    return ADMIN_KEY_PREFIX + secrets.token_urlsafe(ADMIN_KEY_RANDOM_BYTES)


def _new_master_key() -> str:
    return base64.b64encode(secrets.token_bytes(MASTER_KEY_BYTES)).decode()
