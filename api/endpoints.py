"""Webhook endpoints: registered, changed, removed and tried by the merchant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from api.answers import AttemptShown, EndpointCreated, EndpointShown, EndpointsPage, PingShown
from api.call import Answer, Call, answer
from api.errors import Problem, not_found, wrong
from api.origin import Seed
from api.requests import EndpointPatch, EndpointRequest, Nothing, PageQuery
from api.tracing import TRACEPARENT, trace_headers
from connectors.address_guard import check_url
from connectors.webhooks import format_secret
from streams.codecs import encode
from streams.domain.delivery import (
    ENDPOINTS_PER_MERCHANT_MAX,
    SUCCESS,
    Attempt,
    Endpoint,
    EndpointStatus,
)
from streams.domain.errors import Malformed
from streams.domain.ids import EndpointId
from streams.messages import EndpointRemoved, EndpointSet
from streams.payloads import rfc3339
from streams.ports import Record
from streams.topics import NOTIFICATIONS


async def create_endpoint(call: Call[EndpointRequest, Nothing]) -> Answer:
    ports, directory, asked = call.services.ports, call.services.directory, call.body
    _check(asked.url, allow_private=ports.allow_private_endpoints)
    async with directory.changing:
        await directory.catch_up()
        seed, made = call.origin.find("ep", directory.endpoint)
        known = directory.endpoints_of(call.merchant_id)
        if made is None and len(known) >= ENDPOINTS_PER_MERCHANT_MAX:
            raise Problem(409, f"a merchant has at most {ENDPOINTS_PER_MERCHANT_MAX} endpoints")
        endpoint = made or _new(call, seed)
        # Also when it was made before: the try that was cut off may not have told the agent.
        await _write(call, endpoint)
    secret = ports.sealer.unseal(endpoint.sealed_secret, endpoint.endpoint_id)
    return answer(201, EndpointCreated(**_members(endpoint), secret=format_secret(secret)))


async def get_endpoint(call: Call[None, Nothing]) -> Answer:
    return answer(200, EndpointShown(**_members(await _endpoint(call))))


async def list_endpoints(call: Call[None, PageQuery]) -> Answer:
    await call.services.directory.catch_up()
    known = call.services.directory.endpoints_of(call.merchant_id)
    ids = [endpoint.endpoint_id for endpoint in known]
    after = call.query.after
    if after is not None and after not in ids:
        raise wrong(("/after", "in the query: there is no such cursor"))
    first = ids.index(EndpointId(after)) + 1 if after is not None else 0
    page = known[first : first + call.query.limit]
    more = len(known) > first + len(page)
    shown = [EndpointShown(**_members(endpoint)) for endpoint in page]
    return answer(200, EndpointsPage(data=shown, next=page[-1].endpoint_id if more else None))


async def change_endpoint(call: Call[EndpointPatch, Nothing]) -> Answer:
    ports, asked = call.services.ports, call.body
    if asked.url is not None:
        _check(asked.url, allow_private=ports.allow_private_endpoints)
    async with call.services.directory.changing:
        known = await _endpoint(call)
        given = {
            name: value
            for name in ("url", "types", "description", "status")
            if (value := getattr(asked, name)) is not None
        }
        changed = replace(known, **given, updated_at=ports.clock())
        await _write(call, changed)
    return answer(200, EndpointShown(**_members(changed)))


async def delete_endpoint(call: Call[None, Nothing]) -> Answer:
    async with call.services.directory.changing:
        known = await _endpoint(call)
        removed = EndpointRemoved(
            merchant_id=known.merchant_id,
            endpoint_id=known.endpoint_id,
            at=call.services.ports.clock(),
        )
        told = _told(call, removed)
        await call.services.directory.remove(known.endpoint_id, and_also=(told,))
    return Answer(status=204)


async def ping_endpoint(call: Call[Nothing, Nothing]) -> Answer:
    ports, endpoint = call.services.ports, await _endpoint(call)
    body = {
        "type": "endpoint.ping",
        "timestamp": rfc3339(ports.clock()),
        "data": {"endpoint": {"id": endpoint.endpoint_id, "url": endpoint.url}},
    }
    event_id = call.origin.seeds[0].new_id("evt")
    attempt = await ports.webhooks.send(
        url=endpoint.url,
        secrets=(ports.sealer.unseal(endpoint.sealed_secret, endpoint.endpoint_id),),
        webhook_id=event_id,
        body=orjson.dumps(body),
        traceparent=call.request[TRACEPARENT],
        number=1,
    )
    delivered = attempt.status_code in SUCCESS
    shown = PingShown(event_id=event_id, delivered=delivered, attempt=attempt_shown(attempt))
    return answer(200, shown)


def attempt_shown(attempt: Attempt) -> AttemptShown:
    """One try as the API shows it."""
    return AttemptShown(
        number=attempt.number,
        at=attempt.at,
        duration_ms=attempt.duration_ms,
        status_code=attempt.status_code,
        error=attempt.error,
        answer=attempt.answer,
    )


async def _endpoint(call: Call[object, object]) -> Endpoint:
    await call.services.directory.catch_up()
    endpoint = call.services.directory.endpoint(call.path("endpoint_id"))
    if endpoint is None or endpoint.merchant_id != call.merchant_id:
        raise not_found("endpoint")
    return endpoint


def _new(call: Call[EndpointRequest, object], seed: Seed) -> Endpoint:
    asked, endpoint_id = call.body, EndpointId(seed.new_id("ep"))
    secret = seed.secret("webhook secret")
    return Endpoint(
        endpoint_id=endpoint_id,
        merchant_id=call.merchant_id,
        url=asked.url,
        types=asked.types,
        sealed_secret=call.services.ports.sealer.seal(secret, endpoint_id),
        status=EndpointStatus.ENABLED,
        created_at=call.origin.at,
        updated_at=call.origin.at,
        description=asked.description,
    )


async def _write(call: Call[object, object], endpoint: Endpoint) -> None:
    # The agent that fans out must know of the endpoint in the order of the merchant's events.
    row = EndpointSet(endpoint=endpoint)
    await call.services.directory.set(row, and_also=(_told(call, row),))


def _told(call: Call[object, object], message: EndpointSet | EndpointRemoved) -> Record:
    return Record(
        topic=NOTIFICATIONS.name,
        key=call.merchant_id.encode(),
        value=encode(message),
        headers=trace_headers(call.request),
    )


def _check(url: str, *, allow_private: bool) -> None:
    try:
        check_url(url, allow_private=allow_private)
    except Malformed as error:
        raise wrong(("/url", str(error))) from None


def _members(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.endpoint_id,
        "url": endpoint.url,
        "types": list(endpoint.types),
        "description": endpoint.description,
        "status": endpoint.status,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }
