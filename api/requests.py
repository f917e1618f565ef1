"""What callers may send: the bodies and queries of every call, strict and closed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.fields import (
    METADATA_PAIRS_MAX,
    PAGE_DEFAULT,
    AckSeconds,
    Cursor,
    Description,
    Id,
    MetadataName,
    MetadataValue,
    Moment,
    Name,
    Number,
    OverlapSeconds,
    OwnHeaders,
    PageLimit,
    Reason,
    ReferenceText,
    RetrySeconds,
    SequenceInQuery,
    SequenceNumber,
    TimeoutSeconds,
    TypePatterns,
    TypesInQuery,
    Url,
    WaitSeconds,
    Yen,
)
from streams.domain.delivery import ACK_SECONDS_DEFAULT, DeliveryStatus, EndpointStatus
from streams.domain.invoice import GRACE_SECONDS_DEFAULT, InvoiceStatus, ReleaseOn
from streams.domain.notice import ChannelKind
from streams.domain.signing import Signing

GRACE_SECONDS_MAX = 30 * 86_400
OVERLAP_SECONDS_DEFAULT = 86_400
REFERENCES_MAX = 20
CONFIG_MEMBERS_MAX = 20
CONFIG_CHARACTERS_MAX = 1_000

IssuedChannel = Literal[ChannelKind.KONBINI_SLIP, ChannelKind.KONBINI_DIGITAL]
FinishedStatus = Literal[DeliveryStatus.FAILED, DeliveryStatus.SUPERSEDED, DeliveryStatus.DELIVERED]
Config = Annotated[
    dict[
        Annotated[str, Field(max_length=64)],
        Annotated[str, Field(max_length=CONFIG_CHARACTERS_MAX)],
    ],
    Field(max_length=CONFIG_MEMBERS_MAX),
]


class Request(BaseModel):
    """A body or a query; an unknown member is a typo, so it is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Request):
    """No members at all."""


class MerchantRequest(Request):
    """A merchant and when its orders are released."""

    name: Name
    release_on: ReleaseOn = ReleaseOn.PRELIMINARY
    release_on_confirmed_from_yen: Yen | None = None
    grace_seconds: Annotated[int, Field(ge=0, le=GRACE_SECONDS_MAX)] = GRACE_SECONDS_DEFAULT


class AccountRequest(Request):
    """A contract with a provider; `config` is the format's own."""

    merchant_id: Id
    channel: ChannelKind
    format: Annotated[str, Field(max_length=64)]
    config: Config


class AccountPatch(Request):
    """New secrets; the old ones stay good for the overlap."""

    config: Config
    overlap_seconds: OverlapSeconds = OVERLAP_SECONDS_DEFAULT


class ReferenceRequest(Request):
    """A number that a gateway uses already."""

    account_id: Id
    value: ReferenceText


class CustomerRequest(Request):
    """Who is billed."""

    name: Name | None = None
    kana: Name | None = None


class InvoiceRequest(Request):
    """What is owed, and how it can be paid."""

    invoice_number: Number
    amount_yen: Yen
    due_at: Moment
    channels: Annotated[tuple[IssuedChannel, ...], Field(max_length=2)] = ()
    references: Annotated[tuple[ReferenceRequest, ...], Field(max_length=REFERENCES_MAX)] = ()
    customer: CustomerRequest | None = None
    metadata: Annotated[
        dict[MetadataName, MetadataValue], Field(max_length=METADATA_PAIRS_MAX)
    ] = {}
    revenue_stamp: bool = False


class EndpointRequest(Request):
    """Where and how a merchant wants to be told; no types means all of them.

    `retry_seconds` is the longest wait before each retry; without it the standard schedule holds.
    With `supersede` an undelivered state of an invoice is skipped for a newer one. With
    `ack_required` a 2xx that nobody acknowledges is told again after `ack_seconds`.
    """

    url: Url
    types: TypePatterns = ()
    description: Description = ""
    signing: Signing = Signing.V1
    headers: OwnHeaders = {}
    timeout_seconds: TimeoutSeconds | None = None
    retry_seconds: RetrySeconds = ()
    supersede: bool = False
    ack_required: bool = False
    ack_seconds: AckSeconds = ACK_SECONDS_DEFAULT


class EndpointPatch(Request):
    """What is to change; what is not given stays. Headers are given all together."""

    url: Url | None = None
    types: TypePatterns | None = None
    description: Description | None = None
    status: Literal[EndpointStatus.ENABLED, EndpointStatus.DISABLED] | None = None
    headers: OwnHeaders | None = None
    timeout_seconds: TimeoutSeconds | None = None
    retry_seconds: RetrySeconds | None = None
    supersede: bool | None = None
    ack_required: bool | None = None
    ack_seconds: AckSeconds | None = None


class RotateRequest(Request):
    """A new secret, of another kind if `signing` is given; the old one signs on for the overlap."""

    overlap_seconds: OverlapSeconds = OVERLAP_SECONDS_DEFAULT
    signing: Signing | None = None


class AcknowledgeRequest(Request):
    """What was acted on, and when; without an endpoint, for every one that was told of it."""

    endpoint_id: Id | None = None
    released_at: Moment | None = None


class AssignRequest(Request):
    """A person's decision that a waiting notice pays an invoice."""

    invoice_id: Id
    reason: Reason


class PageQuery(Request):
    """A page of a list."""

    limit: PageLimit = PAGE_DEFAULT
    after: Cursor | None = None


class InvoicesQuery(PageQuery):
    """Which invoices."""

    status: InvoiceStatus | None = None
    invoice_number: Number | None = None


class InvoiceQuery(Request):
    """Whether to wait until the status is no longer `status_was`."""

    wait: WaitSeconds = 0
    status_was: InvoiceStatus | None = None


class EventsQuery(PageQuery):
    """Which events, and how long to wait until there are any.

    `types` are names or patterns, separated by commas.
    """

    types: TypesInQuery = ()
    wait: WaitSeconds = 0


class DeliveriesQuery(PageQuery):
    """Which deliveries."""

    endpoint_id: Id | None = None
    event_id: Id | None = None
    status: DeliveryStatus | None = None


class ReplayRequest(Request):
    """Which numbers of an endpoint to send again, both ends included: of all that are known.

    `statuses` are how deliveries stand when the replay comes to them; what is under way goes on
    by itself. No types means all of them.
    """

    first: Annotated[SequenceNumber, Field(alias="from")] = 1
    last: Annotated[SequenceNumber | None, Field(alias="to")] = None
    statuses: Annotated[tuple[FinishedStatus, ...], Field(min_length=1, max_length=3)] = (
        DeliveryStatus.FAILED,
        DeliveryStatus.SUPERSEDED,
    )
    types: TypePatterns = ()


class CompletenessQuery(Request):
    """Which numbers of an endpoint, both ends included: from the first one to the last known.

    `deliveries` says which of them are listed one by one.
    """

    first: Annotated[SequenceInQuery, Field(alias="from")] = 1
    last: Annotated[SequenceInQuery | None, Field(alias="to")] = None
    deliveries: Literal["undelivered", "all"] = "undelivered"


class FileQuery(Request):
    """Whose file it is."""

    account: Id
