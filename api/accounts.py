"""Channel accounts: contracts with providers; secrets are sealed, old ones good for a while."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import orjson

from api.answers import AccountShown
from api.call import Answer, Call, answer
from api.decoding import pointer_of
from api.errors import not_found, wrong
from api.requests import AccountPatch, AccountRequest, Nothing
from connectors.channel import Account, Channel
from connectors.sealing import Sealer
from streams.clock import Clock
from streams.domain.ids import AccountId
from streams.messages import AccountSet

CONFIGS_MAX = 10_000


class AccountConfigs:
    """Accounts with their configuration in the clear; unsealing is remembered in memory."""

    def __init__(self, *, sealer: Sealer, clock: Clock) -> None:
        self._sealer, self._clock = sealer, clock
        self._open: OrderedDict[str, Account] = OrderedDict()

    def current(self, row: AccountSet) -> Account:
        """The account with its present configuration."""
        return self._account(row, row.sealed_config)

    def previous(self, row: AccountSet) -> Account | None:
        """The account with the configuration before, while that is still good."""
        sealed, until = row.previous_sealed_config, row.previous_until
        if sealed is None or until is None or until <= self._clock():
            return None
        return self._account(row, sealed)

    def _account(self, row: AccountSet, sealed: str) -> Account:
        known = self._open.get(sealed)
        if known is None:
            config = orjson.loads(self._sealer.unseal(sealed, row.account_id))
            known = self._open[sealed] = Account(
                account_id=row.account_id,
                merchant_id=row.merchant_id,
                channel=row.channel,
                format=row.format,
                config=config,
            )
        self._open.move_to_end(sealed)
        if len(self._open) > CONFIGS_MAX:
            self._open.popitem(last=False)
        return known


async def create_account(call: Call[AccountRequest, Nothing]) -> Answer:
    ports, directory, asked = call.services.ports, call.services.directory, call.body
    await directory.catch_up()
    merchant = directory.merchant(asked.merchant_id)
    channel = ports.channels.get(asked.format)
    if merchant is None:
        raise wrong(("/merchant_id", "there is no such merchant"))
    if channel is None:
        raise wrong(("/format", f"known formats are {', '.join(sorted(ports.channels))}"))
    check_config(channel, asked.config)
    seed, made = call.origin.find("ca", directory.account)
    if made is not None:
        return answer(201, _shown(call.services.configs.current(made), made, channel))
    account_id = AccountId(seed.new_id("ca"))
    row = AccountSet(
        account_id=account_id,
        merchant_id=merchant.merchant_id,
        channel=asked.channel,
        format=asked.format,
        sealed_config=ports.sealer.seal(orjson.dumps(asked.config), account_id),
        created_at=call.origin.at,
    )
    await directory.set(row)
    return answer(201, _shown(call.services.configs.current(row), row, channel))


async def change_account(call: Call[AccountPatch, Nothing]) -> Answer:
    ports, directory, asked = call.services.ports, call.services.directory, call.body
    async with directory.changing:
        await directory.catch_up()
        row = directory.account(call.path("account_id"))
        if row is None:
            raise not_found("channel account")
        channel = ports.channels[row.format]
        # What is not given stays: an operator who renews one secret need not know the others.
        config = {**call.services.configs.current(row).config, **asked.config}
        check_config(channel, config)
        changed = replace(
            row,
            sealed_config=ports.sealer.seal(orjson.dumps(config), row.account_id),
            previous_sealed_config=row.sealed_config,
            previous_until=ports.clock() + timedelta(seconds=asked.overlap_seconds),
        )
        await directory.set(changed)
    return answer(200, _shown(call.services.configs.current(changed), changed, channel))


def check_config(channel: Channel, config: Mapping[str, str]) -> None:
    """Every fault of a configuration at once; a value is never shown."""
    known = {field.name: field for field in channel.config}
    faults = [
        (pointer_of(("config", name)), f"{channel.name} has no such member")
        for name in config
        if name not in known
    ]
    for name, field in known.items():
        value = config.get(name)
        if value is None and field.required:
            faults.append((pointer_of(("config", name)), f"is required: {field.meaning}"))
        elif value is not None and not re.fullmatch(field.pattern, value):
            faults.append((pointer_of(("config", name)), f"must match {field.pattern}"))
    if faults:
        raise wrong(*faults)


def _shown(account: Account, row: AccountSet, channel: Channel) -> AccountShown:
    secret = {field.name for field in channel.config if field.secret}
    return AccountShown(
        id=row.account_id,
        merchant_id=row.merchant_id,
        channel=row.channel,
        format=row.format,
        config={name: value for name, value in account.config.items() if name not in secret},
        notice_path=f"/channels/{row.account_id}/notices",
        created_at=row.created_at,
        previous_until=row.previous_until,
    )
