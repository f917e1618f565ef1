"""The HTTP application: built from its ports, serving the table of routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import cache

from aiohttp import web

from api.connections import FIELD_BYTES_MAX, LINE_BYTES_MAX, ConnectionRunner
from api.errors import answer_errors
from api.metrics import measuring
from api.openapi import build_openapi
from api.pipeline import serve
from api.ports import ApiPorts
from api.routes import ROUTES
from api.services import SERVICES, Services, build_services
from api.tracing import trace

KEEP_ALIVE_SECONDS = 75.0
SHUTDOWN_SECONDS = 5.0
LINGERING_SECONDS = 2.0
"""How long the rest of a refused body is read, so that its sender hears the refusal."""


def make_app(ports: ApiPorts) -> web.Application:
    """Build the application; it reads the directory when it starts."""
    services = build_services(ports, _openapi(ports))
    app = web.Application(middlewares=(trace, measuring(services.metrics), answer_errors))
    app[SERVICES] = services
    for route in ROUTES:
        app.router.add_route(route.method, route.path, serve(route))
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, serve(route))
    app.cleanup_ctx.append(_run)
    app.on_shutdown.append(_answer_who_waits)
    return app


def make_runner(app: web.Application) -> web.AppRunner:
    """A runner with the limits that a server on the open network needs."""
    return ConnectionRunner(
        app,
        access_log=None,
        handle_signals=False,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        lingering_time=LINGERING_SECONDS,
        max_line_size=LINE_BYTES_MAX,
        max_field_size=FIELD_BYTES_MAX,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )


async def _run(app: web.Application) -> AsyncIterator[None]:
    services: Services = app[SERVICES]
    await services.directory.start()
    for heard in (services.watcher.heard, services.lookout.heard):
        services.ports.signals.listen(heard)
    yield
    await services.watcher.close()
    await services.directory.close()


async def _answer_who_waits(app: web.Application) -> None:
    services: Services = app[SERVICES]
    services.watcher.end()
    services.lookout.end()


def _openapi(ports: ApiPorts) -> bytes:
    types = {each for channel in ports.channels.values() for each in channel.content_types}
    return _document(ports.version, frozenset(types))


@cache
def _document(version: str, notice_types: frozenset[str]) -> bytes:
    """The same for every application of a process, and slower to make than all else of one."""
    return build_openapi(ROUTES, version=version, notice_types=notice_types)
