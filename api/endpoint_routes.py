"""The calls about webhook endpoints."""

from __future__ import annotations

from api import acknowledging, completeness, endpoints, replays, requests
from api import endpoint_answers as shown
from api.answers import DeliveriesPage, PingShown
from api.call import ID, Body, Who, declare, post_once

ENDPOINT = f"/v1/endpoints/{{endpoint_id:{ID}}}"
REPLAY = f"{ENDPOINT}/replays/{{replay_id:{ID}}}"

ENDPOINT_ROUTES = (
    post_once(
        "/v1/endpoints",
        endpoints.create_endpoint,
        "Register a webhook endpoint; its secret is shown once",
        who=Who.MERCHANT,
        body=requests.EndpointRequest,
        answers={201: shown.EndpointWithSecret},
    ),
    declare(
        "GET",
        "/v1/endpoints",
        endpoints.list_endpoints,
        "List endpoints, oldest first",
        who=Who.MERCHANT,
        query=requests.PageQuery,
        answers={200: shown.EndpointsPage},
    ),
    declare(
        "GET",
        ENDPOINT,
        endpoints.get_endpoint,
        "Show an endpoint",
        who=Who.MERCHANT,
        answers={200: shown.EndpointShown},
    ),
    declare(
        "PATCH",
        ENDPOINT,
        endpoints.change_endpoint,
        "Change an endpoint; disabled, it collects, and enabled again it resumes",
        who=Who.MERCHANT,
        body=requests.EndpointPatch,
        body_kind=Body.JSON,
        answers={200: shown.EndpointShown},
    ),
    declare(
        "DELETE",
        ENDPOINT,
        endpoints.delete_endpoint,
        "Remove an endpoint; what is pending for it ends as failed",
        who=Who.MERCHANT,
        answers={204: None},
    ),
    declare(
        "GET",
        f"{ENDPOINT}/completeness",
        completeness.get_completeness,
        "Tell which numbers of an endpoint were delivered, and which are missing",
        who=Who.MERCHANT,
        query=requests.CompletenessQuery,
        answers={200: completeness.CompletenessShown},
    ),
    declare(
        "GET",
        f"{ENDPOINT}/unacknowledged",
        acknowledging.list_unacknowledged,
        "List what was delivered and not acknowledged in time, the earliest first",
        who=Who.MERCHANT,
        query=requests.PageQuery,
        answers={200: DeliveriesPage},
    ),
    post_once(
        f"{ENDPOINT}/ping",
        endpoints.ping_endpoint,
        "Send a signed endpoint.ping and tell what came of it",
        who=Who.MERCHANT,
        body=requests.Nothing,
        answers={200: PingShown},
    ),
    post_once(
        f"{ENDPOINT}/rotate-secret",
        endpoints.rotate_secret,
        "Make a new secret, which is shown once; the old ones sign on until their time",
        who=Who.MERCHANT,
        body=requests.RotateRequest,
        answers={200: shown.EndpointWithSecret},
    ),
    post_once(
        f"{ENDPOINT}/replays",
        replays.create_replay,
        "Send a range of the endpoint's numbers again, at the pace at which it takes them",
        who=Who.MERCHANT,
        body=requests.ReplayRequest,
        answers={202: replays.ReplayShown},
    ),
    declare(
        "GET",
        f"{ENDPOINT}/replays",
        replays.list_replays,
        "List an endpoint's replays, newest first",
        who=Who.MERCHANT,
        query=requests.PageQuery,
        answers={200: replays.ReplaysPage},
    ),
    declare(
        "GET",
        REPLAY,
        replays.get_replay,
        "Show how far a replay has come",
        who=Who.MERCHANT,
        answers={200: replays.ReplayShown},
    ),
    post_once(
        f"{REPLAY}/cancel",
        replays.cancel_replay,
        "Cancel a replay; what it has resent goes its way",
        who=Who.MERCHANT,
        body=requests.Nothing,
        answers={200: replays.ReplayShown},
    ),
)
