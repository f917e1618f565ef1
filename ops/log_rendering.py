"""What a log line is made of: time, process, level, event and fields, without secrets."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from streams.clock import system_clock

TRACEBACK_CHARACTERS_MAX = 8_000
SECRET_MARKS = ("whsec_", "ksk_", "kadm_", "Bearer", '"secret"')
SECRET = re.compile(r"(whsec_|ksk_|kadm_|Bearer\s+|\"secret\":\s*\")[^\s\"',;&]+")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


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
