"""One call of the API: what a handler is given, what it answers, and how a route is declared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson
from aiohttp import web

from api.origin import Origin
from streams.domain.ids import MerchantId

if TYPE_CHECKING:
    from api.services import Services

B_co = TypeVar("B_co", covariant=True)
Q_co = TypeVar("Q_co", covariant=True)

JSON = "application/json"
ID = "[A-Za-z0-9_-]{1,64}"
"""What a part of a path that is an id matches."""


class Who(StrEnum):
    """Who may make a call."""

    MERCHANT = "merchant"
    ADMIN = "admin"
    PROVIDER = "provider"
    ANYONE = "anyone"


class Body(StrEnum):
    """How a body comes: as JSON of the route's type, or as bytes that a channel reads."""

    NONE = "none"
    JSON = "json"
    NOTICE = "notice"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who was recognised; without a merchant it is the operator, or nobody in particular."""

    key_id: str
    merchant_id: MerchantId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, body and headers, before they become a response."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(status: int, value: object) -> Answer:
    """An answer in JSON; times in UTC with `Z`."""
    return Answer(status=status, body=orjson.dumps(value, option=orjson.OPT_UTC_Z))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[B_co, Q_co]):
    """A request that was authenticated and decoded."""

    services: Services
    request: web.Request
    caller: Caller
    body: B_co
    query: Q_co
    origin: Origin
    """What new things are drawn from."""

    @property
    def merchant_id(self) -> MerchantId:
        """The merchant who calls."""
        assert self.caller.merchant_id is not None, "the route is declared for merchants"
        return self.caller.merchant_id

    def path(self, name: str) -> str:
        """A part of the path; it has the shape of an id."""
        return self.request.match_info[name]


Handler = Callable[[Call[Any, Any]], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One call as it is declared: routing, access, decoding and OpenAPI follow from it.

    `answers` are the types by status, `media_type` is theirs; None is an answer without a body.
    `refuses` names the problems that do not follow from the rest.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    who: Who
    name: str
    answers: Mapping[int, Any]
    body: Any = None
    body_kind: Body = Body.NONE
    query: Any = None
    media_type: str = JSON
    refuses: tuple[int, ...] = ()
    idempotent: bool = False


def post_once(path: str, handler: Handler, summary: str, *, body: Any, **more: Any) -> Route:
    """A POST of section 2: JSON, and once only under an `Idempotency-Key`."""
    return Route(
        method="POST",
        path=path,
        handler=handler,
        summary=summary,
        name=handler.__name__,
        body=body,
        body_kind=Body.JSON,
        idempotent=True,
        **more,
    )


def declare(method: str, path: str, handler: Handler, summary: str, **more: Any) -> Route:
    """Any other call."""
    return Route(
        method=method, path=path, handler=handler, summary=summary, name=handler.__name__, **more
    )
