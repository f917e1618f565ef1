"""What every channel format keeps of a body: what a notice is read from, and no secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.test_channel_contract import (
    CHANNELS,
    account_of,
    bodies,
    channel_of,
    every_channel,
    every_good_sample,
    incoming_of,
)


@every_good_sample
def test_what_is_kept_of_a_good_sample_says_the_same(path: Path) -> None:
    channel, account = channel_of(path), account_of(path.parent.name)
    incoming = incoming_of(path)

    kept = channel.keep(incoming.body, account.config)

    assert channel.parse(incoming_of(path, kept), account) == channel.parse(incoming, account)
    assert channel.keep(kept, account.config) == kept


@pytest.mark.parametrize("kind", ["good", "refused"])
@every_channel
def test_no_secret_is_kept(name: str, kind: str) -> None:
    channel, config = CHANNELS[name], account_of(name).config
    secrets = [config[field.name].encode() for field in channel.config if field.secret]

    for path in bodies(kind, name):
        kept = channel.keep(path.read_bytes(), config)
        assert not [secret for secret in secrets if secret in kept]


@every_channel
@given(body=st.binary(max_size=400) | st.text("<>&#;!-[]/%+\\\"'{}:,u01a", max_size=80))
def test_keeping_never_raises_and_masks_once(name: str, body: bytes | str) -> None:
    channel, config = CHANNELS[name], account_of(name).config
    raw = body if isinstance(body, bytes) else body.encode()

    kept = channel.keep(raw, config)

    assert len(kept) <= len(raw)
    assert channel.keep(kept, config) == kept
