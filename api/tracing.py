"""Who asked and in which trace: the request id and the W3C trace context of a request."""

from __future__ import annotations

import re
import secrets

from aiohttp import web
from aiohttp.typedefs import Handler

from streams.codecs import encode
from streams.ports import Record
from streams.topics import Topic

REQUEST_ID = web.RequestKey("request_id", str)
TRACEPARENT = web.RequestKey("traceparent", str)
VALID_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def new_traceparent(chance: str) -> str:
    """The beginning of a trace of our own, sampled, from 48 hexadecimal digits of chance."""
    return f"00-{chance[:32]}-{chance[32:48]}-01"


def new_request_id(chance: str) -> str:
    """What an answer and the log call a request by, from 16 hexadecimal digits of chance."""
    return f"req_{chance}"


@web.middleware
async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id and its trace, and name both in the answer."""
    given = request.headers.get("traceparent", "")
    chance = secrets.token_hex(32)  # once: the system is asked for it
    traceparent = given if VALID_TRACEPARENT.fullmatch(given) else new_traceparent(chance)
    request[TRACEPARENT] = traceparent
    request[REQUEST_ID] = new_request_id(chance[48:])
    response = await handler(request)
    if not response.prepared:
        response.headers["Server"] = "keshikomi"
        response.headers["traceparent"] = traceparent
        response.headers["X-Request-Id"] = request[REQUEST_ID]
    return response


def trace_headers(request: web.Request) -> tuple[tuple[str, bytes], ...]:
    """The headers of every record that this request writes."""
    return (("traceparent", request[TRACEPARENT].encode()),)


def traced_record(request: web.Request, topic: Topic, key: bytes, message: object) -> Record:
    """What a request says on a topic of the log, within its trace."""
    headers = trace_headers(request)
    return Record(topic=topic.name, key=key, value=encode(message), headers=headers)
