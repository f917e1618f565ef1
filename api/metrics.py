"""What the API counts itself; other processes bring their own text to `/metrics`."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from streams.clock import monotonic_seconds

SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ApiMetrics:
    """Counters and histograms in one registry, which belongs to this application alone."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"keshikomi_{name}", about, labels, registry=registry)

        self._registry = registry
        self._by_route: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.accepted = counter(
            "notices_accepted", "Notices about money, durable and not heard before", "format"
        )
        self.repeated = counter("notices_repeated", "Notices that had been heard before", "format")
        self.noted = counter(
            "notices_not_about_money", "Authentic messages that say nothing of money", "format"
        )
        self.not_authentic = counter(
            "notices_not_authentic", "Notices whose sender did not prove who they are", "format"
        )
        self.quarantined = counter(
            "notices_quarantined", "Authentic notices that cannot be read", "format", "reason"
        )
        self.requests = counter(
            "http_requests", "Requests by route and status", "method", "route", "status"
        )
        self.seconds = Histogram(
            "keshikomi_http_request_seconds",
            "Time from a request's headers to its answer",
            ["method", "route"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )

    def of_route(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        """The counter and the histogram of a request; looked up by their labels once only."""
        known = self._by_route.get((method, route, status))
        if known is None:
            count = self.requests.labels(method, route, str(status))
            known = count, self.seconds.labels(method, route)
            self._by_route[method, route, status] = known
        return known

    def text(self) -> bytes:
        """Everything in the Prometheus text format."""
        return generate_latest(self._registry)


def measuring(metrics: ApiMetrics) -> Middleware:
    """The middleware that counts and times every request by its route."""

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = monotonic_seconds()
        response = await handler(request)
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "none"
        method = request.method if resource is not None else "any"
        count, seconds = metrics.of_route(method, route, response.status)
        count.inc()
        seconds.observe(monotonic_seconds() - begun)
        return response

    return measure
