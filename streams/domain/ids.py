"""Identifiers: derived from what they name, so that a replay makes the same ones again."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import NewType

MerchantId = NewType("MerchantId", str)
AccountId = NewType("AccountId", str)
InvoiceId = NewType("InvoiceId", str)
PaymentId = NewType("PaymentId", str)
NoticeId = NewType("NoticeId", str)
NotificationId = NewType("NotificationId", str)
EndpointId = NewType("EndpointId", str)
DeliveryId = NewType("DeliveryId", str)
ReplayId = NewType("ReplayId", str)

DERIVED_AGAIN_MAX = 4_096
DIGEST_CHARACTERS = 32
"""128 bits in hexadecimal: two different names never meet by chance."""


def derive(prefix: str, *parts: str) -> str:
    """Return `prefix_<digest>` of the parts; each part is framed by its length.

    The frame keeps ("ab", "c") apart from ("a", "bc").
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(4, "big"))
        digest.update(data)
    return f"{prefix}_{digest.hexdigest()[:DIGEST_CHARACTERS]}"


def notice_id(account_id: AccountId, *identity: str) -> NoticeId:
    """The id of a notice, from what its channel says identifies it within the account."""
    return NoticeId(derive("ntc", account_id, *identity))


def payment_id(account_id: AccountId, *identity: str) -> PaymentId:
    """The id of a payment: the same for its preliminary, its confirmation and its reversal."""
    return PaymentId(derive("pay", account_id, *identity))


def invoice_id(merchant_id: MerchantId, invoice_number: str) -> InvoiceId:
    """The id of an invoice; a merchant's invoice number is unique within the merchant."""
    return InvoiceId(derive("inv", merchant_id, invoice_number))


def notification_id(cause: str, kind: str) -> NotificationId:
    """The id of what is told because of one cause (a notice, a cancellation, an expiry)."""
    return NotificationId(derive("evt", cause, kind))


@lru_cache(maxsize=DERIVED_AGAIN_MAX)
def delivery_id(notification: NotificationId, endpoint: EndpointId) -> DeliveryId:
    """The id of one notification on its way to one endpoint."""
    return DeliveryId(derive("dlv", notification, endpoint))
