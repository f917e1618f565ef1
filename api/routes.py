"""Every call of the API, in one table."""

from __future__ import annotations

from typing import Any

from api import (
    accounts,
    acknowledging,
    deliveries,
    events,
    files,
    health,
    invoices,
    merchants,
    notices,
    requests,
    unmatched,
)
from api import answers as shown
from api.call import ID, Body, Who, declare, post_once
from api.endpoint_routes import ENDPOINT_ROUTES

MERCHANT = f"/v1/merchants/{{merchant_id:{ID}}}"
ACCOUNT = f"/v1/channel-accounts/{{account_id:{ID}}}"
INVOICE = f"/v1/invoices/{{invoice_id:{ID}}}"

OPERATOR_ROUTES = (
    post_once(
        "/v1/merchants",
        merchants.create_merchant,
        "Register a merchant; its first key is shown once",
        who=Who.ADMIN,
        body=requests.MerchantRequest,
        answers={201: shown.MerchantShown},
    ),
    post_once(
        f"{MERCHANT}/keys",
        merchants.create_key,
        "Make a further key; it is shown once",
        who=Who.ADMIN,
        body=requests.Nothing,
        answers={201: shown.KeyShown},
    ),
    declare(
        "DELETE",
        f"{MERCHANT}/keys/{{key_id:{ID}}}",
        merchants.delete_key,
        "Take a key back",
        who=Who.ADMIN,
        answers={204: None},
    ),
    post_once(
        "/v1/channel-accounts",
        accounts.create_account,
        "Register a contract with a provider",
        who=Who.ADMIN,
        body=requests.AccountRequest,
        answers={201: shown.AccountShown},
    ),
    declare(
        "PATCH",
        ACCOUNT,
        accounts.change_account,
        "Give an account new secrets; the old ones stay good for the overlap",
        who=Who.ADMIN,
        body=requests.AccountPatch,
        body_kind=Body.JSON,
        answers={200: shown.AccountShown},
    ),
)

INVOICE_ROUTES = (
    post_once(
        "/v1/invoices",
        invoices.register_invoice,
        "Register an invoice; 200 when it was registered before with the same content",
        who=Who.MERCHANT,
        body=requests.InvoiceRequest,
        answers={200: shown.InvoiceShown, 201: shown.InvoiceShown},
        refuses=(404,),
    ),
    declare(
        "GET",
        "/v1/invoices",
        invoices.list_invoices,
        "List invoices, newest first",
        who=Who.MERCHANT,
        query=requests.InvoicesQuery,
        answers={200: shown.InvoicesPage},
    ),
    declare(
        "GET",
        INVOICE,
        invoices.get_invoice,
        "Show an invoice, at once or as soon as its status is another",
        who=Who.MERCHANT,
        query=requests.InvoiceQuery,
        answers={200: shown.InvoiceShown},
    ),
    post_once(
        f"{INVOICE}/cancel",
        invoices.cancel_invoice,
        "Cancel an invoice that is not paid",
        who=Who.MERCHANT,
        body=requests.Nothing,
        answers={200: shown.InvoiceShown},
    ),
)

TOLD_ROUTES = (
    declare(
        "GET",
        "/v1/events",
        events.list_events,
        "The pull feed: every notification, oldest first, in an order that never changes",
        who=Who.MERCHANT,
        query=requests.EventsQuery,
        answers={200: shown.EventsPage},
    ),
    declare(
        "GET",
        f"/v1/events/{{event_id:{ID}}}",
        events.get_event,
        "Show a notification",
        who=Who.MERCHANT,
        answers={200: shown.EventShown},
    ),
    post_once(
        f"/v1/events/{{event_id:{ID}}}/ack",
        acknowledging.acknowledge_event,
        "Say that an event was acted on; it is not told again",
        who=Who.MERCHANT,
        body=requests.AcknowledgeRequest,
        answers={200: acknowledging.AcknowledgementShown},
    ),
    declare(
        "GET",
        "/v1/deliveries",
        deliveries.list_deliveries,
        "List deliveries with every attempt, newest first",
        who=Who.MERCHANT,
        query=requests.DeliveriesQuery,
        answers={200: shown.DeliveriesPage},
    ),
    post_once(
        f"/v1/deliveries/{{delivery_id:{ID}}}/resend",
        deliveries.resend_delivery,
        "Send a notification to its endpoint again, from the first attempt on",
        who=Who.MERCHANT,
        body=requests.Nothing,
        answers={202: shown.DeliveryShown},
    ),
    declare(
        "GET",
        "/v1/unmatched",
        unmatched.list_unmatched,
        "List notices that wait for their invoice, oldest first",
        who=Who.MERCHANT,
        query=requests.PageQuery,
        answers={200: shown.UnmatchedPage},
    ),
    post_once(
        f"/v1/unmatched/{{notice_id:{ID}}}/assign",
        unmatched.assign_notice,
        "Decide which invoice a waiting notice pays",
        who=Who.MERCHANT,
        body=requests.AssignRequest,
        answers={200: shown.AssignedShown},
    ),
)

INTAKE_ROUTES = (
    declare(
        "POST",
        "/v1/files",
        files.take_file,
        "Take a channel's file; it is taken whole or refused whole",
        who=Who.MERCHANT,
        body_kind=Body.FILE,
        query=requests.FileQuery,
        idempotent=True,
        answers={202: shown.FileShown},
        refuses=(404,),
    ),
    declare(
        "POST",
        f"/channels/{{account_id:{ID}}}/notices",
        notices.receive_notice,
        "Take a notice in the account's own format and answer as its provider expects",
        who=Who.PROVIDER,
        body_kind=Body.NOTICE,
        answers={200: Any, 202: Any},
        media_type="*/*",
        refuses=(401,),
    ),
)

STATE_ROUTES = (
    declare(
        "GET",
        "/openapi.json",
        health.get_openapi,
        "This document",
        who=Who.ANYONE,
        answers={200: shown.Document},
    ),
    declare(
        "GET",
        "/healthz",
        health.get_health,
        "Whether the process lives",
        who=Who.ANYONE,
        answers={200: shown.AliveShown},
    ),
    declare(
        "GET",
        "/readyz",
        health.get_readiness,
        "Whether notices can be accepted",
        who=Who.ANYONE,
        answers=dict.fromkeys((200, 503), shown.ReadyChecked | shown.ReadyShown),
    ),
    declare(
        "GET",
        "/metrics",
        health.get_metrics,
        "What was counted and measured, for Prometheus",
        who=Who.ANYONE,
        answers={200: str},
        media_type="text/plain",
        refuses=(401,),
    ),
)

ROUTES = (
    *OPERATOR_ROUTES,
    *INVOICE_ROUTES,
    *ENDPOINT_ROUTES,
    *TOLD_ROUTES,
    *INTAKE_ROUTES,
    *STATE_ROUTES,
)
