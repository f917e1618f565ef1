"""`keshikomi simulate` is a provider: what it sends is accepted, and pays invoices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ops.simulate import BadSimulation, Outcome, Simulation, simulate
from streams.clock import system_clock
from tests.api_shop import CONFIGS, Shop, a_shop

SBPS = {"merchant_id": "30132", "service_id": "001", "hash_key": "c0ffee"}


def a_simulation(shop: Shop, **changes: Any) -> Simulation:
    url = str(shop.api.client.make_url("")).rstrip("/")
    asked: dict[str, Any] = {
        "url": url,
        "account_id": shop.account,
        "format": "generic",
        "config": CONFIGS["generic"],
        "reference": "SIM-{n}",
        "amount_yen": 12_800,
        "kind": "preliminary",
        "rate": 1_000.0,
        "count": 3,
    }
    return Simulation(**{**asked, **changes})


async def a_run(shop: Shop, **changes: Any) -> Outcome:
    return await simulate(a_simulation(shop, **changes), clock=system_clock)


async def test_its_notices_pay_the_invoices_of_their_references(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        ids = [
            await shop.invoice(
                f"N-{n}", references=[{"account_id": shop.account, "value": f"S-{n}"}]
            )
            for n in (7, 8)
        ]

        outcome = await a_run(shop, reference="S-{n}", first=7, count=2)
        await shop.world.settle()

        assert (outcome.sent, outcome.accepted, outcome.refused) == (2, 2, {})
        assert [(await shop.get(f"/v1/invoices/{each}"))["status"] for each in ids] == ["paid"] * 2


@pytest.mark.parametrize(
    ("fmt", "channel", "config", "kind"),
    [
        ("gmo", "konbini_digital", CONFIGS["gmo"], "confirmed"),
        ("sbps", "konbini_digital", SBPS, "preliminary"),
    ],
)
async def test_it_speaks_as_providers_do(
    tmp_path: Path, fmt: str, channel: str, config: dict[str, str], kind: str
) -> None:
    async with a_shop(tmp_path) as shop:
        account = await shop.new_account(fmt, channel, **config)
        asked = {"format": fmt, "account_id": account, "config": config, "kind": kind}

        told = await a_run(shop, **asked)
        wrong = dict.fromkeys(config, "0" * 20) | {"merchant_id": "30132", "service_id": "001"}
        forged = await a_run(shop, **{**asked, "config": wrong})

        assert (told.accepted, told.refused) == (3, {})
        assert (forged.accepted, forged.refused) == (0, {"status 200": 3})


async def test_what_is_refused_is_counted(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        outcome = await a_run(shop, config={"secret": "another-secret-of-the-tests"})

        assert (outcome.accepted, outcome.refused) == (0, {"status 401": 3})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "dsk"}, "generic, gmo, sbps"),
        ({"format": "sbps", "kind": "corrected"}, "sbps knows"),
        ({"format": "gmo", "kind": "preliminary"}, "--kind confirmed"),
        ({"config": {}}, "secret"),
    ],
)
async def test_what_cannot_be_simulated_is_said(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    async with a_shop(tmp_path) as shop:
        with pytest.raises(BadSimulation, match=said):
            await a_run(shop, **changes)
