"""The examples take what our own sender signs with a private key, and nothing of a stranger's."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.stack.server import LOOPBACK, free_port
from streams.domain.signing import Signing, SigningKey
from tests.conftest import Eventually
from tests.functional.test_delivery_sender import BODY, attempt_at, sender
from tests.functional.test_receivers import (
    EXAMPLES,
    Build,
    Example,
    build,
    environment,
    filled,
    listens,
    running,
)
from tests.signature_vectors import CURRENT, PUBLIC

__all__ = ["build"]

OURS, STRANGER = SigningKey(CURRENT, Signing.V1A), SigningKey(bytes(32), Signing.V1A)


@pytest.mark.parametrize(
    "example", [each for each in EXAMPLES if each.has_ed25519], ids=lambda example: example.name
)
async def test_a_running_example_that_knows_the_public_key_alone_takes_our_deliveries(
    example: Example, build: Build, tmp_path: Path, eventually: Eventually
) -> None:
    place, port, inbox = await build(example), free_port(), tmp_path / "inbox"
    inbox.mkdir()
    env = {**environment(example, inbox), "WEBHOOK_SECRETS": PUBLIC}
    command, url = filled(example.serve, place, port), f"http://{LOOPBACK}:{port}/webhooks"

    async with running(command, env, tmp_path / "output"), sender(answer_seconds=10.0) as ours:
        await eventually(lambda: listens(port))
        strange = await attempt_at(url, ours, keys=[STRANGER])
        taken = await attempt_at(url, ours, keys=[OURS])
        kept = {path.stem: path.read_bytes() for path in inbox.glob("*.json")}

    assert strange.status_code in {400, 401}
    assert (taken.status_code or 0) // 100 == 2
    assert kept == {"evt_1": BODY}
