"""Merchants and their API keys, for the operator."""

from __future__ import annotations

from datetime import datetime

from api.answers import KeyShown, MerchantShown
from api.auth import hash_key, key_text
from api.call import Answer, Call, answer
from api.directory import Directory
from api.errors import Problem, not_found
from api.origin import Seed
from api.requests import MerchantRequest, Nothing
from streams.domain.ids import MerchantId
from streams.domain.invoice import ReleasePolicy
from streams.messages import KeySet, MerchantSet

KEYS_PER_MERCHANT_MAX = 20


async def create_merchant(call: Call[MerchantRequest, Nothing]) -> Answer:
    directory, asked, origin = call.services.directory, call.body, call.origin
    await directory.catch_up()
    seed, made = origin.find("mer", directory.merchant)
    merchant = made or MerchantSet(
        merchant_id=MerchantId(seed.new_id("mer")),
        name=asked.name,
        release=ReleasePolicy(
            release_on=asked.release_on, confirmed_from_yen=asked.release_on_confirmed_from_yen
        ),
        grace_seconds=asked.grace_seconds,
        created_at=origin.at,
    )
    key, text = draw_key(seed, merchant.merchant_id, merchant.created_at)
    if made is None:
        # The key first, so that a merchant who is there has it.
        await directory.set(key, merchant)
    return answer(201, _shown(merchant, key, text))


async def create_key(call: Call[Nothing, Nothing]) -> Answer:
    directory = call.services.directory
    async with directory.changing:
        merchant = await _merchant(directory, call.path("merchant_id"))
        seed, made = call.origin.find("key", directory.key)
        if made is None and len(directory.keys_of(merchant.merchant_id)) >= KEYS_PER_MERCHANT_MAX:
            raise Problem(409, f"a merchant has at most {KEYS_PER_MERCHANT_MAX} keys")
        at = made.created_at if made else call.origin.at
        key, text = draw_key(seed, merchant.merchant_id, at)
        if made is None:
            await directory.set(key)
    shown = KeyShown(
        id=key.key_id, merchant_id=key.merchant_id, created_at=key.created_at, api_key=text
    )
    return answer(201, shown)


async def delete_key(call: Call[None, Nothing]) -> Answer:
    directory = call.services.directory
    async with directory.changing:
        merchant = await _merchant(directory, call.path("merchant_id"))
        key = directory.key(call.path("key_id"))
        if key is None or key.merchant_id != merchant.merchant_id:
            raise not_found("key")
        await directory.remove(key.key_id)
    return Answer(status=204)


def draw_key(seed: Seed, merchant_id: MerchantId, at: datetime) -> tuple[KeySet, str]:
    """The key of a seed: what is kept of it, and its text, which is shown once."""
    text, key_id = key_text(seed.secret("api key")), seed.new_id("key")
    kept = KeySet(key_id=key_id, merchant_id=merchant_id, key_hash=hash_key(text), created_at=at)
    return kept, text


async def _merchant(directory: Directory, merchant_id: str) -> MerchantSet:
    await directory.catch_up()
    merchant = directory.merchant(merchant_id)
    if merchant is None:
        raise not_found("merchant")
    return merchant


def _shown(merchant: MerchantSet, key: KeySet, text: str) -> MerchantShown:
    return MerchantShown(
        id=merchant.merchant_id,
        name=merchant.name,
        release_on=merchant.release.release_on,
        release_on_confirmed_from_yen=merchant.release.confirmed_from_yen,
        grace_seconds=merchant.grace_seconds,
        created_at=merchant.created_at,
        key_id=key.key_id,
        api_key=text,
    )
