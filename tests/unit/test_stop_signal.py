"""A signal to end reaches whoever waits for it, and is lost on nobody who has stopped to wait."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from ops.process import stop_signal
from tests.conftest import Eventually


async def test_each_signal_that_comes_while_the_end_goes_on_is_passed_over(
    eventually: Eventually,
) -> None:
    waiting = asyncio.create_task(stop_signal())
    await asyncio.sleep(0)

    os.kill(os.getpid(), signal.SIGTERM)
    await eventually(waiting.done)
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(0)  # the process, and this test with it, goes on


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_who_stops_waiting_leaves_signals_to_the_next(number: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGTERM)
    waiting = asyncio.create_task(stop_signal())
    await asyncio.sleep(0)
    assert signal.getsignal(number) != signal.SIG_DFL

    waiting.cancel()
    await asyncio.wait({waiting})

    assert signal.getsignal(signal.SIGTERM) == before == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
