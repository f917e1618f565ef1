"""A new secret takes over from an old one, which signs on until its time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.errors import Conflict
from streams.domain.signing import (
    OLD_SECRETS_MAX,
    Signing,
    SigningSecret,
    good_at,
    rotated,
)
from tests.builders import NOW, an_endpoint

DAY, MOMENT = timedelta(days=1), timedelta(microseconds=1)


def a_secret(name: str = "a") -> SigningSecret:
    return SigningSecret(secret_id=name, sealed=f"sealed {name}", created_at=NOW)


def test_the_new_secret_comes_first_and_the_one_before_signs_for_the_overlap() -> None:
    secrets = rotated((a_secret("a"),), a_secret("b"), now=NOW, overlap=DAY)

    assert secrets == (a_secret("b"), replace(a_secret("a"), until=NOW + DAY))
    assert good_at(secrets, NOW + DAY - MOMENT) == secrets
    assert good_at(secrets, NOW + DAY) == (a_secret("b"),)


def test_a_secret_that_was_replaced_before_keeps_its_own_time() -> None:
    first = rotated((a_secret("a"),), a_secret("b"), now=NOW, overlap=2 * DAY)

    second = rotated(first, a_secret("c"), now=NOW + DAY, overlap=timedelta(hours=1))

    untils = {secret.secret_id: secret.until for secret in second}
    assert untils == {"c": None, "b": NOW + DAY + timedelta(hours=1), "a": NOW + 2 * DAY}


def test_no_overlap_ends_every_old_secret_at_once() -> None:
    first = rotated((a_secret("a"),), a_secret("b"), now=NOW, overlap=DAY)

    assert rotated(first, a_secret("c"), now=NOW, overlap=timedelta(0)) == (a_secret("c"),)


def test_old_secrets_are_limited_until_one_of_them_has_ended_or_all_are_ended() -> None:
    secrets: tuple[SigningSecret, ...] = (a_secret("0"),)
    for number in range(1, OLD_SECRETS_MAX + 1):
        secrets = rotated(secrets, a_secret(str(number)), now=NOW, overlap=number * DAY)
    one_more = a_secret("one more")

    with pytest.raises(Conflict, match=str(OLD_SECRETS_MAX)):
        rotated(secrets, one_more, now=NOW, overlap=DAY)
    assert rotated(secrets, one_more, now=NOW, overlap=timedelta(0)) == (one_more,)
    later = rotated(secrets, one_more, now=NOW + DAY, overlap=DAY)
    assert [secret.secret_id for secret in later] == ["one more", "5", "4", "3", "2", "1"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7)), max_size=20))
def test_whatever_is_rotated_one_signs_for_good_and_old_ones_within_their_overlap(
    steps: list[tuple[int, int]],
) -> None:
    secrets: tuple[SigningSecret, ...] = (a_secret("0"),)
    now, ends = NOW, dict[str, datetime]()
    for number, (wait_days, overlap_days) in enumerate(steps):
        now += wait_days * DAY
        before = secrets[0]
        try:
            secrets = rotated(secrets, a_secret(f"n{number}"), now=now, overlap=overlap_days * DAY)
        except Conflict:
            assert len(good_at(secrets, now)) == OLD_SECRETS_MAX + 1
            continue
        ends = {before.secret_id: now + overlap_days * DAY, **ends} if overlap_days else {}

        newest, *old = secrets
        assert (newest.secret_id, newest.until) == (f"n{number}", None)
        assert {secret.secret_id: secret.until for secret in old} == {
            name: until for name, until in ends.items() if until > now
        }
        assert len(old) <= OLD_SECRETS_MAX


# --- what an endpoint keeps


def test_an_endpoint_of_before_rotation_has_the_one_secret_that_it_always_had() -> None:
    endpoint = an_endpoint(sealed_secret="sealed long ago")

    (secret,) = endpoint.secrets_at(NOW + 999 * DAY)

    assert (secret.sealed, secret.signing, secret.until) == ("sealed long ago", Signing.V1, None)
    tidied = endpoint.tidied(NOW)
    assert (tidied.secrets, tidied.sealed_secret) == ((secret,), "")


def test_a_tidied_endpoint_forgets_the_secrets_whose_time_has_passed_and_nothing_else() -> None:
    kept = rotated((a_secret("a"),), a_secret("b"), now=NOW, overlap=DAY)
    endpoint = replace(an_endpoint(sealed_secret=""), secrets=kept)

    assert endpoint.tidied(NOW) == endpoint
    assert endpoint.tidied(NOW + DAY) == replace(endpoint, secrets=(a_secret("b"),))
    assert endpoint.secrets_at(NOW + DAY) == (a_secret("b"),)
