"""Notice intake: authenticate, read, make durable, and answer as the provider expects."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from api.call import Answer, Call
from api.decoding import plain_words
from api.errors import Problem, come_back, not_found
from api.intake import (
    Heard,
    record_of_noted,
    record_of_quarantined,
    records_of_notices,
)
from api.keeping import kept_raw, mask_raw
from api.requests import Nothing
from api.services import Services
from api.tracing import trace_headers
from connectors.channel import Account, Channel, Incoming, Reply
from streams.domain.errors import Malformed, NotAuthentic, Sealed, Unavailable
from streams.domain.notice import Notice, check_notice
from streams.messages import AccountSet

CONTENT_TYPE_CHARACTERS_MAX = 200

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivery:
    """One request of a provider, with what is needed to answer it in its own terms."""

    services: Services
    row: AccountSet
    channel: Channel
    incoming: Incoming
    headers: tuple[tuple[str, bytes], ...]


async def receive_notice(call: Call[bytes, Nothing]) -> Answer:
    row = await _account(call)
    channel = call.services.ports.channels[row.format]
    incoming = _incoming(call, channel)
    delivery = _Delivery(
        services=call.services,
        row=row,
        channel=channel,
        incoming=incoming,
        headers=trace_headers(call.request),
    )
    try:
        reply = await _receive(delivery)
    except NotAuthentic as error:
        call.services.metrics.not_authentic.labels(channel.name).inc()
        reply = _reply(channel.not_authentic(str(error)), Problem(401, "not authentic"))
    except (Unavailable, Sealed) as error:
        if isinstance(error, Sealed):
            logger.error("a notice is refused: %s", error)  # noqa: TRY400  # it says all there is
        refusal = come_back(503, "the notice cannot be accepted now")
        reply = _reply(channel.unavailable(str(error)), refusal)
    fitted = channel.fit(reply, incoming)
    return Answer(status=fitted.status, body=fitted.body, content_type=fitted.content_type)


async def _account(call: Call[bytes, Nothing]) -> AccountSet:
    directory, account_id = call.services.directory, call.path("account_id")
    row = directory.account(account_id)
    if row is None:
        await directory.catch_up()  # it may have been made a moment ago by another process
        row = directory.account(account_id)
    if row is None:
        raise not_found("channel account")
    return row


def _incoming(call: Call[bytes, Nothing], channel: Channel) -> Incoming:
    request = call.request
    if channel.content_types and request.content_type not in channel.content_types:
        raise Problem(415, f"{channel.name} sends {', '.join(sorted(channel.content_types))}")
    return Incoming(
        body=call.body,
        content_type=request.headers.get("Content-Type", "")[:CONTENT_TYPE_CHARACTERS_MAX],
        headers={name.lower(): value for name, value in request.headers.items()},
    )


async def _receive(delivery: _Delivery) -> Reply:
    account = _authenticated(delivery)
    services, channel = delivery.services, delivery.channel
    now = services.ports.clock()
    try:
        notices = channel.parse(delivery.incoming, account)
        for notice in notices:
            check_notice(notice, now=now)
    except Malformed as error:
        return await _quarantine(delivery, account, error)
    heard = _heard(delivery, account)
    if not notices:
        noted, record = record_of_noted(heard)
        await services.ports.appender.append([record])
        services.metrics.noted.labels(channel.name).inc()
        return channel.accepted(noted, False)  # noqa: FBT003  # as `Channel` declares it
    return await _accept(delivery, heard, notices)


async def _accept(delivery: _Delivery, heard: Heard, notices: tuple[Notice, ...]) -> Reply:
    services, channel = delivery.services, delivery.channel
    ids = dict.fromkeys(notice.notice_id for notice in notices)
    history = services.ports.history
    known = {each for each in ids if await services.recent.was_heard(each, history)}
    await services.ports.appender.append(records_of_notices(heard, notices))
    # Nothing is awaited from here on, so equal notices at once cannot all be the first.
    repeated = [each for each in ids if not services.recent.add(each) or each in known]
    services.metrics.accepted.labels(channel.name).inc(len(ids) - len(repeated))
    services.metrics.repeated.labels(channel.name).inc(len(repeated))
    return channel.accepted(notices[0].notice_id, len(repeated) == len(ids))


def _authenticated(delivery: _Delivery) -> Account:
    """The account with the configuration, present or previous, that the sender knows."""
    configs, row = delivery.services.configs, delivery.row
    account = configs.current(row)
    try:
        delivery.channel.authenticate(delivery.incoming, account.config)
    except NotAuthentic:
        previous = configs.previous(row)
        if previous is None:
            raise
        delivery.channel.authenticate(delivery.incoming, previous.config)
        return previous
    return account


def _heard(delivery: _Delivery, account: Account) -> Heard:
    raw = kept_raw(delivery.incoming.body, account=account, channel=delivery.channel)
    return _heard_as(delivery, account, raw)


def _heard_as(delivery: _Delivery, account: Account, raw: bytes) -> Heard:
    return Heard(
        account=account,
        received_at=delivery.services.ports.clock(),
        headers=delivery.headers,
        raw=raw,
        content_type=delivery.incoming.content_type,
    )


async def _quarantine(delivery: _Delivery, account: Account, error: Malformed) -> Reply:
    services, channel = delivery.services, delivery.channel
    raw = mask_raw(delivery.incoming.body, account, channel)
    record = record_of_quarantined(_heard_as(delivery, account, raw), error)
    await services.ports.appender.append([record])
    services.metrics.quarantined.labels(channel.name, error.code).inc()
    said = plain_words(str(error))
    wrong = Problem(422, f"kept in quarantine: {said}", faults=_pointers(error))
    return _reply(channel.unreadable(said), wrong)


def _pointers(error: Malformed) -> tuple[tuple[str, str], ...]:
    return tuple((at, plain_words(what)) for at, what in error.faults if at.startswith("/"))


def _reply(reply: Reply | None, problem: Problem) -> Reply:
    """The provider's own answer; where it has none, our problem document ends the request."""
    if reply is None:
        raise problem
    return reply
