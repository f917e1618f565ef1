"""One line for each event, for people or for machines, written where it holds nobody up."""

from __future__ import annotations

import faulthandler
import logging
import os
import queue
import re
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import NamedTuple

import orjson

from streams.clock import system_clock

LINES_WAITING_MAX = 20_000
WRITE_BYTES_MAX = 4_096
"""A pipe takes so much in one piece: lines of several processes do not mix."""
PAUSE_SECONDS = 0.05
"""The writer collects lines meanwhile: it wakes 20 times a second, not once for each line."""
FLUSH_SECONDS_MAX = 2.0
TRACEBACK_CHARACTERS_MAX = 8_000

QUIET = (
    *("faust", "mode", "aiokafka", "kafka", "aiohttp.access", "asyncio"),
    *("ops.worker", "tables", "connectors.log.consumer", "connectors.log.producer"),
    *("connectors.log.store", "connectors.log.transport", "connectors.kafka.consumer"),
    *("connectors.kafka.producer", "connectors.kafka.recovery", "connectors.kafka.store"),
)
"""Loggers with a level of their own: Faust's small talk alone took 12 % of a core.

Its services speak under the module of their subclass, so some have our names.
"""

SECRET_MARKS = ("whsec_", "ksk_", "kadm_", "Bearer", '"secret"')
SECRET = re.compile(r"(whsec_|ksk_|kadm_|Bearer\s+|\"secret\":\s*\")[^\s\"',;&]+")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS

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


class Renderer:
    """Makes the line of a record."""

    def __init__(self, *, process: str, as_json: bool, secrets: Sequence[str] = ()) -> None:
        self._process = process
        self._render = self._json if as_json else self._text
        self._secrets = tuple(secret for secret in secrets if secret)

    def __call__(self, record: logging.LogRecord) -> bytes:
        """The line, ended by a newline, without secrets."""
        at, message = datetime.fromtimestamp(record.created, UTC), record.getMessage()
        told = _Told(at, record.levelname, record.name, message, _fields(record), _failure(record))
        return self._without_secrets(self._render(told))

    def of_wide(self, level: int, logger: str, event: str, fields: Mapping[str, object]) -> bytes:
        """The same for an event that has no record."""
        told = _Told(system_clock(), logging.getLevelName(level), logger, event, fields, "")
        return self._without_secrets(self._render(told))

    def _without_secrets(self, line: str) -> bytes:
        for secret in self._secrets:
            line = line.replace(secret, "***")
        for mark in SECRET_MARKS:
            # Looking for five words costs less than the pattern, and nearly no line has one.
            if mark in line:
                line = SECRET.sub(r"\1***", line)
                break
        return (line + "\n").encode("utf-8", "backslashreplace")

    def _json(self, told: _Told) -> str:
        content: dict[str, object] = {
            "at": told.at,
            "level": told.level.lower(),
            "process": self._process,
            "logger": told.logger,
            "event": told.event,
            **told.fields,
        }
        if told.failure:
            content["traceback"] = told.failure
        try:
            return orjson.dumps(content, default=str, option=_OPTIONS).decode()
        except orjson.JSONEncodeError:  # an unpaired surrogate, or an integer beyond 64 bits
            plain = {name: ascii(value) for name, value in content.items()}
            return orjson.dumps(plain).decode()

    def _text(self, told: _Told) -> str:
        stamp = told.at.isoformat(timespec="milliseconds")[:-6]
        # A message of several lines stays one event: what follows is set off to the right.
        event = told.event.replace("\n", "\n    ")
        line = f"{stamp}Z {self._process:<9} {told.level:<8} {event}{_words(told.fields)}"
        failure = told.failure.rstrip().replace("\n", "\n    ")
        return f"{line}\n    {failure}" if failure else line


class _Told(NamedTuple):
    """What a line is made of."""

    at: datetime
    level: str
    logger: str
    event: str
    fields: Mapping[str, object]
    failure: str


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    given = record.__dict__.get("fields")
    if isinstance(given, Mapping):
        return given
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}


def _words(fields: Mapping[str, object]) -> str:
    """Names and values; looked at as a whole first, as nearly every value is one plain word."""
    words = "".join(
        [
            f" {name}={value:.6g}" if isinstance(value, float) else f" {name}={value}"
            for name, value in fields.items()
        ]
    )
    is_plain = words.isprintable() and words.count(" ") == len(fields) and "= " not in words
    if is_plain and not words.endswith("="):
        return words
    return "".join([f" {name}={_word(value)}" for name, value in fields.items()])


def _word(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    if text.isidentifier():  # ids and outcomes, mostly
        return text
    return text if text and text.isprintable() and " " not in text else ascii(text)


def _failure(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[0] is None:
        return ""
    # The end of a long traceback says what went wrong.
    return "".join(traceback.format_exception(*record.exc_info))[-TRACEBACK_CHARACTERS_MAX:]


class LineHandler(logging.Handler):
    """Hands lines to a thread; when stderr takes none, lines are dropped and counted."""

    def __init__(
        self, render: Renderer, *, descriptor: int, lines_waiting_max: int = LINES_WAITING_MAX
    ) -> None:
        super().__init__()
        self._render = render
        self._descriptor = descriptor
        self._lines: queue.SimpleQueue[Line] = queue.SimpleQueue()
        self._lines_waiting_max = lines_waiting_max
        self.dropped = 0
        self._told_dropped = 0
        self._hurry = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="log-lines", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line; a critical one is awaited, as the process may end right after it."""
        if self._lines.qsize() >= self._lines_waiting_max:
            self.dropped += 1
            return
        self._lines.put(self._render(record))
        if record.levelno >= logging.CRITICAL:
            self.flush()

    def tell(self, level: int, logger: str, event: str, fields: Mapping[str, object]) -> None:
        """Queue the line of a wide event."""
        if self._lines.qsize() >= self._lines_waiting_max:
            self.dropped += 1
            return
        self._lines.put(self._render.of_wide(level, logger, event, fields))

    def flush(self) -> None:
        """Wait, within a bound, until everything queued so far is written."""
        if not self._thread.is_alive() or threading.current_thread() is self._thread:
            return
        mark = threading.Event()
        self._lines.put(mark)
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
            line = self._next()
        if (dropped := self.dropped - self._told_dropped) > 0:
            piece += b"%d log lines were dropped: stderr did not take them\n" % dropped
            self._told_dropped += dropped
        self._write(piece)

    def _next(self) -> Line | None:
        try:
            return self._lines.get_nowait()
        except queue.Empty:
            return None

    def _write(self, piece: bytearray) -> None:
        # Without anyone who reads there is nowhere to complain.
        with suppress(OSError):
            view = bytes(piece)
            while view:
                view = view[os.write(self._descriptor, view) :]
        piece.clear()


def _tell_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("keshikomi").critical("crashed", exc_info=(kind, error, trace))
