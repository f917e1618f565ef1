"""The live feed that the settings name: on Redis with the cache, else between local processes."""

from __future__ import annotations

from pathlib import Path

from connectors.cache.opening import REDIS
from connectors.signals.bells import BellSignals
from connectors.signals.redis import RedisSignals


def open_signals(
    cache: str, *, password: str = "", directory: Path, one_machine: bool
) -> BellSignals | RedisSignals:
    """Open the live feed that goes with the cache of a URL. `close()` ends it.

    `one_machine`: history is a file, so whoever stores it is on this machine, and can be heard
    through the bells in the directory. Raises `OSError` when that directory cannot be made.
    """
    if cache.startswith(REDIS):
        return RedisSignals(cache, password=password)
    return BellSignals(directory, reaches_all=one_machine)
