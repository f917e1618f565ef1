"""The words of the command line, each command with an example in its help."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from streams.topics import STAGES

DEMO_PAYMENTS_DEFAULT = 60
DEMO_PAYMENTS_MAX = 1_000_000
EVERY_STAGE = "all"
URL_DEFAULT = "http://127.0.0.1:8080"
NUMBER_MAX = 9_999_999_999
DAYS_MAX = 36_500

Command = Callable[[argparse.Namespace], int]
SubParsers = Any
"""argparse has no public name for it."""


def parser(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """The parser of `keshikomi`; `commands` are the functions that run, by name."""
    top = argparse.ArgumentParser(
        prog="keshikomi",
        description="Clears payment notices against invoices and tells merchants (消込).",
        epilog="Settings come from KESHIKOMI_* in the environment; docs/operate.md lists them.",
    )
    words = top.add_subparsers(metavar="COMMAND", required=True)
    _running(Adder(words, commands))
    _looking(Adder(words, commands))
    _simulate(Adder(words, commands))
    _certify(Adder(words, commands))
    quarantine = words.add_parser("quarantine", help="what could not be used: list, show, retry")
    _quarantine(Adder(quarantine.add_subparsers(metavar="ACTION", required=True), commands))
    return top


class Adder:
    """Adds commands that all look alike."""

    def __init__(self, words: SubParsers, commands: Mapping[str, Command]) -> None:
        self._words, self._commands = words, commands

    def add(
        self, name: str, about: str, example: str, *, key: str = "", as_json: bool = False
    ) -> argparse.ArgumentParser:
        """A command with `--data`; `key` names its function where the name alone does not."""
        added: argparse.ArgumentParser = self._words.add_parser(
            name,
            help=about,
            description=f"{about[0].upper()}{about[1:]}.",
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(command=self._commands[key or name])
        added.add_argument(
            "--data", metavar="DIR", help="where everything is kept (KESHIKOMI_DATA, ./data)"
        )
        if as_json:
            added.add_argument("--json", action="store_true", help="for programs")
        return added


def _running(adder: Adder) -> None:
    up = adder.add(
        "up",
        "everything in one go, in the foreground",
        "keshikomi up --data /var/lib/keshikomi --port 8080",
    )
    demo = adder.add(
        "demo",
        "show the main job: notices arrive, clear invoices and reach a shop's webhook",
        "keshikomi demo --payments 200",
    )
    demo.add_argument(
        "--payments",
        metavar="N",
        type=_payments,
        default=DEMO_PAYMENTS_DEFAULT,
        help=f"how many payments are made ({DEMO_PAYMENTS_DEFAULT})",
    )
    api = adder.add("api", "the HTTP API alone", "keshikomi api --host 0.0.0.0 --port 8080")
    for command in (up, api):
        _add_address(command)
    worker = adder.add(
        "worker",
        "some stages alone, in one process",
        "keshikomi worker --stage resolving,settling,notifying",
    )
    worker.add_argument(
        "--stage",
        metavar="LIST",
        type=_stages,
        required=True,
        help=f"stages with commas between them, of {', '.join(STAGES)}; or {EVERY_STAGE}",
    )


def _add_address(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", metavar="N", help="where the API listens (8080)")
    command.add_argument("--host", metavar="ADDRESS", help="its address (127.0.0.1)")


def _looking(adder: Adder) -> None:
    check = adder.add(
        "check",
        "read the settings, try every engine, name all faults at once",
        "keshikomi check --json",
        as_json=True,
    )
    _add_address(check)
    setup = adder.add(
        "setup", "make keys, topics and a keyspace; it can be repeated", "keshikomi setup"
    )
    setup.add_argument(
        "--take-history",
        action="store_true",
        help="go on with a history that is new, or lacks what the log has forgotten",
    )
    audit = adder.add(
        "audit",
        "add up the laws (no notice lost, none silent) and list what differs",
        "keshikomi audit --days 7 || alert",
        as_json=True,
    )
    audit.add_argument(
        "--days",
        metavar="N",
        type=_days,
        help="only what changed in the last N days (everything)",
    )


def _simulate(adder: Adder) -> None:
    example = (
        'keshikomi simulate --account ca_0123 --config \'{"secret": "..."}\''
        " --reference 'ORD-{n}' --amount-yen 1000 --rate 20 --count 100"
    )
    simulate = adder.add(
        "simulate", "send notices of a channel account at a rate", example, as_json=True
    )
    simulate.add_argument("--url", default=URL_DEFAULT, help=f"the API ({URL_DEFAULT})")
    simulate.add_argument("--account", metavar="ID", required=True, help="the channel account")
    simulate.add_argument(
        "--config", metavar="JSON", required=True, help="its configuration: it signs the notices"
    )
    simulate.add_argument("--format", default="generic", help="its format (generic), gmo or sbps")
    simulate.add_argument("--reference", required=True, help="{n} in it counts up")
    simulate.add_argument("--amount-yen", type=_positive, required=True, metavar="YEN")
    simulate.add_argument("--kind", default=None, help="preliminary, confirmed, ...")
    simulate.add_argument("--rate", type=_positive, default=10, metavar="N", help="a second (10)")
    simulate.add_argument("--count", type=_positive, default=10, metavar="N", help="in all (10)")
    simulate.add_argument("--first", type=_positive, default=1, metavar="N", help="first {n} (1)")


def _certify(adder: Adder) -> None:
    certify = adder.add(
        "certify",
        "attack a staging receiver of webhooks and say what it got right",
        "keshikomi certify https://staging.shop.example/webhooks --secret whsec_...",
        as_json=True,
    )
    certify.add_argument("url", metavar="URL", help="the receiver; never one that ships orders")
    certify.add_argument("--secret", metavar="WHSEC", help="what it verifies v1 with")
    certify.add_argument("--old-secret", metavar="WHSEC", help="one that must be good still")
    certify.add_argument(
        "--private-key", metavar="WHSK", help="of ed25519: it verifies v1a with the public one"
    )
    certify.add_argument(
        "--allow-private", action="store_true", help="private addresses, http and any port too"
    )


def _positive(given: str) -> int:
    if not (given.isascii() and given.isdigit() and 1 <= int(given) <= NUMBER_MAX):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {NUMBER_MAX}")
    return int(given)


def _days(given: str) -> int:
    if not (given.isascii() and given.isdigit() and 1 <= int(given) <= DAYS_MAX):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {DAYS_MAX}")
    return int(given)


def _quarantine(adder: Adder) -> None:
    adder.add(
        "list",
        "what is in quarantine, oldest first",
        "keshikomi quarantine list",
        key="quarantine list",
        as_json=True,
    )
    show = adder.add(
        "show",
        "one of them with its reason and its bytes",
        "keshikomi quarantine show qtn_0123",
        key="quarantine show",
        as_json=True,
    )
    show.add_argument("id", metavar="ID")
    retry = adder.add(
        "retry",
        "put some back where they were read from, once their cause is mended",
        "keshikomi quarantine retry qtn_0123 qtn_4567",
        key="quarantine retry",
        as_json=True,
    )
    retry.add_argument("id", metavar="ID", nargs="+")


def _stages(given: str) -> tuple[str, ...]:
    asked = given.split(",")
    if asked == [EVERY_STAGE]:
        return STAGES
    for stage in asked:
        if stage not in STAGES:
            raise argparse.ArgumentTypeError(
                f"{stage!r} is no stage; there are {', '.join(STAGES)} and {EVERY_STAGE}"
            )
    return tuple(stage for stage in STAGES if stage in asked)


def _payments(given: str) -> int:
    if not (given.isascii() and given.isdigit() and 1 <= int(given) <= DEMO_PAYMENTS_MAX):
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {DEMO_PAYMENTS_MAX}")
    return int(given)
