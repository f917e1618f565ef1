"""Receives webhooks with Flask: verify, keep once, answer at once, work afterwards."""

from __future__ import annotations

from command import BODY_BYTES_MAX, HOST, run
from flask import Flask, Response, request
from inbox import Inbox
from keshikomi_webhooks import VerificationError, verify


def serve(inbox: Inbox, secrets: list[str], port: int) -> None:
    """Listen until stopped."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX

    @app.post("/webhooks")
    def receive() -> Response:
        body = request.get_data()  # the raw bytes, never request.json
        try:
            webhook_id = verify(body, request.headers, secrets)
        except VerificationError as error:
            return Response(str(error), status=401)
        inbox.keep(webhook_id, body)
        return Response(status=204)  # the same for a repeat

    app.run(HOST, port)


if __name__ == "__main__":
    run(serve)
