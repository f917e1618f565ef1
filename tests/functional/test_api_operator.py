"""The operator's calls: merchants, their keys, their channel accounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api_harness import ADMIN_KEY
from tests.api_shop import a_merchant, a_notice_body, a_shop


async def test_a_merchant_gets_a_key_that_works_and_is_kept_only_as_a_hash(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        assert (await shop.api.get("/v1/invoices")).status == 200

        records = await shop.world.tail.fetch("directory", 0, 0, 100)

        assert shop.key.startswith("ksk_")
        assert all(shop.key.encode() not in (record.value or b"") for record in records)


async def test_release_is_on_the_preliminary_unless_said_otherwise(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        plain = await a_merchant(shop.api)
        strict = await a_merchant(
            shop.api, release_on="confirmed", release_on_confirmed_from_yen=50_000
        )

    assert plain["release_on"] == "preliminary"
    assert (strict["release_on"], strict["release_on_confirmed_from_yen"]) == ("confirmed", 50_000)


async def test_keys_can_be_rotated_without_a_gap(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = f"/v1/merchants/{shop.merchant}/keys"
        made = await shop.api.post(path, key=ADMIN_KEY)
        new = made.json["api_key"]

        assert (await shop.api.get("/v1/invoices", key=new)).status == 200
        gone = await shop.api.call("DELETE", f"{path}/{shop.key_id}", key=ADMIN_KEY)

        assert (made.status, gone.status) == (201, 204)
        assert (await shop.api.get("/v1/invoices", key=shop.key)).status == 401
        assert (await shop.api.get("/v1/invoices", key=new)).status == 200


async def test_a_key_of_another_merchant_is_not_deleted(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        other = await a_merchant(shop.api)
        path = f"/v1/merchants/{other['id']}/keys/{shop.key_id}"

        assert (await shop.api.call("DELETE", path, key=ADMIN_KEY)).status == 404
        assert (await shop.api.get("/v1/invoices")).status == 200


async def test_a_merchant_has_a_limited_number_of_keys(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = f"/v1/merchants/{shop.merchant}/keys"
        answers = [(await shop.api.post(path, key=ADMIN_KEY)).status for _ in range(20)]

    assert answers == [201] * 19 + [409]


async def test_keys_of_an_unknown_merchant_are_404(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        assert (await shop.api.post("/v1/merchants/mer_x/keys", key=ADMIN_KEY)).status == 404


async def test_the_operators_calls_need_the_admin_key(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        for key in ("", shop.key, "ksk_wrong", ADMIN_KEY + "x", "é"):
            answered = await shop.api.post("/v1/merchants", {"name": "x"}, key=key)
            assert answered.status == 401
            assert answered.headers["www-authenticate"].startswith("Bearer")


async def test_the_admin_key_is_no_merchants_key(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        assert (await shop.api.get("/v1/invoices", key=ADMIN_KEY)).status == 401


async def test_an_accounts_secrets_are_never_given_back_and_are_sealed(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        body = {
            "merchant_id": shop.merchant,
            "channel": "konbini_digital",
            "format": "gmo",
            "config": {"shop_id": "shop-1", "shop_pass": "very-secret"},
        }
        answered = await shop.api.post("/v1/channel-accounts", body, key=ADMIN_KEY)
        records = await shop.world.tail.fetch("directory", 0, 0, 100)

    assert answered.json["config"] == {"shop_id": "shop-1"}
    assert answered.json["notice_path"] == f"/channels/{answered.json['id']}/notices"
    assert all(b"very-secret" not in (record.value or b"") for record in records)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"merchant_id": "mer_unknown"}, "/merchant_id"),
        ({"format": "unknown"}, "/format"),
        ({"channel": "cheque"}, "/channel"),
        ({"config": {}}, "/config/secret"),
        ({"config": {"secret": "short"}}, "/config/secret"),
        ({"config": {"secret": "s" * 20, "a/b~c": "x"}}, "/config/a~1b~0c"),
        ({"config": {"secret": 5}}, "/config/secret"),
    ],
)
async def test_a_wrong_account_is_refused_with_a_pointer(
    tmp_path: Path, change: dict[str, object], pointer: str
) -> None:
    async with a_shop(tmp_path) as shop:
        body = {
            "merchant_id": shop.merchant,
            "channel": "konbini_slip",
            "format": "generic",
            "config": {"secret": "s" * 20},
            **change,
        }
        answered = await shop.api.post("/v1/channel-accounts", body, key=ADMIN_KEY)

    assert answered.status == 422
    assert [fault["pointer"] for fault in answered.json["errors"]] == [pointer]


async def test_an_old_secret_is_good_for_the_overlap_and_no_longer(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path, new = f"/v1/channel-accounts/{shop.account}", "another-secret-of-tests"
        changed = await shop.api.call(
            "PATCH",
            path,
            json={"config": {"secret": new}, "overlap_seconds": 60},
            key=ADMIN_KEY,
        )
        during_old = await shop.api.notice(shop.account, a_notice_body("1"))
        during_new = await shop.api.notice(shop.account, a_notice_body("2"), secret=new)
        shop.world.clock.move(seconds=61)
        after_old = await shop.api.notice(shop.account, a_notice_body("3"))
        after_new = await shop.api.notice(shop.account, a_notice_body("4"), secret=new)

    assert changed.status == 200
    assert (during_old.status, during_new.status) == (202, 202)
    assert (after_old.status, after_new.status) == (401, 202)


async def test_changing_an_unknown_account_is_404_and_a_wrong_config_is_422(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        unknown, own = "/v1/channel-accounts/ca_x", f"/v1/channel-accounts/{shop.account}"
        good, bad = {"config": {"secret": "s" * 20}}, {"config": {"secret": "short"}}

        assert (await shop.api.call("PATCH", unknown, json=good, key=ADMIN_KEY)).status == 404
        assert (await shop.api.call("PATCH", own, json=bad, key=ADMIN_KEY)).status == 422
