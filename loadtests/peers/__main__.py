"""Measures keshikomi, Svix and Outpost by one harness, each alone, one after the other.

    python -m loadtests.peers --keshikomi
    python -m loadtests.peers --svix http://127.0.0.1:8071 --svix-token TOKEN
        [--svix-pids FILE,FILE --svix-start COMMAND] [--only PHASE] [--json FILE]

keshikomi is started for it; the others must run already, on this machine: docs/peers.md says how to
build and start them. What `--json` names is added to, so that peers can be measured one by one with
nothing else running, and the table at the end has all of them. Exit status 1 when a peer told what
it should not have, lost or repeated something, or the generator was late.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import uvloop

from loadtests.peers.http_peer import Address
from loadtests.peers.keshikomi import Keshikomi
from loadtests.peers.outpost import Outpost
from loadtests.peers.peer import Peer
from loadtests.peers.phases import PHASES, QUICK, Plan
from loadtests.peers.session import session
from loadtests.peers.svix import Svix
from loadtests.peers.table import markdown
from loadtests.report import Measured, bottleneck, machine, machine_lines
from loadtests.verify import verdict
from streams.clock import system_clock

TRUTH = "every accepted event was told once, validly signed, to its own endpoint alone"
JSON_DEFAULT = Path("build/peers.json")
HTTP_PEERS: tuple[type[Svix | Outpost], ...] = (Svix, Outpost)

say = partial(print, flush=True)


def main() -> int:
    """Measure and print; 0 when everything was true."""
    given = _arguments()
    document: dict[str, Any] = {"peers": {}}
    if given.json.exists():
        document = orjson.loads(given.json.read_bytes())
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="keshikomi-peers-") as folder:
        document["machine"] = machine(Path(folder))
        say("\n".join(machine_lines(document["machine"])))
        for phase in given.only or list(PHASES):
            for peer in _peers(given, Path(folder) / phase):
                found = uvloop.run(_measure(peer, phase, QUICK if given.quick else Plan()))
                document["peers"].setdefault(peer.name, {})[phase] = found
                wrong += [f"{peer.name} {phase}: {fault}" for fault in found["faults"]]
                given.json.parent.mkdir(parents=True, exist_ok=True)
                given.json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    say("\n".join(["", *markdown(document["peers"]), "", *verdict(wrong, truth=TRUTH)]))
    return 1 if wrong else 0


async def _measure(peer: Peer, name: str, plan: Plan) -> Measured:
    """One phase of one peer: its rows, and what was wrong."""
    phase = PHASES[name]
    say(f"\n{peer.name} ({peer.does}) {name}: {(phase.run.__doc__ or '').strip()}")
    async with session(peer) as made:
        rows = await phase.run(made, plan)
        wrong = list(made.wrong(repeats_allowed=phase.repeats_allowed, complete=phase.complete))
        wrong += await peer.faults(repeats_allowed=phase.repeats_allowed)
    wrong += _bottlenecks(rows)
    say(orjson.dumps(rows).decode())
    say(f"  truth: {len(wrong)} FAULTS" if wrong else "  truth: as it should be")
    at = system_clock().isoformat(timespec="seconds")
    return {"at": at, "load_average": os.getloadavg(), "rows": rows, "faults": wrong}


def _bottlenecks(rows: Measured) -> Iterator[str]:
    """Rows whose generator was late; a search looks for that end and may pass it."""
    for name, row in {**rows, "": rows}.items():
        if isinstance(row, dict) and row.get("generator_was_the_bottleneck"):
            yield f"{name} {bottleneck(row)}"


def _peers(given: argparse.Namespace, folder: Path) -> Iterator[Peer]:
    if given.keshikomi:
        folder.mkdir()
        yield Keshikomi(folder)
    for kind in HTTP_PEERS:
        address = _address(given, kind.name.lower())
        if address is not None:
            yield kind(address)


def _address(given: argparse.Namespace, name: str) -> Address | None:
    said = vars(given)
    if not said[name]:
        return None
    return Address(
        url=said[name],
        token=said[f"{name}_token"],
        pids=tuple(map(Path, said[f"{name}_pids"].split(","))) if said[f"{name}_pids"] else (),
        command=said[f"{name}_start"],
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure senders of webhooks side by side.")
    parser.add_argument("--keshikomi", action="store_true", help="the product, started for it")
    for kind in HTTP_PEERS:
        name = kind.name.lower()
        parser.add_argument(f"--{name}", metavar="URL", help=f"a running {kind.name}")
        parser.add_argument(f"--{name}-token", default="", help="the key of its API")
        parser.add_argument(
            f"--{name}-pids", default="", metavar="FILES", help="pid files, its own first"
        )
        parser.add_argument(
            f"--{name}-start", default="", metavar="COMMAND", help="starts it after a kill"
        )
    parser.add_argument("--only", choices=list(PHASES), action="append", help="this phase alone")
    parser.add_argument("--quick", action="store_true", help="a smoke: every phase, tiny")
    parser.add_argument("--json", type=Path, metavar="FILE", default=JSON_DEFAULT)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
