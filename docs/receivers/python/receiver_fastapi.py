"""Receives webhooks with FastAPI: verify, keep once, answer at once, work afterwards."""

from __future__ import annotations

import uvicorn
from command import HOST, run
from fastapi import FastAPI, Request, Response
from inbox import Inbox
from keshikomi_webhooks import VerificationError, verify
from starlette.concurrency import run_in_threadpool


def serve(inbox: Inbox, secrets: list[str], port: int) -> None:
    """Listen until stopped."""
    app = FastAPI()

    @app.post("/webhooks")
    async def receive(request: Request) -> Response:
        body = await request.body()  # the raw bytes, never a model; the proxy limits their number
        try:
            webhook_id = verify(body, request.headers, secrets)
        except VerificationError as error:
            return Response(str(error), status_code=401)
        await run_in_threadpool(inbox.keep, webhook_id, body)
        return Response(status_code=204)  # the same for a repeat

    uvicorn.run(app, host=HOST, port=port)


if __name__ == "__main__":
    run(serve)
