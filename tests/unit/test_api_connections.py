"""The private names of aiohttp that our connections lean on; a change there fails here."""

from __future__ import annotations

import inspect

from aiohttp import http_exceptions, web
from aiohttp.web_protocol import RequestHandler

from api.connections import FIELD_BYTES_MAX, LINE_BYTES_MAX


def test_aiohttp_makes_its_server_and_connections_as_we_know_it() -> None:
    assert "_make_server" in vars(web.AppRunner)
    made = inspect.getsource(web.Server.__call__)
    assert "RequestHandler(self, loop=self._loop, **self._kwargs)" in made
    init = inspect.getsource(web.Server.__init__)
    for name in ("request_handler", "request_factory", "handler_cancellation", "_kwargs", "_loop"):
        assert f"self.{name} = " in init


def test_aiohttp_answers_its_own_errors_where_we_know_it() -> None:
    names = list(inspect.signature(RequestHandler.handle_error).parameters)
    assert names == ["self", "request", "status", "exc", "message"]
    assert "return self.handle_error(" in inspect.getsource(RequestHandler)
    assert 'self.log_exception("Unhandled exception", exc_info=exc)' in inspect.getsource(
        RequestHandler.start
    )


def test_a_line_that_is_too_long_tells_which_limit_it_is_over() -> None:
    assert http_exceptions.LineTooLong(b"x", LINE_BYTES_MAX).args[1] == LINE_BYTES_MAX
    assert LINE_BYTES_MAX != FIELD_BYTES_MAX
