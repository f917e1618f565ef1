"""Identifiers are derived from what they name: the same name, the same id, and no other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.domain import ids
from tests.builders import ACCOUNT, ENDPOINT, MERCHANT

names = st.lists(st.text(alphabet="ab:\0", max_size=3), max_size=3)


@given(names, names)
def test_two_names_have_one_id_only_if_they_are_the_same_name(
    one: list[str], other: list[str]
) -> None:
    assert (ids.derive("x", *one) == ids.derive("x", *other)) == (one == other)


def test_an_id_never_changes_with_the_version_of_the_product() -> None:
    assert ids.derive("ntc", "a", "bc") == "ntc_b534ce16ac9c8b36823f39a395ce8e0e"


def test_ids_of_different_things_never_meet() -> None:
    notice = ids.notice_id(ACCOUNT, "1")
    made = {
        notice,
        ids.payment_id(ACCOUNT, "1"),
        ids.invoice_id(MERCHANT, "1"),
        ids.notification_id(notice, "invoice.paid"),
        ids.delivery_id(ids.notification_id(notice, "invoice.paid"), ENDPOINT),
    }

    assert sorted(one.partition("_")[0] for one in made) == ["dlv", "evt", "inv", "ntc", "pay"]


def test_the_same_identity_in_another_account_is_another_notice() -> None:
    assert ids.notice_id(ACCOUNT, "1") != ids.notice_id(ids.AccountId("ca_other"), "1")
