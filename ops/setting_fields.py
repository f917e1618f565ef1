"""How a setting is written down as the field of a dataclass."""

from __future__ import annotations

from dataclasses import field
from typing import TypeVar

from ops.setting_values import Parse

T = TypeVar("T")


def setting(
    default: T, about: str, *, parse: Parse, unit: str = "", name: str = "", secret: bool = False
) -> T:
    """A field of `Settings` with what people and the reader need to know about it."""
    metadata = {"about": about, "parse": parse, "unit": unit, "name": name, "secret": secret}
    return field(default=default, repr=not secret, metadata=metadata)
