"""An API whose master key does not open what is sealed says: not now, and logs why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from connectors.sealing import Sealer
from tests.api_harness import ADMIN_KEY
from tests.api_shop import a_notice_body, a_shop
from tests.functional.test_api_notices import a_form, posted

pytestmark = pytest.mark.allows_errors

OTHER = Sealer([b"another key, of another machine!"])


async def test_what_cannot_be_opened_is_no_fault_of_the_caller_and_may_be_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_shop(tmp_path) as shop:
        account = await shop.new_account("gmo", "konbini_digital")
        made = await shop.api.post("/v1/endpoints", {"url": "https://shop.example/hook"})
        assert made.status == 201
        async with shop.world.api(sealer=OTHER) as other:
            other.key = shop.key
            notice = await other.notice(shop.account, a_notice_body())
            gmo = await posted(replace(shop, api=other), account, a_form())
            asked = await other.post(f"/v1/endpoints/{made.json['id']}/ping")
            changed = await other.call(
                "PATCH",
                f"/v1/channel-accounts/{shop.account}",
                json={"config": {}},
                key=ADMIN_KEY,
            )

        assert {notice.status, asked.status, changed.status} == {503}
        assert asked.headers["retry-after"] == changed.headers["retry-after"] == "1"
        assert (gmo.status, gmo.body) == (200, b"1"), "in the provider's own terms"
        assert b"sealed" not in notice.body + asked.body, "what is wrong inside is for the log"
        assert caplog.text.count("is sealed under a key that is not known here") == 4
        assert (await shop.api.notice(shop.account, a_notice_body())).status == 202
