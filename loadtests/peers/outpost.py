"""Outpost, by its public API: a tenant for each endpoint, so that an event goes to one only.

It must run with `DESTINATIONS_WEBHOOK_MODE=standard`, so that it signs by Standard Webhooks.
"""

from __future__ import annotations

import uuid

from loadtests.peers.http_peer import HttpPeer
from loadtests.peers.peer import EVENT_TYPE, SECRET, Endpoint, payload


class Outpost(HttpPeer):
    """https://github.com/hookdeck/outpost."""

    name = "Outpost"
    does = "takes an event, queues it in RabbitMQ, sends it, logs it to PostgreSQL"

    async def add_endpoint(self, path: str) -> Endpoint:
        """Make a tenant and its one destination."""
        tenant = f"bench-{uuid.uuid4().hex[:12]}"
        await self.call("PUT", f"/api/v1/tenants/{tenant}", {})
        destination = {
            "type": "webhook",
            "topics": ["*"],
            "config": {"url": self.url_of(path)},
            "credentials": {"secret": SECRET},
        }
        await self.call("POST", f"/api/v1/tenants/{tenant}/destinations", destination)
        return Endpoint(path=path, key=tenant, secret=SECRET)

    def event(self, endpoint: Endpoint, reference: str) -> bytes:
        """An event of the tenant."""
        named = (endpoint.key.encode(), EVENT_TYPE.encode(), payload(reference))
        body = b'{"tenant_id":"%b","topic":"%b","data":%b}' % named
        return self.request("POST", "/api/v1/publish", body)
