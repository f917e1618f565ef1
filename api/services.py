"""What one API process keeps while it runs, built from its ports."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from aiohttp import web

from api.accounts import AccountConfigs
from api.auth import Gatekeeper
from api.directory import Directory
from api.guards import FileSlots, WatchedAppender
from api.idempotency import Idempotency
from api.metrics import ApiMetrics
from api.ports import ApiPorts
from api.recent import Recent
from api.registration import Registrar
from api.waiting import Lookout, StatusWatcher


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
    lookout: Lookout
    metrics: ApiMetrics
    registrar: Registrar
    appends: WatchedAppender
    file_slots: FileSlots
    one_file: asyncio.Lock
    """Reading a file takes a thread and the interpreter: one at a time."""
    openapi: bytes


SERVICES = web.AppKey("services", Services)


def build_services(ports: ApiPorts, openapi: bytes) -> Services:
    """Build everything; nothing runs before the application starts."""
    appends = WatchedAppender(ports.appender)
    ports = replace(ports, appender=appends)
    directory = Directory(appender=ports.appender, tail=ports.tail)
    configs = AccountConfigs(sealer=ports.sealer, clock=ports.clock)
    return Services(
        ports=ports,
        directory=directory,
        gatekeeper=Gatekeeper(ports=ports, directory=directory),
        idempotency=Idempotency(cache=ports.cache, sealer=ports.sealer, clock=ports.clock),
        configs=configs,
        recent=Recent(),
        watcher=StatusWatcher(ports.history, ports.signals),
        lookout=Lookout(ports.signals),
        metrics=ApiMetrics(ports.registry),
        registrar=Registrar(ports=ports, directory=directory, configs=configs),
        appends=appends,
        file_slots=FileSlots(),
        one_file=asyncio.Lock(),
        openapi=openapi,
    )
