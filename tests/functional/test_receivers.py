"""Every example of a receiver judges the published vectors, and is certified while it runs."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import gaps
import inbox as inboxes
import orjson
import pytest

from connectors.signing import format_secret
from ops.certify import Certification, certify
from ops.certify_attacks import Plan
from ops.stack.server import LOOPBACK, free_port
from streams.clock import system_clock
from tests.conftest import Eventually
from tests.signature_vectors import CURRENT, OLD, PATH, PUBLIC

RECEIVERS = PATH.parent / "receivers"
PYTHON = (sys.executable, "-B")
SECRET, OLD_SECRET = format_secret(CURRENT), format_secret(OLD)
PRIVATE_KEY = SECRET.replace("whsec_", "whsk_")
LEFT = "evt_left"
"""A webhook that was kept and not worked on when an earlier process ended."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """How one example is run; `{built}` in its commands is where `build` compiles it to."""

    name: str
    vectors: Sequence[str]
    serve: Sequence[str]
    programs: Sequence[str] = ()
    modules: Sequence[str] = ()
    build: Sequence[str] = ()
    work: Sequence[str] = ()
    """What works on webhooks where the server itself does not."""
    has_ed25519: bool = True
    """Whether it verifies `v1a` too; one that does not takes no `whpk_` and passes over `v1a`."""

    def skip_unless_usable(self) -> None:
        for program in self.programs:
            if shutil.which(program) is None:
                pytest.skip(f"the {self.name} example was not run: there is no {program} here")
        for module in self.modules:
            if importlib.util.find_spec(module) is None:
                pytest.skip(f"the {self.name} example was not run: {module} is not installed")


def a_python(name: str, *modules: str) -> Example:
    file = str(RECEIVERS / "python" / f"receiver_{name}.py")
    return Example(
        name=name,
        modules=modules,
        vectors=(*PYTHON, file, "vectors", "{vectors}"),
        serve=(*PYTHON, file, "serve", "{port}"),
    )


NODE, PHP = str(RECEIVERS / "node/receiver.mjs"), str(RECEIVERS / "php/receiver.php")
RUBY, JAVA = RECEIVERS / "ruby", RECEIVERS / "java"
EXAMPLES = (
    a_python("aiohttp"),
    a_python("fastapi", "fastapi", "uvicorn"),
    a_python("flask", "flask"),
    Example(
        name="node",
        programs=("node",),
        vectors=("node", NODE, "vectors", "{vectors}"),
        serve=("node", NODE, "serve", "{port}"),
    ),
    Example(
        name="go",
        programs=("go",),
        build=("go", "build", "-o", "{built}/receiver", str(RECEIVERS / "go/receiver.go")),
        vectors=("{built}/receiver", "vectors", "{vectors}"),
        serve=("{built}/receiver", "serve", "{port}"),
    ),
    Example(
        name="java",
        programs=("java", "javac"),
        build=("javac", "-d", "{built}", str(JAVA / "Receiver.java"), str(JAVA / "Vectors.java")),
        vectors=("java", "-cp", "{built}", "Vectors", "{vectors}"),
        serve=("java", "-cp", "{built}", "Receiver", "serve", "{port}"),
    ),
    Example(
        name="php",
        programs=("php",),
        vectors=("php", PHP, "vectors", "{vectors}"),
        serve=("php", "-S", f"{LOOPBACK}:{{port}}", PHP),
        work=("php", PHP, "work"),
        has_ed25519=False,
    ),
    Example(
        name="ruby",
        programs=("ruby", "rackup"),
        vectors=("ruby", str(RUBY / "receiver.rb"), "vectors", "{vectors}"),
        serve=("rackup", "-o", LOOPBACK, "-p", "{port}", str(RUBY / "config.ru")),
        has_ed25519=False,
    ),
)

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)


def filled(command: Sequence[str], place: Path, port: int = 0) -> list[str]:
    return [word.format(vectors=PATH, built=place, port=port) for word in command]


async def output_of(command: Sequence[str], env: dict[str, str] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env=env or kept_environment()
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, command
    return output.decode()


def kept_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("WEBHOOK_")}


def environment(example: Example, inbox: Path) -> dict[str, str]:
    known = [SECRET, OLD_SECRET, *([PUBLIC] if example.has_ed25519 else [])]
    words = {"WEBHOOK_INBOX": str(inbox), "WEBHOOK_SECRETS": " ".join(known)}
    return {**kept_environment(), **words}


Build = Callable[[Example], Awaitable[Path]]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compile an example, once; where it is then."""
    places: dict[str, Path] = {}

    async def made(example: Example) -> Path:
        example.skip_unless_usable()
        if example.name not in places:
            place = tmp_path_factory.mktemp(example.name)
            if example.build:
                await output_of(filled(example.build, place))
            places[example.name] = place
        return places[example.name]

    return made


@asynccontextmanager
async def running(command: Sequence[str], env: dict[str, str], output: Path) -> AsyncIterator[None]:
    """The command as a process that ends with the block."""
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=file, stderr=asyncio.subprocess.STDOUT, env=env
        )
        try:
            yield
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex((LOOPBACK, port)) == 0


def worked_on(output: str) -> list[str]:
    """The ids that the example says it worked on."""
    # Its server writes into the same file, sometimes before the line is at its end.
    return sorted(re.findall(r"work (evt_[a-z0-9]+)", output))


def ids_to_take(example: Example) -> int:
    """How many different webhooks a receiver takes while it is certified."""
    private_key = CURRENT if example.has_ed25519 else None
    plan = Plan(secret=CURRENT, old_secret=OLD, private_key=private_key, at=system_clock())
    makes = (make for attack in plan.attacks if attack.must_take for make in attack.requests)
    return len({make(0).headers["webhook-id"] for make in makes})


@each_example
async def test_an_example_judges_every_vector_rightly(example: Example, build: Build) -> None:
    place = await build(example)

    said = await output_of(filled(example.vectors, place))

    file = orjson.loads(PATH.read_bytes())
    vectors = file["vectors"] + (file["vectors_v1a"] if example.has_ed25519 else [])
    assert said.splitlines() == [
        f"{'valid' if vector['valid'] else 'invalid'} {vector['name']}" for vector in vectors
    ]


@each_example
async def test_a_running_example_is_certified_and_works_on_each_webhook_once(
    example: Example, build: Build, tmp_path: Path, eventually: Eventually
) -> None:
    place, port = await build(example), free_port()
    inbox, output = tmp_path / "inbox", tmp_path / "output"
    inbox.mkdir()
    (inbox / f"{LEFT}.json").write_text('{"type": "invoice.paid"}')
    asked = Certification(
        url=f"http://{LOOPBACK}:{port}/webhooks",
        secret=SECRET,
        old_secret=OLD_SECRET,
        private_key=PRIVATE_KEY if example.has_ed25519 else None,
        allow_private=True,
        quick_seconds=10.0,  # the machine of the tests is slow, not the example
        slow_body_seconds=0.2,
    )

    env = environment(example, inbox)
    async with running(filled(example.serve, place, port), env, output):
        await eventually(lambda: listens(port))
        report = await certify(asked, clock=system_clock)
        kept = sorted(path.stem for path in inbox.glob("*.json"))
        apart = await output_of(filled(example.work, place), env) if example.work else ""
        await eventually(lambda: len(list(inbox.glob("*.done"))) >= len(kept))

    assert [each.line() for each in report.findings if each.is_right is False] == []
    assert (len(kept), LEFT in kept) == (ids_to_take(example) + 1, True)
    (left, _) = gaps.missing(gaps.kept(inbox))[-1]
    assert f"must name {left}," in report.findings[-1].advice
    assert worked_on(output.read_text() + apart) == kept
    assert len({path.read_bytes() for path in inbox.glob("*.json")}) == len(kept)
    assert [path for path in inbox.iterdir() if path.suffix not in {".json", ".done"}] == []


@pytest.mark.allows_errors
async def test_work_that_fails_is_tried_again_and_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr(inboxes, "RETRY_SECONDS", 0.05)
    done: list[str] = []

    def work(webhook_id: str, body: bytes) -> None:
        if webhook_id == "evt_1" and "evt_2" not in done:
            raise OSError(body.decode())
        done.append(webhook_id)

    kept = inboxes.Inbox(tmp_path, work)
    kept.start()
    news = [kept.keep(webhook_id, b"{}") for webhook_id in ("evt_1", "evt_2", "evt_1")]
    await eventually((tmp_path / "evt_1.done").exists)

    assert news == [True, True, False]
    assert done == ["evt_2", "evt_1"]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([], []),
        ([3, 1, 2, 2], []),
        ([2, 4, 9, 4], [(1, 1), (3, 3), (5, 8)]),
    ],
)
async def test_the_python_example_names_the_numbers_that_never_came(
    tmp_path: Path, numbers: list[int], expected: list[tuple[int, int]]
) -> None:
    for place, number in enumerate(numbers):
        body = {"type": "invoice.paid", "sequence": number, "previous_id": None}
        (tmp_path / f"evt_{place}.json").write_bytes(orjson.dumps(body))
    (tmp_path / "evt_ping.json").write_text('{"type": "endpoint.ping"}')
    (tmp_path / "evt_0.done").touch()

    said = await output_of((*PYTHON, str(RECEIVERS / "python/gaps.py"), str(tmp_path)))

    asked = [f"from={first}&to={last}" for first, last in expected]
    assert [line.partition("?")[2] for line in said.splitlines()] == asked


@pytest.mark.parametrize("file", sorted((RECEIVERS / "python").glob("*.py")), ids=lambda f: f.stem)
def test_a_python_example_compiles(file: Path) -> None:
    compile(file.read_bytes(), file, "exec")
