"""A replay to an endpoint that has to acknowledge: told at once, and known to be acknowledged."""

from __future__ import annotations

from pathlib import Path

from tests.api_shop import Shop, a_shop
from tests.functional.test_api_acknowledging import acknowledge, offered, the_delivery, told
from tests.functional.test_api_replays import a_runner, asked, turns
from tests.functional.test_api_told import attempted


async def replayed(shop: Shop, endpoint_id: str) -> str:
    """Ask for all that was delivered, and let it be sent on; gives the id of the replay."""
    path = f"/v1/endpoints/{endpoint_id}/replays"
    begun = await asked(shop, path, statuses=["delivered"])
    await turns(shop, a_runner(shop))
    return str(begun["id"])


async def test_a_replay_takes_the_place_of_what_waits_to_be_told_again(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint_id, delivery_id = await told(shop)
        waits = offered(shop, delivery_id)
        replay_id = await replayed(shop, endpoint_id)
        again = offered(shop, delivery_id)
        shown = await the_delivery(shop, delivery_id)

    assert (waits.round, waits.tellings) == (1, 1)
    assert (again.round, again.tellings, again.replay_id) == (2, 0, replay_id)
    assert (shown["cause"], shown["replay_id"], shown["round"]) == ("replay", replay_id, 2)


async def test_a_2xx_is_enough_in_a_replay_of_what_was_acknowledged(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint_id, delivery_id = await told(shop)
        event_id = (await the_delivery(shop, delivery_id))["event_id"]
        await acknowledge(shop, event_id, {"endpoint_id": endpoint_id})
        await shop.world.settle()
        await replayed(shop, endpoint_id)
        again = offered(shop, delivery_id)
        await attempted(shop, delivery_id, status_code=204)
        shown = await the_delivery(shop, delivery_id)

    assert again.acknowledged
    assert (shown["status"], shown["next_attempt_at"]) == ("delivered", None)
    assert shop.world.lanes.offered == {}
