"""One line for each event, for people or for machines, written where it holds nobody up."""

from __future__ import annotations

import faulthandler
import logging
import os
import queue
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType

from ops.log_rendering import Renderer

LINES_WAITING_MAX = 20_000
URGENT_WAITING_MAX = 1_000
"""Errors overtake where a tenth of the lines that may wait do; so many of them may wait."""
WRITE_BYTES_MAX = 4_096
"""A pipe takes so much in one piece: lines of several processes do not mix."""
PAUSE_SECONDS = 0.05
"""The writer collects lines meanwhile: it wakes 20 times a second, not once for each line."""
FLUSH_SECONDS_MAX = 2.0

QUIET = (
    *("faust", "mode", "aiokafka", "kafka", "aiohttp.access", "asyncio"),
    *("ops.worker", "tables", "connectors.log.consumer", "connectors.log.producer"),
    *("connectors.log.store", "connectors.log.transport", "connectors.kafka.consumer"),
    *("connectors.kafka.producer", "connectors.kafka.recovery", "connectors.kafka.store"),
)
"""Loggers with a level of their own: Faust's small talk alone took 12 % of a core.

Its services speak under the module of their subclass, so some have our names.
"""

Line = bytes | threading.Event
"""What the writer takes: a line, or a mark that someone waits for."""


def configure(
    *, process: str, level: str, log_format: str, secrets: Sequence[str] = ()
) -> LineHandler:
    """Send every log record of this process to stderr; `secrets` are cut out wherever they stand.

    Call it once, before anything else: it also has crashes of the interpreter told.
    """
    render = Renderer(process=process, as_json=log_format == "json", secrets=secrets)
    handler = LineHandler(render, descriptor=2)
    root = logging.getLogger()
    for other in tuple(root.handlers):
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # Nothing of these is in a line, and each record would look for them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.captureWarnings(capture=True)
    sys.excepthook = _tell_crash
    faulthandler.enable()
    return handler


def write_out() -> None:
    """Wait, within a bound, until every line logged so far is written."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def wide(logger: logging.Logger, level: int, event: str, fields: Mapping[str, object]) -> None:
    """Log one wide event, at a fraction of the price of `Logger.log`.

    Where our handler is the only one that would hear of it, it is told without a record.
    """
    if not logger.isEnabledFor(level):
        return
    handlers = [*logger.handlers, *logging.root.handlers] if logger.propagate else logger.handlers
    if len(handlers) == 1 and isinstance(only := handlers[0], LineHandler):
        only.tell(level, logger.name, event, fields)
        return
    record = logging.LogRecord(logger.name, level, "", 0, event, None, None)
    record.fields = fields
    logger.handle(record)


class LineHandler(logging.Handler):
    """Hands lines to a thread; when stderr takes none, lines are dropped and counted.

    Where many wait, errors are kept apart and go first: what stops the process is told.
    """

    def __init__(
        self, render: Renderer, *, descriptor: int, lines_waiting_max: int = LINES_WAITING_MAX
    ) -> None:
        super().__init__()
        self._render = render
        self._descriptor = descriptor
        self._lines: queue.SimpleQueue[Line] = queue.SimpleQueue()
        self._urgent: queue.SimpleQueue[Line] = queue.SimpleQueue()
        self._lines_waiting_max = lines_waiting_max
        self.dropped = 0
        self._told_dropped = 0
        self._hurry = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="log-lines", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line; a critical one is awaited, as the process may end right after it."""
        if (lines := self._way(record.levelno)) is None:
            return
        lines.put(self._render(record))
        if record.levelno >= logging.CRITICAL:
            self._await(lines)
        elif lines is self._urgent:
            self._lines.put(threading.Event())  # wakes the writer, if it has just written all

    def tell(self, level: int, logger: str, event: str, fields: Mapping[str, object]) -> None:
        """Queue the line of a wide event; none of them is awaited."""
        if self._lines.qsize() >= self._lines_waiting_max:
            self.dropped += 1
            return
        self._lines.put(self._render.of_wide(level, logger, event, fields))

    def flush(self) -> None:
        """Wait, within a bound, until everything queued so far is written."""
        self._await(self._lines)

    def _way(self, level: int) -> queue.SimpleQueue[Line] | None:
        """Where a line of this level goes, or `None` where it is dropped."""
        waiting = self._lines.qsize()
        if level >= logging.ERROR and waiting > self._lines_waiting_max // 10:
            # What is critical is awaited, so there are never many of it.
            if level >= logging.CRITICAL or self._urgent.qsize() < URGENT_WAITING_MAX:
                return self._urgent
        elif waiting < self._lines_waiting_max:
            return self._lines
        self.dropped += 1
        return None

    def _await(self, lines: queue.SimpleQueue[Line]) -> None:
        if not self._thread.is_alive() or threading.current_thread() is self._thread:
            return
        mark = threading.Event()
        lines.put(mark)
        if lines is self._urgent:
            self._lines.put(threading.Event())
        self._hurry.set()
        mark.wait(FLUSH_SECONDS_MAX)

    def close(self) -> None:
        """Write what is queued and end the thread."""
        self.flush()
        self._closing = True
        self._hurry.set()
        self._lines.put(threading.Event())
        self._thread.join(FLUSH_SECONDS_MAX)
        super().close()

    def _run(self) -> None:
        while not self._closing:
            self._write_waiting()
            self._hurry.wait(PAUSE_SECONDS)
            self._hurry.clear()

    def _write_waiting(self) -> None:
        """Wait for a line, then write all that are there, in pieces that a pipe keeps whole."""
        piece = bytearray()
        line: Line | None = self._lines.get()
        while line is not None:
            if isinstance(line, threading.Event):
                self._write(piece)
                line.set()
            else:
                if piece and len(piece) + len(line) > WRITE_BYTES_MAX:
                    self._write(piece)
                piece += line
            line = _next(self._lines)
        if (dropped := self.dropped - self._told_dropped) > 0:
            piece += b"%d log lines were dropped: stderr did not take them\n" % dropped
            self._told_dropped += dropped
        self._write(piece)

    def _write(self, piece: bytearray) -> None:
        """Write what is urgent, and then the piece."""
        while (line := _next(self._urgent)) is not None:
            if isinstance(line, threading.Event):
                line.set()
            else:
                self._write_out(line)
        self._write_out(bytes(piece))
        piece.clear()

    def _write_out(self, view: bytes) -> None:
        # Without anyone who reads there is nowhere to complain.
        with suppress(OSError):
            while view:
                view = view[os.write(self._descriptor, view) :]


def _next(lines: queue.SimpleQueue[Line]) -> Line | None:
    try:
        return lines.get_nowait()
    except queue.Empty:
        return None


def _tell_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("keshikomi").critical("crashed", exc_info=(kind, error, trace))
