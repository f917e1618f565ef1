"""How a thread tells an event loop that something is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec

_Arguments = ParamSpec("_Arguments")


def call_soon(
    loop: asyncio.AbstractEventLoop,
    function: Callable[_Arguments, None],
    *arguments: _Arguments.args,
    **keywords: _Arguments.kwargs,
) -> None:
    """Call a function in a loop's thread; a loop that is closed waits for nothing any more."""
    try:
        loop.call_soon_threadsafe(lambda: function(*arguments, **keywords))
    except RuntimeError:
        if not loop.is_closed():
            raise
