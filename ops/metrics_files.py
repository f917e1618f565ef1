"""The figures of several processes, shown by one: prometheus_client's files, named by process."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    generate_latest,
    start_http_server,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from ops.figure_file import FigureFile

LOOPBACK = "127.0.0.1"


def name_process(process: str) -> None:
    """Keep this process's figures in files of its own name; call it before any metric is made.

    prometheus_client names them by process id, so each restart would add files for ever. By name
    a restarted process goes on with its own counters. On a full disk it counts, and shows less: see
    `FigureFile`. It changes nothing outside of `up`.
    """
    if is_shared():
        setattr(values, "MmapedDict", FigureFile)  # noqa: B010  # mypy knows of no such name
        named = values.MultiProcessValue(process_identifier=lambda: process)  # type: ignore[no-untyped-call]  # it has no types
        values.ValueClass = named


def is_shared() -> bool:
    """Whether this process's figures lie in the files of an `up`."""
    return bool(values.ValueClass._multiprocess)  # noqa: SLF001  # there is no public way to ask


def metrics_text() -> bytes:
    """All metrics as Prometheus reads them: of every process of an `up`, or of this one."""
    if not is_shared():
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no types
    return generate_latest(registry)


def serve_metrics(port: int) -> None:
    """Show the metrics of a process that has no API, to callers on this machine."""
    start_http_server(port, addr=LOOPBACK)


def clear(directory: Path) -> None:
    """Begin with no figures at all: what an earlier `up` counted is over.

    The directory itself stays: on a full disk it could not be made again.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for file in directory.iterdir():
        file.unlink()


def forget(directory: Path, process: str) -> None:
    """A process is gone: its gauges say nothing any more; its counters still count."""
    mark_process_dead(process, str(directory))  # type: ignore[no-untyped-call]  # it has no types
