"""Svix, by its public API: an application for each endpoint, so that an event goes to one only.

It must run with `SVIX_WHITELABEL_HEADERS=true`, to name its headers as Standard Webhooks does.
"""

from __future__ import annotations

from loadtests.peers.http_peer import HttpPeer
from loadtests.peers.peer import EVENT_TYPE, SECRET, Endpoint, payload


class Svix(HttpPeer):
    """https://github.com/svix/svix-webhooks, its server."""

    name = "Svix"
    does = "takes a message, stores it in PostgreSQL, queues it in Redis, sends it"

    async def add_endpoint(self, path: str) -> Endpoint:
        """Make an application and its one endpoint."""
        app = await self.call("POST", "/api/v1/app", {"name": path})
        made = {"url": self.url_of(path), "secret": SECRET}
        await self.call("POST", f"/api/v1/app/{app['id']}/endpoint", made)
        return Endpoint(path=path, key=app["id"], secret=SECRET)

    def event(self, endpoint: Endpoint, reference: str) -> bytes:
        """A message of the application."""
        body = b'{"eventType":"%b","payload":%b}' % (EVENT_TYPE.encode(), payload(reference))
        return self.request("POST", f"/api/v1/app/{endpoint.key}/msg", body)
