"""What one API process keeps while it runs, built from its ports."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from api.accounts import AccountConfigs
from api.auth import Gatekeeper
from api.directory import Directory
from api.idempotency import Idempotency
from api.metrics import ApiMetrics
from api.ports import ApiPorts
from api.recent import Recent
from api.registration import Registrar
from api.waiting import StatusWatcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The ports, and what is built on them."""

    ports: ApiPorts
    directory: Directory
    gatekeeper: Gatekeeper
    idempotency: Idempotency
    configs: AccountConfigs
    recent: Recent
    watcher: StatusWatcher
    metrics: ApiMetrics
    registrar: Registrar
    one_file: asyncio.Lock
    """Files are large: one at a time is read and written."""
    openapi: bytes


SERVICES = web.AppKey("services", Services)


def build_services(ports: ApiPorts, openapi: bytes) -> Services:
    """Build everything; nothing runs before the application starts."""
    directory = Directory(appender=ports.appender, tail=ports.tail)
    configs = AccountConfigs(sealer=ports.sealer, clock=ports.clock)
    return Services(
        ports=ports,
        directory=directory,
        gatekeeper=Gatekeeper(ports=ports, directory=directory),
        idempotency=Idempotency(cache=ports.cache, sealer=ports.sealer),
        configs=configs,
        recent=Recent(),
        watcher=StatusWatcher(ports.history),
        metrics=ApiMetrics(ports.registry),
        registrar=Registrar(ports=ports, directory=directory, configs=configs),
        one_file=asyncio.Lock(),
        openapi=openapi,
    )
