"""Receives webhooks with aiohttp: verify, keep once, answer at once, work afterwards."""

from __future__ import annotations

import asyncio

from aiohttp import web
from command import BODY_BYTES_MAX, HOST, run
from inbox import Inbox
from keshikomi_webhooks import VerificationError, verify


def serve(inbox: Inbox, secrets: list[str], port: int) -> None:
    """Listen until stopped."""

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()  # the raw bytes, never request.json()
        try:
            webhook_id = verify(body, request.headers, secrets)
        except VerificationError as error:
            return web.Response(status=401, text=str(error))
        await asyncio.to_thread(inbox.keep, webhook_id, body)
        return web.Response(status=204)  # the same for a repeat

    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.router.add_post("/webhooks", receive)
    web.run_app(app, host=HOST, port=port)


if __name__ == "__main__":
    run(serve)
