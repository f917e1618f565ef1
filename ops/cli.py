"""The command line: `keshikomi COMMAND`; exit status 0 done, 1 failed, 2 wrong use."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import timedelta

import orjson

from ops.arguments import Command, parser
from ops.check import check as find_faults
from ops.checking import Finding, faults_of
from ops.engines import existing, make_history
from ops.installation import begin
from ops.keys import with_keys
from ops.laws import audited
from ops.logs import configure, write_out
from ops.metrics_files import is_shared, name_process, serve_metrics
from ops.quarantine import as_json, find, line, page, retry, rows, summary
from ops.settings import FLAGS, BadSettings, Settings, from_environment
from ops.supervisor import die_with_supervisor, process_name
from ops.terminal import reason_of
from ops.up import run_up
from streams.clock import system_clock
from streams.domain.errors import KeshikomiError, Malformed

DONE, FAILED, WRONG_USE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    die_with_supervisor()
    given = parser(COMMANDS).parse_args(arguments)
    command: Command = given.command
    try:
        return command(given)
    except BadSettings as error:
        for fault in error.faults:
            _complain(fault)
        return WRONG_USE
    except (KeshikomiError, OSError, sqlite3.Error) as error:
        if isinstance(error, BrokenPipeError):
            # Whoever read our output has seen enough; Python would complain at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        _complain(reason_of(error) if isinstance(error, OSError) else str(error))
        return FAILED


def _complain(text: str) -> None:
    write_out()  # what we say of the end comes after what led to it
    sys.stderr.write(f"keshikomi: {text}\n")  # in one piece: log lines may come beside it


def _settings(given: argparse.Namespace) -> Settings:
    return from_environment({name: getattr(given, name, None) for name in FLAGS})


def _tell(content: object) -> None:
    print(orjson.dumps(content, option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2).decode())


def _show(given: argparse.Namespace, content: object, lines: Iterable[str]) -> None:
    """The content for machines, or lines for people."""
    if given.json:
        _tell(content)
    else:
        print("\n".join(lines))


# --- what runs


def up(given: argparse.Namespace) -> int:
    """Run everything in one go, in the foreground."""
    settings = _settings(given)
    return DONE if run_up(settings, announce=lambda: _announce(settings)) else FAILED


def _announce(settings: Settings) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    key = "KESHIKOMI_ADMIN_KEY"
    kept = key if settings.admin_key else settings.admin_key_path
    print(
        f"keshikomi is ready at http://{host}:{settings.port} (admin key: {kept}). Ctrl-C ends it.",
        flush=True,
    )


def demo(given: argparse.Namespace) -> int:
    """Show the main job."""
    from ops.demo import run_demo  # noqa: PLC0415  # only the demo needs its parts

    return run_demo(_settings(given), given.payments)


def api(given: argparse.Namespace) -> int:
    """Run the HTTP API alone."""
    settings = _part(given, "api")
    from ops.wiring import run_api  # noqa: PLC0415  # once logs and metrics are set up

    run_api(settings)
    return DONE


def worker(given: argparse.Namespace) -> int:
    """Run some stages alone."""
    settings = _part(given, "worker")
    from ops.wiring import run_worker  # noqa: PLC0415  # once logs and metrics are set up

    if settings.metrics_port is not None and not is_shared():
        serve_metrics(settings.metrics_port)
    run_worker(settings, given.stage)
    return DONE


def _part(given: argparse.Namespace, name: str) -> Settings:
    """The settings of a part, once its logs and metrics have its name."""
    settings = with_keys(_settings(given))
    process = process_name(name)
    configure(
        process=process,
        level=settings.log_level,
        log_format=settings.log_format,
        secrets=(settings.admin_key, settings.kafka_password, settings.cache_password),
    )
    name_process(process)
    logging.getLogger("keshikomi").debug("starts with %r", settings)
    return settings


# --- what looks and mends


def check(given: argparse.Namespace) -> int:
    """Read the settings and try every engine."""

    def tell(finding: Finding) -> None:
        if not given.json:
            print(finding.line, flush=True)  # the next check may take long

    try:
        findings = asyncio.run(find_faults(_settings(given), tell=tell))
    except BadSettings as error:
        findings = faults_of(error)
        for finding in findings:
            tell(finding)
        if (others := error.others) is not None:
            findings += asyncio.run(find_faults(others, tell=tell, unread=error.unread))
    faults = sum(finding.is_fault for finding in findings)
    told = f"faults: {faults}" if faults else "everything is in order"
    _show(given, [asdict(finding) for finding in findings], [told])
    return FAILED if faults else DONE


def setup(given: argparse.Namespace) -> int:
    """Make keys, topics and a keyspace, and keep records for as long as the settings say."""
    settings = with_keys(_settings(given))
    made = make_history(settings)
    begin(settings, with_history=True, takes_history=given.take_history, exactly=True, say=print)
    print(f"the topics are in {settings.log_path if settings.kafka is None else settings.broker}")
    for sentence in made:
        print(sentence)
    return DONE


def audit(given: argparse.Namespace) -> int:
    """Add up the laws."""
    since = system_clock() - timedelta(days=given.days) if given.days else None
    report = asyncio.run(audited(_settings(given), since=since))
    laws = (
        f"{'holds' if law.holds else 'BROKEN':<7}{law.name}: {law.sentence}" for law in report.laws
    )
    remarks = (f"       {remark}" for remark in report.remarks)
    _show(given, {"holds": report.holds, **asdict(report)}, [*laws, *remarks])
    return DONE if report.holds else FAILED


def simulate(given: argparse.Namespace) -> int:
    """Send notices as a provider does."""
    from ops import simulate as simulating  # noqa: PLC0415  # no other command needs its parts

    once = "confirmed" if given.format == "gmo" else "preliminary"
    try:
        simulation = simulating.Simulation(
            url=given.url.rstrip("/"),
            account_id=given.account,
            format=given.format,
            config=simulating.configuration(given.config),
            reference=given.reference,
            amount_yen=given.amount_yen,
            kind=given.kind or once,
            rate=given.rate,
            count=given.count,
            first=given.first,
        )
        outcome = asyncio.run(simulating.simulate(simulation, clock=system_clock))
    except simulating.BadSimulation as error:
        _complain(str(error))
        return WRONG_USE
    _show(given, asdict(outcome), outcome.lines())
    return DONE if outcome.is_success else FAILED


def certify(given: argparse.Namespace) -> int:
    """Attack a merchant's staging receiver."""
    from ops import certify as certifying  # noqa: PLC0415  # no other command needs its parts

    keys = {"old_secret": given.old_secret, "private_key": given.private_key}
    asked = certifying.Certification(
        url=given.url, secret=given.secret, **keys, allow_private=given.allow_private
    )
    try:
        report = asyncio.run(certifying.certify(asked, clock=system_clock))
    except Malformed as error:
        _complain(str(error))
        return WRONG_USE
    _show(given, {"is_success": report.is_success, **asdict(report)}, report.lines())
    return DONE if report.is_success else FAILED


def quarantine_list(given: argparse.Namespace) -> int:
    """List what is in quarantine."""

    async def run() -> int:
        async with existing(_settings(given)) as (_, history):
            kept = [row async for row in rows(history)]
        lines = [*(line(row) for row in kept), summary(kept)]
        _show(given, [as_json(row) for row in kept], lines)
        return DONE

    return asyncio.run(run())


def quarantine_show(given: argparse.Namespace) -> int:
    """Show everything about one of them."""

    async def run() -> int:
        async with existing(_settings(given)) as (_, history):
            row = await find(history, given.id)
        _show(given, as_json(row), [page(row)])
        return DONE

    return asyncio.run(run())


def quarantine_retry(given: argparse.Namespace) -> int:
    """Put some back into the log."""

    async def run() -> int:
        status, done = DONE, []
        async with existing(_settings(given)) as (log, history):
            for quarantine_id in given.id:
                try:
                    row = await retry(history, log.appender, quarantine_id, clock=system_clock)
                except KeshikomiError as error:
                    _complain(str(error))
                    status = FAILED
                    continue
                done.append(as_json(row))
                if not given.json:
                    print(f"{quarantine_id} is back in the topic {row.quarantined.topic}")
        if given.json:
            _tell(done)
        return status

    return asyncio.run(run())


COMMANDS: dict[str, Command] = {
    "up": up,
    "demo": demo,
    "api": api,
    "worker": worker,
    "check": check,
    "setup": setup,
    "audit": audit,
    "simulate": simulate,
    "certify": certify,
    "quarantine list": quarantine_list,
    "quarantine show": quarantine_show,
    "quarantine retry": quarantine_retry,
}

if __name__ == "__main__":
    sys.exit(main())
