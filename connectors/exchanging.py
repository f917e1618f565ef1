"""One HTTP/1.1 connection of our side: a request goes out, an answer comes back, in bounds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import NamedTuple, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from connectors.failures import ClosedByPeer, NotHttp
from connectors.stages import Stages

ANSWER_BYTES_MAX = 16 * 1024
HEAD_BYTES_MAX = 32 * 1024
"""Of the heads of an answer together, with those that only announce it (1xx)."""
FRAMING_TIMES_MAX = 4
"""Chunks may be as small as they like, but their lines must not go on for ever."""
ANNOUNCEMENTS = frozenset({100, *range(102, 200)})
"""Heads that announce the answer. 101 is one, to a question that we do not ask."""
STATUS_CODES = range(100, 1000)
LENGTHS = re.compile(rb"\ncontent-length:[ \t]*(\d+)[ \t]*(?=\r?\n)", re.IGNORECASE)
RETRY_AFTER = b"retry-after"


class Answer(NamedTuple):
    """What came back; `body` is its beginning, and empty where nothing of it came in time."""

    status_code: int
    body: bytes
    retry_after: str | None


class Connection(asyncio.Protocol):
    """Made by `connectors.connecting`; one request at a time.

    Bytes that nobody asked for end it: what comes before a request is no answer to it.
    """

    __slots__ = (
        "_answer", "_answer_seconds", "_body", "_bytes", "_failure", "_first_line", "_loop",
        "_lost", "_parser", "_retry_after", "_stages", "_status_code", "_timer", "_transport",
        "address", "is_open", "kept_since", "opened_at",
    )  # fmt: skip

    def __init__(self, lost: Callable[[Connection], None]) -> None:
        """`lost` is told when the connection has ended, whoever ended it."""
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        # As browsers do, and as nobody is harmed by: the answer is used for its status alone.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
            lenient_chunked_length=True,
        )
        self._answer: asyncio.Future[Answer] | None = None
        self._failure: BaseException | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.is_open = False
        """Whether another request may go this way."""
        self.address = ""
        self.kept_since = 0.0
        self.opened_at = 0.0
        self._forget()

    def _forget(self) -> None:
        self._status_code: int | None = None
        self._first_line: int | None = None
        self._retry_after: str | None = None
        self._body = b""
        self._bytes = 0

    @property
    def has_heard(self) -> bool:
        """Whether anything of the latest answer came, if not all of it."""
        return self._bytes > 0

    async def exchange(
        self,
        request: bytes,
        *,
        seconds: float,
        answer_seconds: float,
        stages: Stages,
    ) -> Answer:
        """Send a request and return what is answered, within `seconds` in all.

        Once its status is known the rest of the answer may take `answer_seconds`; what is long,
        slow or broken then costs the connection, and no more.

        Raises:
            TimeoutError: no status came in time.
            ClosedByPeer: the connection ended before one came.
            NotHttp: what came is no answer of HTTP.
            OSError: the system says that the connection broke.
        """
        if not self.is_open or self._transport is None:
            raise self._failure or ClosedByPeer
        self._forget()
        self._stages, self._answer_seconds = stages, answer_seconds
        self._answer = self._loop.create_future()
        self._timer = self._loop.call_later(seconds, self._late)
        self._transport.write(request)
        try:
            return await self._answer
        except asyncio.CancelledError:
            self.abort()  # also where the answer came in the same moment: nobody keeps it
            raise
        finally:
            self._timer.cancel()
            self._answer = None

    def abort(self) -> None:
        """End it now: nothing more is read or sent.

        TLS is not ended in form, which would wait for the other side; HTTP says where it ends.
        """
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    # --- how an exchange ends

    def _answered(self, *, is_whole: bool) -> None:
        if self._answer is not None and not self._answer.done():
            assert self._status_code is not None, "a head is read first"
            self._answer.set_result(Answer(self._status_code, self._body, self._retry_after))
        if not is_whole:
            self.abort()

    def _failed(self, failure: BaseException) -> None:
        """Without a status the exchange has failed; with one, nothing that follows counts."""
        if self._status_code is not None:
            self._answered(is_whole=False)
            return
        self._failure = self._failure or failure
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(failure)
        self.abort()

    def _late(self) -> None:
        self._failed(TimeoutError())

    def _unreadable(self, data: bytes) -> None:
        """What came breaks the rules of HTTP.

        One offence is pardoned, as RFC 9110 (8.6) allows: a length that is said again in the same
        piece, which proxies do; the parser gives up there, after the first line.
        """
        lengths = LENGTHS.findall(data)
        if self._status_code is None and len(lengths) > 1 and len(set(lengths)) == 1:
            self._status_code = self._first_line
            self._stages.enter(None)
        self._failed(NotHttp())

    # --- what the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._failed(exc or ClosedByPeer())
        self._transport = None
        del self._parser  # it holds us, as we hold it
        self._lost(self)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None or answer.done():
            self._failure = NotHttp()
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._answered(is_whole=False)  # 101, which nobody asked for
        except HttpParserError:
            self._unreadable(data)
        if not answer.done():
            self._go_on(len(data))

    def _go_on(self, size: int) -> None:
        """More has to come of the answer, within bounds."""
        self._bytes += size
        if self._status_code is None:
            if self._bytes > HEAD_BYTES_MAX:
                self._failed(NotHttp())
        elif self._bytes > HEAD_BYTES_MAX + FRAMING_TIMES_MAX * ANSWER_BYTES_MAX:
            self._answered(is_whole=False)
        elif self._answer_seconds > 0 and self._timer is not None:
            self._timer.cancel()
            until = min(self._timer.when(), self._loop.time() + self._answer_seconds)
            self._timer = self._loop.call_at(until, self._late)
            self._answer_seconds = 0.0

    # --- what the parser says

    def on_message_begin(self) -> None:
        if self._answer is None or self._answer.done():
            self.abort()  # a second answer to one request

    def on_status(self, _reason: bytes) -> None:
        status_code = self._parser.get_status_code()
        if status_code in STATUS_CODES and status_code not in ANNOUNCEMENTS:
            self._first_line = status_code

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == len(RETRY_AFTER) and name.lower() == RETRY_AFTER:
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status_code = self._parser.get_status_code()
        if status_code in ANNOUNCEMENTS:
            self._retry_after = None
            return
        if status_code not in STATUS_CODES:
            self._failed(NotHttp())
            return
        self._status_code = status_code
        self._stages.enter(None)

    def on_body(self, body: bytes) -> None:
        room = ANSWER_BYTES_MAX - len(self._body)
        self._body += body[:room]
        if len(body) > room:
            self._answered(is_whole=False)

    def on_message_complete(self) -> None:
        if self._status_code is None:
            return
        assert self._transport is not None, "what is parsed has been received"
        is_sent = self._transport.get_write_buffer_size() == 0
        if not (self._parser.should_keep_alive() and is_sent):
            self.is_open = False
        self._answered(is_whole=True)
