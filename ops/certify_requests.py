"""How `keshikomi certify` makes requests: genuine ones, forged ones, and ones that were changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from connectors.signing import signed_headers
from ops.certify_sending import Request
from ops.certify_webhooks import Webhook
from streams.domain.signing import SigningKey

Make = Callable[[int], Request]
"""Makes a request at the moment of its sending, in seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """Some requests, whether the receiver must take or refuse them, and advice if it does not."""

    name: str
    requests: tuple[Make, ...]
    must_take: bool
    advice: str
    is_at_once: bool = False
    """Whether the requests go out at the same moment instead of one after the other."""
    needs: str = ""
    """The attack that must have been right: else this one would say nothing."""
    is_read: bool = False
    """Whether the answers may acknowledge, and are read for it."""


def taken(name: str, advice: str, *requests: Make) -> Attack:
    """An attack that a receiver must take."""
    return Attack(name=name, requests=requests, must_take=True, advice=advice)


def refused(name: str, advice: str, *requests: Make) -> Attack:
    """An attack that a receiver must refuse."""
    return Attack(name=name, requests=requests, must_take=False, advice=advice)


def read(attack: Attack) -> Attack:
    """The attack, with answers that may acknowledge and are read for it."""

    def reading(make: Make) -> Make:
        return lambda now: replace(make(now), is_read=True)

    requests = tuple(reading(make) for make in attack.requests)
    return replace(attack, requests=requests, is_read=True)


def signed(webhook: Webhook, *keys: SigningKey, late_seconds: int = 0) -> Make:
    """The webhook with a signature of each key, in their order."""

    def make(now: int) -> Request:
        headers = signed_headers(keys, webhook.id, now - late_seconds, webhook.body)
        return Request(headers=headers, body=webhook.body)

    return make


def changed_header(make: Make, name: str, change: Callable[[str], str | None]) -> Make:
    """The request with one header changed, or without it where the change is None."""

    def changed(now: int) -> Request:
        request = make(now)
        value = change(request.headers[name])
        kept = {header: given for header, given in request.headers.items() if header != name}
        return replace(request, headers=kept if value is None else {**kept, name: value})

    return changed


def longer_body(make: Make) -> Make:
    """The request with a line end that was not signed."""

    def longer(now: int) -> Request:
        request = make(now)
        return replace(request, body=request.body + b"\n")

    return longer


def with_unknown(right: str) -> str:
    """The right signature after one of a version that nobody knows."""
    return f"v9,AAAA {right}"


ALTERED: tuple[tuple[str, str, Callable[[str], str | None]], ...] = (
    ("a changed webhook-id", "webhook-id", lambda right: f"{right}0"),
    ("no webhook-id", "webhook-id", lambda _: None),
    ("no webhook-timestamp", "webhook-timestamp", lambda _: None),
    ("no webhook-signature", "webhook-signature", lambda _: None),
    ("an empty webhook-signature", "webhook-signature", lambda _: ""),
    ("a webhook-timestamp that is no number", "webhook-timestamp", lambda _: "now"),
    ("a signature that is not base64", "webhook-signature", lambda _: "v1,%%%"),
    ("a signature without a version", "webhook-signature", lambda right: right.partition(",")[2]),
    (
        "a signature of an unknown version only",
        "webhook-signature",
        lambda right: "v9," + right.partition(",")[2],
    ),
    ("a signature beyond ASCII", "webhook-signature", lambda right: f"{right[:-2]}é="),
)
