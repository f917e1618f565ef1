"""What is kept of a raw notice: all of it, but no card number and no secret of the account."""

from __future__ import annotations

from connectors.channel import Account, Channel
from connectors.keeping import mask_everywhere


def kept_raw(raw: bytes, *, account: Account, channel: Channel) -> bytes:
    """The raw bytes of what was read, masked field by field as its format says."""
    return channel.keep(raw, account.config)


def mask_raw(raw: bytes, account: Account, channel: Channel) -> bytes:
    """The raw bytes of what could not be read: nothing is matched by it, so nothing is spared."""
    secrets = [account.config.get(field.name) for field in channel.config if field.secret]
    return mask_everywhere(
        channel.keep(raw, account.config), [secret for secret in secrets if secret]
    )
