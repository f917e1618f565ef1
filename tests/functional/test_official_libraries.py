"""What the sender sends is verified by the official Standard Webhooks libraries of other languages.

The one for Python verifies in many tests. Those here are fetched once, pinned and by their hashes.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from connectors.signing import format_secret
from streams.domain.signing import SigningKey
from tests.functional.test_delivery_sender import (
    OLD_SECRET,
    SECRET,
    attempt_at,
    receiver,
    sender,
)

OFFICIAL = Path(__file__).parent.parent / "official"
FETCH_SECONDS = 100.0


@dataclass(frozen=True, kw_only=True)
class Library:
    """How a program that asks the official library is made, in a folder of its own, and run."""

    name: str
    program: str
    make: Sequence[str]
    verify: Sequence[str]


LIBRARIES = (
    Library(
        name="node",
        program="npm",
        make=("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"),
        verify=("node", "verify.mjs"),
    ),
    Library(name="go", program="go", make=("go", "build", "verify.go"), verify=("./verify",)),
)


async def output_of(command: Sequence[str], folder: Path, given: bytes = b"") -> tuple[str, int]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(given), FETCH_SECONDS)
    assert process.returncode is not None
    return output.decode(), process.returncode


Make = Callable[[Library], Awaitable[Path]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    async def made(library: Library) -> Path:
        if shutil.which(library.program) is None:
            pytest.skip(f"the official library for {library.name}: no {library.program} here")
        folder = tmp_path / library.name
        shutil.copytree(OFFICIAL / library.name, folder)
        output, status = await output_of(library.make, folder)
        if status != 0:
            pytest.skip(f"the official library for {library.name} cannot be had: {output[-300:]}")
        return folder

    return made


async def delivered() -> list[dict[str, object]]:
    """One delivery as each receiver sees it whose secret is the new, the old or another one."""
    received: list[tuple[dict[str, str], str]] = []

    async def handler(request: web.Request) -> web.Response:
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        received.append(({name: request.headers[name] for name in names}, await request.text()))
        return web.Response()

    async with receiver(handler) as url, sender() as webhooks:
        await attempt_at(url, webhooks, keys=[SigningKey(SECRET), SigningKey(OLD_SECRET)])
    [(headers, body)] = received
    changed = body.replace("paid", "said")
    given = [(SECRET, body), (OLD_SECRET, body), (bytes(32), body), (SECRET, changed)]
    return [
        {"secret": format_secret(secret), "headers": headers, "body": text}
        for secret, text in given
    ]


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
async def test_an_official_library_verifies_a_delivery(library: Library, make: Make) -> None:
    folder = await make(library)
    lines = b"".join(orjson.dumps(each) + b"\n" for each in await delivered())

    said, status = await output_of(library.verify, folder, lines)

    assert (said.split(), status) == (["valid", "valid", "invalid", "invalid"], 0)
