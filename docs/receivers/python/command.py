"""What the Python examples share: their command line, and the shop's work on a webhook."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from inbox import Inbox
from keshikomi_webhooks import VerificationError, verify

log = logging.getLogger("shop")

HOST = "127.0.0.1"
BODY_BYTES_MAX = 1024 * 1024


def run(serve: Callable[[Inbox, list[str], int], None]) -> None:
    """`serve PORT` listens; `vectors FILE` says of each published vector whether it is genuine."""
    if sys.argv[1:2] == ["vectors"]:
        tell_vectors(Path(sys.argv[2]))
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    secrets = os.environ["WEBHOOK_SECRETS"].split()
    inbox = Inbox(Path(os.environ["WEBHOOK_INBOX"]), work)
    inbox.start()
    serve(inbox, secrets, int(sys.argv[2]))


def work(webhook_id: str, body: bytes) -> None:
    """Here an order is released or stopped; docs/receive.md says by which rule."""
    log.info("work %s %s", webhook_id, json.loads(body)["type"])


def tell_vectors(path: Path) -> None:
    """One line for each vector: `valid` or `invalid`, and its name."""
    file = json.loads(path.read_text("utf-8"))
    for vector in [*file["vectors"], *file["vectors_v1a"]]:
        now = datetime.fromtimestamp(vector["now"], UTC)
        try:
            verify(vector["body"].encode(), vector["headers"], vector["secrets"], now)
            print("valid", vector["name"])
        except VerificationError:
            print("invalid", vector["name"])
