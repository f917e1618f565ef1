"""The way of every request: who, how often, what query, what body, once only, then the handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from api.call import Answer, Body, Call, Caller, Route
from api.decoding import decode_body, decode_query, read_body
from api.errors import Problem
from api.origin import Origin, by_chance
from api.requests import Nothing
from api.services import SERVICES, Services


def serve(route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The aiohttp handler of a route."""

    async def handle(request: web.Request) -> web.Response:
        services = request.app[SERVICES]
        caller = await services.gatekeeper.recognise(request, route.who)
        query = decode_query(request, route.query or Nothing)
        if route.body_kind is not Body.FILE:
            return await _answered(route, request, caller, query)
        with services.file_slots.taken(str(caller.merchant_id)):
            return await _answered(route, request, caller, query)

    return handle


async def _answered(
    route: Route, request: web.Request, caller: Caller, query: object
) -> web.Response:
    services = request.app[SERVICES]
    body = await _body_of(route, request, services)

    async def make(origin: Origin) -> Answer:
        is_json = route.body_kind is Body.JSON
        decoded = decode_body(request, body, route.body) if is_json else body
        call = Call(
            services=services,
            request=request,
            caller=caller,
            body=decoded,
            query=query,
            origin=origin,
        )
        return await route.handler(call)

    key = request.headers.get("Idempotency-Key")
    if not route.idempotent or key is None:
        return _response(await make(by_chance(services.ports.clock())))
    # The keys of one merchant have one owner, so a rotation between two tries is no matter.
    owner, scope = str(caller.merchant_id or caller.key_id), f"{route.method} {request.rel_url}"
    once = services.idempotency.once
    return _response(await once(owner=owner, scope=scope, key=key, body=body, make=make))


async def _body_of(route: Route, request: web.Request, services: Services) -> bytes:
    limits = services.ports.limits
    if route.body_kind is Body.NONE:
        if request.body_exists:
            raise Problem(422, "this call takes no body", headers={"Connection": "close"})
        return b""
    if route.body_kind is Body.FILE:
        return await read_body(
            request, bytes_max=limits.file_bytes_max, seconds_max=limits.file_seconds_max
        )
    return await read_body(
        request, bytes_max=limits.body_bytes_max, seconds_max=limits.body_seconds_max
    )


def _response(made: Answer) -> web.Response:
    return web.Response(
        status=made.status,
        body=made.body,
        headers={**made.headers, "Content-Type": made.content_type} if made.body else made.headers,
    )
