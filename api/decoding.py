"""From bytes to a request's type: everything wrong is told at once, nothing is guessed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import aiohttp
from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from api.errors import Problem, wrong
from api.requests import Nothing
from streams.codecs import check_json
from streams.domain.errors import Malformed

READ_BYTES = 64 * 1024
NOTHING = Nothing()
NOT_OUR_WORDS = "Value error, "
"""What pydantic puts before the words of our own validators."""


async def read_body(request: web.Request, *, bytes_max: int, seconds_max: float) -> bytes:
    """Read the body, but never more than is allowed, nor for longer."""
    coding = request.headers.get("Content-Encoding", "identity")
    if coding.lower() != "identity":
        raise Problem(
            415, "compressed bodies are not taken", headers={"Accept-Encoding": "identity"}
        )
    if (request.content_length or 0) > bytes_max:
        raise _too_large(bytes_max)
    body = bytearray()
    try:
        if request.content.is_eof() and request.content_length is not None:
            # It is here, as nearly all are: nothing can be slow, nor larger than it said.
            return await request.content.read()
        async with asyncio.timeout(seconds_max):
            while chunk := await request.content.read(READ_BYTES):
                body += chunk
                if len(body) > bytes_max:
                    raise _too_large(bytes_max)
    except TimeoutError:
        raise Problem(408, "the body came too slowly", headers={"Connection": "close"}) from None
    except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, ConnectionError):
        raise Problem(400, "the body ended before its end") from None
    return bytes(body)


def _too_large(bytes_max: int) -> Problem:
    # What is left of the body is not read, so the connection cannot serve another request.
    headers = {"Connection": "close"}
    return Problem(413, f"a body has at most {bytes_max} bytes", headers=headers)


@cache
def adapter_of(kind: Any) -> TypeAdapter[Any]:
    """The validator of a type, built once."""
    return TypeAdapter(kind)


def decode_body(request: web.Request, body: bytes, kind: Any) -> Any:
    """A JSON body as the route's type; a body that is left out is an empty object."""
    if not body:
        body = b"{}"
    elif request.content_type != "application/json":
        raise Problem(415, "the body must be application/json")
    try:
        check_json(body)
    except Malformed as error:
        raise Problem(400, str(error)) from None
    try:
        return adapter_of(kind).validate_json(body, strict=True)
    except ValidationError as error:
        raise wrong(*_faults(error)) from None


def decode_query(request: web.Request, kind: Any) -> Any:
    """The query as the route's type; a parameter that is given twice or unknown is refused."""
    given = request.query
    if not given and kind is Nothing:
        return NOTHING
    twice = [
        name for name, times in Counter(name for name, _ in given.items()).items() if times > 1
    ]
    if twice:
        raise wrong(*((pointer_of((name,)), "the query gives it twice") for name in twice))
    try:
        return adapter_of(kind).validate_python(dict(given))
    except ValidationError as error:
        faults = ((pointer, f"in the query: {detail}") for pointer, detail in _faults(error))
        raise wrong(*faults) from None


def pointer_of(parts: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def plain_words(text: str) -> str:
    """What is wrong, without the library that found it."""
    return text.replace(NOT_OUR_WORDS, "")


def _faults(error: ValidationError) -> list[tuple[str, str]]:
    # Never the input itself: it may hold a secret or a name.
    told = error.errors(include_url=False, include_input=False, include_context=False)
    return [
        (
            pointer_of([part for part in fault["loc"] if part != "[key]"])[:200],
            plain_words(fault["msg"]),
        )
        for fault in told
    ]
