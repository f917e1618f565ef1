"""The environment variables that Faust reads for itself, each with a value that it would heed."""

from __future__ import annotations

from faust.types.settings import Settings

VARIABLES = {
    setting.env_name: setting for setting in Settings.SETTINGS.values() if setting.env_name
}
OTHERS = {
    "BrokerList": "kafka://elsewhere:1",
    "Codec": "pickle",
    "Credentials": "none is read from text",
    "EnumParam": "exactly_once",
    "Int": "7",
    "Path": "elsewhere",
    "Port": "7",
    "Seconds": "7.5",
    "Severity": "ERROR",
    "Str": "other",
    "Timezone": "Asia/Tokyo",
    "URL": "memory://elsewhere",
    "UnsignedInt": "7",
    "_Symbol": "mode.CrashingSupervisor",
}
"""By the kind of a setting, what it never is by itself."""


def other_value(name: str) -> str:
    kind, default = type(VARIABLES[name]).__name__, VARIABLES[name].default
    return str(int(not default)) if kind == "Bool" else OTHERS[kind]
