"""Errors as the outside sees them: one table, one problem document, one last resort."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from api.tracing import REQUEST_ID
from streams.domain.errors import (
    Conflict,
    KeshikomiError,
    Malformed,
    NotAuthentic,
    NotOurs,
    OverLimit,
    Sealed,
    Unavailable,
    UnknownInvoice,
)

PROBLEM_JSON = "application/problem+json"
SERVER = "keshikomi"
"""What the header of this name says of us, whoever answers."""
RETRY_AFTER_SECONDS = 1
PATH_CHARACTERS_MAX = 512
FAULTS_MAX = 100
"""The most faults of one body that are listed."""

STATUS_OF_ERROR: Mapping[type[KeshikomiError], int] = {
    Malformed: 422,
    NotAuthentic: 401,
    OverLimit: 422,
    UnknownInvoice: 404,
    Conflict: 409,
    Unavailable: 503,
}

NOT_NOW = (Unavailable, Sealed, NotOurs)
"""What the caller may try again: an engine comes back, or a person mends our settings."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong in JSON or in a query, and the JSON pointer to it."""

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultInFile:
    """One thing that is wrong in a file, which has no pointers; its line and column come first."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemShown:
    """An RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[Fault | FaultInFile]


class Problem(Exception):
    """An answer that ends the request; `faults` are pairs of a place and what is wrong there.

    A place is a JSON pointer, or the line and column of a file.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        faults: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.faults = status, detail, faults
        self.headers = dict(headers or {})


def wrong(*faults: tuple[str, str]) -> Problem:
    """The content is not what it must be: 422 with a pointer for each fault."""
    return Problem(422, "the request is well-formed but wrong", faults=faults)


def not_found(what: str) -> Problem:
    """It does not exist, or it is another merchant's, which is the same to a caller."""
    return Problem(404, f"there is no such {what}")


def come_back(status: int, detail: str, seconds: float = RETRY_AFTER_SECONDS) -> Problem:
    """Not now: 429 or 503 with `Retry-After`."""
    return Problem(status, detail, headers={"Retry-After": str(max(1, math.ceil(seconds)))})


def problem_response(request: web.BaseRequest, problem: Problem) -> web.Response:
    """The RFC 9457 document."""
    faults = [_fault(place, detail) for place, detail in problem.faults]
    document = ProblemShown(
        type="about:blank",
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        instance=request.path[:PATH_CHARACTERS_MAX],
        request_id=request.get(REQUEST_ID, ""),
        errors=faults[:FAULTS_MAX],
    )
    return web.Response(
        status=problem.status,
        body=orjson.dumps(document),
        content_type=PROBLEM_JSON,
        headers=problem.headers,
    )


def _fault(place: str, detail: str) -> Fault | FaultInFile:
    if place and not place.startswith("/"):
        return FaultInFile(detail=f"{place}: {detail}")
    return Fault(pointer=place, detail=detail)


def problem_of(error: KeshikomiError) -> Problem | None:
    """The answer to an error of the product; None when it is our own bug."""
    if isinstance(error, NOT_NOW):
        # What an engine said about itself is for the log, not for the caller.
        return come_back(503, "this cannot be done now")
    status = next((s for kind, s in STATUS_OF_ERROR.items() if isinstance(error, kind)), None)
    return Problem(status, str(error)) if status else None


def _problem_of_http(error: web.HTTPException) -> Problem:
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return Problem(
        error.status, HTTPStatus(error.status).description or error.reason, headers=headers
    )


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever goes wrong into a problem document."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem_response(request, problem)
    except web.HTTPException as error:
        return problem_response(request, _problem_of_http(error))
    except KeshikomiError as error:
        return _named_error(request, error)
    except Exception as error:  # noqa: BLE001  # the last resort: a caller never sees a traceback
        return _our_fault(request, error)


def _named_error(request: web.Request, error: KeshikomiError) -> web.Response:
    problem = problem_of(error)
    if problem is None:
        return _our_fault(request, error)
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        level = logging.WARNING if isinstance(error, Unavailable) else logging.ERROR
        logger.log(level, "%s %s: %s", request.method, request.path, error)
    return problem_response(request, problem)


def _our_fault(request: web.Request, error: BaseException) -> web.Response:
    request_id = request.get(REQUEST_ID, "")
    logger.error(
        "request %s failed: %s %s", request_id, request.method, request.path, exc_info=error
    )
    return problem_response(request, Problem(500, "this is our fault, and it was logged"))
