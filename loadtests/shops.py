"""Shops with one endpoint each, and the notifications that the log tells the engine to deliver."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connectors.sealing import Sealer
from connectors.signing import format_secret
from connectors.targets import new_secret
from loadtests.history_writes import settled
from loadtests.open_invoices import MERCHANT
from streams.codecs import encode
from streams.domain.delivery import Endpoint, EndpointStatus
from streams.domain.ids import EndpointId, MerchantId, NotificationId, notification_id
from streams.domain.notification import Notification, NotificationType, Told
from streams.domain.sequence import Source
from streams.domain.signing import Signing
from streams.messages import EndpointSet, Notified
from streams.ports import Record
from streams.topics import INVOICES, NOTIFICATIONS

MASTER_KEY = b"bench-master-key".ljust(32, b".")
MASTER_KEY_TEXT = b64encode(MASTER_KEY).decode()
SECRET = b"bench-secret".ljust(32, b".")
KIND = NotificationType.INVOICE_PAID
APART = 20
"""So many notifications come between the two of one invoice."""
STEP = timedelta(milliseconds=1)

_PAID = settled(0, MERCHANT)
_NUMBER = _PAID.invoice_number
_BODY = _PAID.notifications[-1].body


@dataclass(slots=True, kw_only=True)
class Shop:
    """A merchant with one endpoint; notifications are known by their number, from 0 on.

    Every invoice is told of twice, `apart` notifications from each other.
    """

    path: str
    port: int
    began: datetime
    apart: int = APART
    is_complete: bool = True
    """False where not everything need have arrived, because the server does not answer."""
    count: int = 0
    """So many were told."""
    secret: str = field(default_factory=lambda: format_secret(SECRET))

    @property
    def merchant_id(self) -> MerchantId:
        """The merchant, who is the key of every record."""
        return MerchantId(f"mer_bench{self.path.replace('/', '_')}")

    @property
    def endpoint_id(self) -> EndpointId:
        """The endpoint at the path of the receiver."""
        return EndpointId(f"ep_bench{self.path.replace('/', '_')}")

    def registration(self, sealer: Sealer) -> Record:
        """What the API writes when a merchant registers an endpoint."""
        secret = new_secret(
            sealer,
            SECRET,
            Signing.V1,
            endpoint_id=self.endpoint_id,
            secret_id="sec_bench",  # noqa: S106  # its name
            at=self.began,
        )
        endpoint = Endpoint(
            endpoint_id=self.endpoint_id,
            merchant_id=self.merchant_id,
            url=f"http://127.0.0.1:{self.port}{self.path}",
            types=(KIND,),
            status=EndpointStatus.ENABLED,
            created_at=self.began,
            updated_at=self.began,
            secrets=(secret,),
        )
        return self._record(EndpointSet(endpoint=endpoint))

    def next_record(self) -> tuple[Record, str]:
        """The next notification as settling writes it, and its reference."""
        number, self.count = self.count, self.count + 1
        at, before = self._at(number), self.before(number)
        told = Notification(
            notification_id=self.id_of(number),
            merchant_id=self.merchant_id,
            type=KIND,
            at=at,
            body=self.body(number),
        )
        source = Source(topic=INVOICES.name, partition=0, offset=number, at=at)
        earlier = () if before is None else (self._told(before),)
        message = Notified(
            merchant_id=self.merchant_id, notifications=(told,), source=source, earlier=earlier
        )
        return self._record(message), self.reference(number)

    def id_of(self, number: int) -> NotificationId:
        """The `webhook-id` of a notification."""
        return notification_id(self.reference(number), KIND)

    def reference(self, number: int) -> str:
        """The payment reference that a notification names."""
        return f"{self.path}#{number}"

    def body(self, number: int) -> str:
        """A notification's body before the engine numbers it."""
        return _BODY.replace(_NUMBER, self.reference(number))

    def before(self, number: int) -> int | None:
        """The notification of the same invoice that was told before, if there is one."""
        return number - self.apart if number // self.apart % 2 else None

    def _told(self, number: int) -> Told:
        return Told(notification_id=self.id_of(number), at=self._at(number))

    def _at(self, number: int) -> datetime:
        return self.began + number * STEP

    def _record(self, message: object) -> Record:
        key = self.merchant_id.encode()
        return Record(topic=NOTIFICATIONS.name, key=key, value=encode(message))
