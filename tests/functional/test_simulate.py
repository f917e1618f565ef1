"""`keshikomi simulate` is a provider: what it sends is accepted, and pays invoices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ops.cli import main
from ops.simulate import (
    OTHER_REASONS,
    REASONS_MAX,
    BadSimulation,
    Outcome,
    Simulation,
    simulate,
)
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
    return await simulate(a_simulation(shop, **changes), clock=shop.world.clock)


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

        assert (outcome.sent, outcome.accepted, outcome.repeated) == (2, 2, 0)
        assert outcome.refused == {}
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

        assert (told.accepted, told.repeated, told.refused) == (3, None, {})
        assert (forged.accepted, sum(forged.refused.values())) == (0, 3)
        assert all(word.startswith("status 200: ") for word in forged.refused)


async def test_what_is_refused_is_counted(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        outcome = await a_run(shop, config={"secret": "another-secret-of-the-tests"})

        assert (outcome.accepted, outcome.refused) == (0, {"status 401: not authentic": 3})
        assert not outcome.is_success


async def test_repeats_are_taken_and_shown_apart(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await a_run(shop, count=1)
        outcome = await a_run(shop)

        assert (outcome.accepted, outcome.repeated, outcome.refused) == (2, 1, {})
        assert outcome.is_success
        assert outcome.lines()[0].startswith("2 of 3 accepted, repeats: 1, in ")


async def test_the_reason_of_a_refusal_is_the_api_s_own(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        outcome = await a_run(shop, kind="nope")

        (line,) = outcome.lines()[1:]
        assert line.startswith("3 not accepted: status 422: kept in quarantine: /kind: ")
        assert "'preliminary'" in line


async def test_of_many_reasons_the_first_are_told_apart(tmp_path: Path) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=500, text=f"\x1b[2J{next(numbers)}")

    numbers = iter(range(100))
    app = web.Application()
    app.router.add_post("/channels/{account}/notices", answer)
    async with TestServer(app) as server, a_shop(tmp_path) as shop:
        outcome = await a_run(shop, url=str(server.make_url("")).rstrip("/"), count=25)

    assert len(outcome.refused) == REASONS_MAX + 1
    assert outcome.refused[OTHER_REASONS] == 25 - REASONS_MAX
    assert "\x1b" not in "".join(outcome.lines())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "dsk"}, "generic, gmo, sbps"),
        ({"format": "sbps", "kind": "corrected"}, "--kind: sbps knows"),
        ({"format": "gmo", "kind": "preliminary"}, "as confirmed"),
        ({"config": {}}, "secret"),
        ({"url": "127.0.0.1:8080"}, "--url"),
    ],
)
async def test_what_cannot_be_simulated_is_said(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    async with a_shop(tmp_path) as shop:
        with pytest.raises(BadSimulation, match=said):
            await a_run(shop, **changes)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--format", "nope"), "--format: those that can be simulated are generic, gmo, sbps"),
        (("--config", "{}"), "--config: generic needs secret too"),
        (("--config", "{"), "--config is not JSON"),
        (("--config", "5"), "--config must be a JSON object"),
        (("--config", '{"secret": 5}'), "--config must be a JSON object"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(
    words: tuple[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    right = ["--account", "ca_1", "--reference", "R-{n}", "--amount-yen", "1"]

    status = main(["simulate", *right, "--config", '{"secret": "0123456789abcdef"}', *words])

    (line,) = capsys.readouterr().err.splitlines()
    assert status == 2
    assert line.startswith(f"keshikomi: {said}")


def test_a_server_that_is_not_there_fails_with_its_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["--account", "ca_1", "--reference", "R-{n}", "--amount-yen", "1", "--count", "1"]
    secret = ["--config", '{"secret": "0123456789abcdef"}']

    assert main(["simulate", *asked, *secret, "--url", "http://127.0.0.1:1"]) == 1

    assert "1 not accepted: Cannot connect to host 127.0.0.1:1" in capsys.readouterr().out
