"""Connections that say nothing we can serve: a problem document for them, and one line of log.

aiohttp itself answers what it cannot parse as plain text with the caller's own bytes in it, and
logs it with a traceback, which anyone could fill the log with. Its private names that are used
here are pinned by `tests/unit/test_api_connections.py`.
"""

from __future__ import annotations

import logging
import secrets
from http import HTTPStatus
from typing import Any

from aiohttp import http_exceptions, web
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from api.errors import SERVER, Problem, problem_response
from api.tracing import REQUEST_ID, new_request_id

LINE_BYTES_MAX = 8_190
FIELD_BYTES_MAX = 8_192
"""Not the same as a line's, for only its limit says which of the two was too long."""
TOO_MANY_HEADERS = "Too many headers"
CALLERS_FAULTS = (http_exceptions.HttpProcessingError, RequestPayloadError, ConnectionError)

logger = logging.getLogger(__name__)


class Connection(RequestHandler):
    """One connection; what it is sent is never repeated, to the caller or to the log."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what never became a request of the application."""
        request_id = request[REQUEST_ID] = new_request_id(secrets.token_hex(8))
        if status != HTTPStatus.BAD_REQUEST:
            logger.error("request %s failed", request_id, exc_info=exc)
        else:
            logger.info("request %s refused: not HTTP (%s)", request_id, type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of an answer was sent already")
        problem = _problem(exc) if status == HTTPStatus.BAD_REQUEST else Problem(status, "failed")
        response = problem_response(request, problem)
        response.headers["Server"] = SERVER
        response.headers["X-Request-Id"] = request_id
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """What a caller can bring about at will is one line; the rest is our own bug."""
        error = kw.get("exc_info")
        if isinstance(error, CALLERS_FAULTS):
            logger.info("gave a connection up (%s)", type(error).__name__)
        else:
            super().log_exception(*args, **kw)


class ConnectionServer(web.Server):
    """Makes our connections where aiohttp would make its own."""

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class ConnectionRunner(web.AppRunner):
    """Runs an application behind our connections."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return ConnectionServer(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,  # noqa: SLF001  # aiohttp has no other way to name the class
        )


def _problem(error: BaseException | None) -> Problem:
    if isinstance(error, http_exceptions.LineTooLong):
        if error.args[1] == LINE_BYTES_MAX:
            return Problem(414, f"the URL has at most {LINE_BYTES_MAX} bytes")
        return Problem(431, f"a header has at most {FIELD_BYTES_MAX} bytes")
    if isinstance(error, http_exceptions.BadHttpMessage) and (
        error.message.startswith(TOO_MANY_HEADERS)
    ):
        return Problem(431, "there are too many headers")
    return Problem(400, "this is not an HTTP request that can be read")
