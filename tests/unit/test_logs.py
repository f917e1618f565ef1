"""A log line says everything, tells no secret and holds nobody up."""

from __future__ import annotations

import logging
import os
import sys
import threading
from datetime import UTC, datetime

import orjson
import pytest

from ops.log_rendering import Renderer
from ops.logs import URGENT_WAITING_MAX, LineHandler, wide

FILLED = 65_535
"""With a newline it is all that a new pipe holds."""
NOW = datetime(2026, 11, 24, 1, 15, 3, 120_000, tzinfo=UTC)


def rendered(message: str, *, as_json: bool = False, **fields: object) -> str:
    record = logging.LogRecord("keshikomi", logging.INFO, "", 0, message, None, None)
    record.created = NOW.timestamp()
    record.fields = fields
    return Renderer(process="api", as_json=as_json, secrets=("hunter2",))(record).decode()


def test_a_line_for_people_names_the_process_and_the_fields() -> None:
    line = rendered("step", stage="settling", reason="two words", ms=0.25)

    expected = "2026-11-24T01:15:03.120Z api       INFO     step stage=settling reason='two words'"
    assert line == f"{expected} ms=0.25\n"


def test_a_line_for_machines_is_json() -> None:
    assert orjson.loads(rendered("step", as_json=True, stage="settling", at_all=NOW)) == {
        "at": "2026-11-24T01:15:03.120000Z",
        "level": "info",
        "process": "api",
        "logger": "keshikomi",
        "event": "step",
        "stage": "settling",
        "at_all": "2026-11-24T01:15:03.120000Z",
    }


@pytest.mark.parametrize("value", ["\ud800", 2**70, b"\xff"])
def test_what_json_cannot_say_is_still_told(value: object) -> None:
    assert orjson.loads(rendered("step", as_json=True, value=value))["value"]


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(
    "text",
    ["whsec_MfKQ9r8GKY/qwTKm==", "ksk_live_abc", "Authorization: Bearer abc.def", "it is hunter2"],
)
def test_secrets_never_reach_a_line(*, text: str, as_json: bool) -> None:
    line = rendered(f"failed with {text}", as_json=as_json, detail=text)

    assert line.count("***") == 2
    for secret in ("MfKQ9r8GKY", "live_abc", "abc.def", "hunter2"):
        assert secret not in line


def test_an_error_is_one_event_with_its_traceback() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "%s", ("it",), sys.exc_info())

    as_json = orjson.loads(Renderer(process="api", as_json=True)(record))
    as_text = Renderer(process="api", as_json=False)(record).decode()

    assert as_json["traceback"].endswith("ValueError: broken\n")
    assert "\n    Traceback" in as_text


def a_logger(handler: logging.Handler) -> logging.Logger:
    logger = logging.getLogger("tests.lines")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [handler]
    return logger


def test_lines_are_written_by_a_thread_and_flushed_on_demand() -> None:
    read_end, write_end = os.pipe()
    handler = LineHandler(Renderer(process="api", as_json=False), descriptor=write_end)
    logger = a_logger(handler)

    for number in range(3):
        wide(logger, logging.INFO, "step", {"number": number})
    handler.flush()
    handler.close()
    os.close(write_end)

    with os.fdopen(read_end) as written:
        assert [line.rpartition(" ")[2] for line in written] == [f"number={n}\n" for n in range(3)]


def test_a_reader_that_stands_still_costs_lines_but_never_time() -> None:
    read_end, write_end = os.pipe()
    handler = LineHandler(
        Renderer(process="api", as_json=False), descriptor=write_end, lines_waiting_max=10
    )
    logger = a_logger(handler)

    for _ in range(2_000):
        wide(logger, logging.INFO, "x" * 1_000, {})
    os.close(read_end)  # the writer is let go, by an error that nobody can be told
    handler.close()
    os.close(write_end)

    assert handler.dropped > 0


def fill(descriptor: int) -> None:
    """Leave a pipe no room."""
    os.write(descriptor, b"." * FILLED + b"\n")


@pytest.mark.allows_errors
def test_where_lines_are_dropped_errors_are_kept_and_go_first() -> None:
    read_end, write_end = os.pipe()
    fill(write_end)
    handler = LineHandler(
        Renderer(process="api", as_json=False), descriptor=write_end, lines_waiting_max=500
    )
    logger = a_logger(handler)
    for _ in range(1_000):
        logger.info("x" * 1_000)
    for number in range(URGENT_WAITING_MAX + 5):
        logger.error("failed %d.", number)
    said = threading.Thread(target=logger.critical, args=("it stops",))
    said.start()

    with os.fdopen(read_end) as written:
        assert next(written) == "." * FILLED + "\n"
        lines = [next(written)]
        while "it stops" not in lines[-1]:
            lines.append(next(written))
        said.join()  # it waited for its own line alone
        told = [line for line in lines if "failed" in line]
        assert len(lines) - len(told) < 10, "what the writer had in hand stood before them"
        rest = [next(written)]
        while "were dropped" not in rest[-1]:
            rest.append(next(written))
        handler.close()
        os.close(write_end)

    assert [line.split()[-1] for line in told] == [f"{n}." for n in range(len(told))]
    assert 0 <= len(told) - URGENT_WAITING_MAX <= 1, "one may be in the writer's hand"
    assert not [line for line in rest if "failed" in line]
    assert rest[-1].startswith(f"{handler.dropped} log lines were dropped")


@pytest.mark.allows_errors
def test_where_few_lines_wait_an_error_stays_in_its_place() -> None:
    read_end, write_end = os.pipe()
    handler = LineHandler(Renderer(process="api", as_json=False), descriptor=write_end)
    logger = a_logger(handler)

    for level in (logging.INFO, logging.ERROR, logging.INFO, logging.CRITICAL):
        logger.log(level, "it")
    handler.close()
    os.close(write_end)

    with os.fdopen(read_end) as written:
        levels = [line.split()[2] for line in written]
    assert levels == ["INFO", "ERROR", "INFO", "CRITICAL"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", "''"),
        ("two words", "'two words'"),
        ("line\n", "'line\\n'"),
        ("a=b/c", "a=b/c"),
        (1.5, "1.5"),
    ],
    ids=str,
)
def test_a_value_is_one_word_wherever_it_stands(value: object, shown: str) -> None:
    render = Renderer(process="api", as_json=False)

    for fields in ({"x": value, "y": 1}, {"y": 1, "x": value}):
        line = render.of_wide(logging.INFO, "keshikomi", "step", fields).decode()
        words = {"x": shown, "y": "1"}
        assert line.endswith(" step " + " ".join(f"{n}={words[n]}" for n in fields) + "\n")
