"""Webhook endpoints: registered, changed, removed and tried by the merchant."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import orjson

from api.answers import PingShown
from api.call import Answer, Call, answer
from api.deliveries import attempt_shown
from api.endpoint_answers import (
    EndpointShown,
    EndpointsPage,
    EndpointWithSecret,
    endpoint_shown,
    endpoint_with_secret,
)
from api.errors import Problem, not_found, wrong
from api.origin import Seed
from api.requests import EndpointPatch, EndpointRequest, Nothing, PageQuery, RotateRequest
from api.tracing import TRACEPARENT, traced_record
from connectors.address_guard import check_url
from connectors.targets import new_secret, open_target, seal_headers
from streams.domain.delivery import (
    ENDPOINTS_PER_MERCHANT_MAX,
    SUCCESS,
    Endpoint,
    EndpointStatus,
)
from streams.domain.errors import Malformed
from streams.domain.ids import EndpointId
from streams.domain.signing import Signing, SigningSecret, rotated
from streams.messages import EndpointRemoved, EndpointSet
from streams.payloads import rfc3339
from streams.ports import Record
from streams.topics import NOTIFICATIONS

ID_OF_SECRET = "sec"  # noqa: S105  # the beginning of ids, not a secret
"""What the id of a signing secret begins with."""
CHANGED = (
    *("url", "types", "description", "status", "timeout_seconds", "retry_seconds"),
    *("supersede", "ack_required", "ack_seconds"),
)
"""What a change may give that stands in the record as it was given."""


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
    return answer(201, _with_secret(call, endpoint, endpoint.secrets_at(ports.clock())[0]))


async def get_endpoint(call: Call[None, Nothing]) -> Answer:
    return answer(200, _shown(call, await endpoint_of(call)))


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
    shown = [_shown(call, endpoint) for endpoint in page]
    return answer(200, EndpointsPage(data=shown, next=page[-1].endpoint_id if more else None))


async def change_endpoint(call: Call[EndpointPatch, Nothing]) -> Answer:
    ports, asked = call.services.ports, call.body
    if asked.url is not None:
        _check(asked.url, allow_private=ports.allow_private_endpoints)
    async with call.services.directory.changing:
        known, now = await endpoint_of(call), ports.clock()
        asked_for = {name: getattr(asked, name) for name in CHANGED}
        given = {name: value for name, value in asked_for.items() if value is not None}
        if asked.headers is not None:
            given["sealed_headers"] = seal_headers(ports.sealer, asked.headers, known.endpoint_id)
        if _is_tried_anew(call, known):
            given["enabled_at"] = now
        changed = replace(known.tidied(now), **given, updated_at=now)
        await _write(call, changed)
    return answer(200, _shown(call, changed))


async def rotate_secret(call: Call[RotateRequest, Nothing]) -> Answer:
    asked = call.body
    async with call.services.directory.changing:
        known, now = await endpoint_of(call), call.services.ports.clock()
        secrets = known.secrets_at(now)
        by_id = {secret.secret_id: secret for secret in secrets}
        seed, made = call.origin.find(ID_OF_SECRET, by_id.get)
        new = made or _secret(call, seed, known.endpoint_id, asked.signing or secrets[0].signing)
        if made is None:
            overlap = timedelta(seconds=asked.overlap_seconds)
            secrets = rotated(secrets, new, now=now, overlap=overlap)
            known = replace(known.tidied(now), secrets=secrets, updated_at=now)
        # Also when it was made before, as with a new endpoint.
        await _write(call, known)
    return answer(200, _with_secret(call, known, new))


async def delete_endpoint(call: Call[None, Nothing]) -> Answer:
    async with call.services.directory.changing:
        known = await endpoint_of(call)
        removed = EndpointRemoved(
            merchant_id=known.merchant_id,
            endpoint_id=known.endpoint_id,
            at=call.services.ports.clock(),
        )
        told = _told(call, removed)
        await call.services.directory.remove(known.endpoint_id, but_first=(told,))
    return Answer(status=204)


async def ping_endpoint(call: Call[Nothing, Nothing]) -> Answer:
    ports, endpoint = call.services.ports, await endpoint_of(call)
    body = {
        "type": "endpoint.ping",
        "timestamp": rfc3339(ports.clock()),
        "data": {"endpoint": {"id": endpoint.endpoint_id, "url": endpoint.url}},
    }
    event_id = call.origin.seeds[0].new_id("evt")
    attempt = await ports.webhooks.send(
        target=open_target(ports.sealer, endpoint, ports.clock()),
        webhook_id=event_id,
        body=orjson.dumps(body),
        traceparent=call.request[TRACEPARENT],
        number=1,
    )
    delivered = attempt.status_code in SUCCESS
    shown = PingShown(event_id=event_id, delivered=delivered, attempt=attempt_shown(attempt))
    return answer(200, shown)


async def endpoint_of(call: Call[object, object]) -> Endpoint:
    """The merchant's endpoint that the path names; raises a 404 when there is none."""
    await call.services.directory.catch_up()
    endpoint = call.services.directory.endpoint(call.path("endpoint_id"))
    if endpoint is None or endpoint.merchant_id != call.merchant_id:
        raise not_found("endpoint")
    return endpoint


def _is_tried_anew(call: Call[EndpointPatch, object], known: Endpoint) -> bool:
    """Whether attempts before the change say nothing any more of the endpoint after it."""
    asked = call.body
    is_moved = asked.url is not None and asked.url != known.url
    # Another URL alone does not enable what was stopped.
    is_stopped = call.services.directory.with_health(known).status_reason is not None
    return asked.status is EndpointStatus.ENABLED or (is_moved and not is_stopped)


def _new(call: Call[EndpointRequest, object], seed: Seed) -> Endpoint:
    asked, endpoint_id = call.body, EndpointId(seed.new_id("ep"))
    return Endpoint(
        endpoint_id=endpoint_id,
        merchant_id=call.merchant_id,
        url=asked.url,
        types=asked.types,
        status=EndpointStatus.ENABLED,
        created_at=call.origin.at,
        updated_at=call.origin.at,
        description=asked.description,
        secrets=(_secret(call, seed, endpoint_id, asked.signing),),
        sealed_headers=seal_headers(call.services.ports.sealer, asked.headers, endpoint_id),
        timeout_seconds=asked.timeout_seconds,
        retry_seconds=asked.retry_seconds,
        supersede=asked.supersede,
        ack_required=asked.ack_required,
        ack_seconds=asked.ack_seconds,
    )


def _secret(
    call: Call[object, object], seed: Seed, endpoint_id: EndpointId, signing: Signing
) -> SigningSecret:
    return new_secret(
        call.services.ports.sealer,
        seed.secret(f"webhook secret {signing}"),
        signing,
        endpoint_id=endpoint_id,
        secret_id=seed.new_id(ID_OF_SECRET),
        at=call.origin.at,
    )


async def _write(call: Call[object, object], endpoint: Endpoint) -> None:
    # The agent that fans out must know of the endpoint in the order of the merchant's events.
    row = EndpointSet(endpoint=endpoint)
    await call.services.directory.set(row, and_then=(_told(call, row),))


def _told(call: Call[object, object], message: EndpointSet | EndpointRemoved) -> Record:
    return traced_record(call.request, NOTIFICATIONS, call.merchant_id.encode(), message)


def _check(url: str, *, allow_private: bool) -> None:
    try:
        check_url(url, allow_private=allow_private)
    except Malformed as error:
        raise wrong(("/url", str(error))) from None


def _shown(call: Call[object, object], endpoint: Endpoint) -> EndpointShown:
    ports = call.services.ports
    known = call.services.directory.with_health(endpoint)
    return endpoint_shown(known, sealer=ports.sealer, now=ports.clock())


def _with_secret(
    call: Call[object, object], endpoint: Endpoint, secret: SigningSecret
) -> EndpointWithSecret:
    ports = call.services.ports
    known = call.services.directory.with_health(endpoint)
    return endpoint_with_secret(known, secret, sealer=ports.sealer, now=ports.clock())
