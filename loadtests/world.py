"""One product with its merchants, their channels and their receivers, as a bench needs them."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from loadtests.arrivals import Checked, Webhook, checked, wall_offset_ns
from loadtests.engines import Engines
from loadtests.generator import Client, http_request, offer
from loadtests.insisting import insist
from loadtests.load import POLL_SECONDS, Load, until_told
from loadtests.merchants import TOLD, Merchant
from loadtests.processes import Watch, faults_of_parts, tree
from loadtests.receiving import OK, Receiving, start_receiving
from loadtests.refusing import Refused
from ops.demo_product import Product, start
from streams.clock import system_clock
from streams.topics import STAGES

ADMIN_KEY = "bench-admin-key-0123456789"
ENVIRONMENT = {
    "KESHIKOMI_ADMIN_KEY": ADMIN_KEY,
    "KESHIKOMI_ALLOW_PRIVATE_ENDPOINTS": "true",
    "KESHIKOMI_RATE_LIMIT_PER_SECOND": "1000000",
}
"""Everything else is as anyone gets it; the limits of one key would be all that is measured."""
QUIET_SECONDS_MAX = 300.0
PATIENCE_SECONDS_MAX = 30.0
GAUGE_SECONDS = 1.2
"""The gauges of the product are a second old at most."""
LAG = re.compile(r'^keshikomi_lag_records\{stage="([a-z]+)"\} ([0-9.e+]+)$', re.MULTILINE)


class World:
    """A running product, its receiver, and the merchants that were made for this run."""

    def __init__(
        self,
        *,
        product: Product,
        receiver: Receiving,
        engines: Engines,
    ) -> None:
        self.product, self.receiver, self.engines = product, receiver, engines
        self.client = Client(product.port)
        self.merchants: list[Merchant] = []
        self.arrivals: list[Checked] = []
        self.untaken = 0
        """Notices that were never answered by success, of all loads."""
        self._collecting = asyncio.Lock()
        self._secrets: dict[str, str] = {}
        self._numbers = 0
        self._unpaid: deque[tuple[Merchant, str]] = deque()

    # --- the API

    async def call(
        self, method: str, path: str, body: object = None, *, key: str = ADMIN_KEY
    ) -> dict[str, Any]:
        """One call that must succeed."""
        content = b"" if body is None else orjson.dumps(body)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        status, answer = await self.client.ask(http_request(method, path, content, headers))
        if not 200 <= status < 300:  # noqa: PLR2004  # success in HTTP
            shown = answer.decode(errors="replace")[:500]
            log = self.product.log_tail() if status >= 500 else ""  # noqa: PLR2004  # its own fault
            raise Refused(status, f"{method} {path}: {status} {shown}\n{log}")
        said: dict[str, Any] = orjson.loads(answer)
        return said

    async def patient_call(self, path: str, key: str) -> dict[str, Any]:
        """A GET that is asked again while the answer is 503, as any reader does, within a bound."""
        begun = time.perf_counter()
        while True:
            try:
                return await self.call("GET", path, key=key)
            except Refused as error:
                if error.status != 503 or time.perf_counter() - begun > PATIENCE_SECONDS_MAX:  # noqa: PLR2004  # unavailable, in HTTP
                    raise
            await asyncio.sleep(POLL_SECONDS)

    async def add_merchant(self, path: str) -> Merchant:
        """A merchant whose server is the receiver at this path."""
        secret = f"bench-secret-{len(self.merchants):08d}"
        made = await self.call("POST", "/v1/merchants", {"name": f"Bench {path}"})
        config = {"secret": secret}
        account = await self.add_account(made["id"], "konbini_digital", "generic", config)
        endpoint = await self.add_endpoint(path, made["api_key"], types=TOLD)
        merchant = Merchant(
            path=path,
            merchant_id=made["id"],
            api_key=made["api_key"],
            account_id=account["id"],
            endpoint_id=endpoint["id"],
            notice_path=account["notice_path"],
            channel_secret=secret,
            endpoint_secret=endpoint["secret"],
        )
        self.merchants.append(merchant)
        return merchant

    async def add_account(
        self, merchant_id: str, channel: str, form: str, config: Mapping[str, str]
    ) -> dict[str, Any]:
        """A channel account of a merchant."""
        body = {"merchant_id": merchant_id, "channel": channel, "format": form, "config": config}
        return await self.call("POST", "/v1/channel-accounts", body)

    async def add_endpoint(
        self, path: str, api_key: str, *, types: Iterable[str], **options: object
    ) -> dict[str, Any]:
        """An endpoint of a merchant at this path of the receiver."""
        url = f"http://127.0.0.1:{self.receiver.port}{path}"
        body = {"url": url, "types": sorted(types), **options}
        made = await self.call("POST", "/v1/endpoints", body, key=api_key)
        self._secrets[path] = made["secret"]
        return made

    @property
    def unpaid(self) -> int:
        """Invoices that no notice was sent for yet."""
        return len(self._unpaid)

    def bills(
        self, count: int, merchants: Sequence[Merchant] | None = None
    ) -> list[tuple[Merchant, str]]:
        """The next invoices by number, in turn for each merchant; notices will pay them."""
        chosen = merchants or self.merchants
        made = []
        for _ in range(count):
            merchant = chosen[self._numbers % len(chosen)]
            self._numbers += 1
            made.append((merchant, f"ORD-{self._numbers:07d}"))
        self._unpaid.extend(made)
        return made

    async def quiet(self) -> float:
        """Wait until every stage has read everything; returns the seconds that it took."""
        begun = time.perf_counter()
        quiet_looks, lags = 0, {}
        while time.perf_counter() - begun < QUIET_SECONDS_MAX:
            _, text = await self.client.ask(http_request("GET", "/metrics"))
            lags = {stage: float(lag) for stage, lag in LAG.findall(text.decode())}
            # A worker that starts shows nothing yet, and may have everything to read.
            is_quiet = lags.keys() == set(STAGES) and not any(lags.values())
            quiet_looks = quiet_looks + 1 if is_quiet else 0
            if quiet_looks > 1:
                return time.perf_counter() - begun
            await asyncio.sleep(GAUGE_SECONDS if quiet_looks else POLL_SECONDS)
        lately = self.product.log_tail()
        raise RuntimeError(f"still not quiet after {QUIET_SECONDS_MAX:g} s: {lags}\n{lately}")

    # --- a load

    def notices(self, count: int) -> tuple[list[bytes], list[str], list[Merchant]]:
        """Requests that pay invoices in the order in which they were registered."""
        paid_at = system_clock().isoformat()
        requests, references, owners = [], [], []
        for _ in range(count):
            merchant, reference = self._unpaid.popleft()
            requests.append(merchant.notice_request(reference, paid_at))
            references.append(reference)
            owners.append(merchant)
        return requests, references, owners

    async def load(self, rate: float, seconds: float, *, insisting: bool = False) -> Load:
        """Offer notices at a rate, then wait until everything that was accepted has been told.

        What it cost counts until every stage, the archiver too, has read everything.
        With `insisting`, what was not accepted is offered again until it is, as providers do.
        """
        requests, references, owners = self.notices(int(rate * seconds))
        offset_ns, seen = wall_offset_ns(), len(self.arrivals)
        async with Watch(self.processes()) as watch:
            offered = await offer(self.client, requests, rate)
            if insisting:
                await insist(self.client, requests, offered)
            self.untaken += len(requests) - len(offered.accepted)
            for owner, reference, status in zip(owners, references, offered.statuses, strict=True):
                self._credit(owner, reference, status)
            ended = time.perf_counter()
            await self._told()
            drained_seconds = time.perf_counter() - ended
            if not insisting:  # where something was killed, nobody asks what it cost
                await self.quiet()
            parts = self.processes()
        await self._heard()
        arrivals = self.arrivals[seen:]
        first: dict[str, Webhook] = {}
        for arrival in arrivals:
            first.setdefault(arrival.reference, arrival)
        return Load(
            offered=offered,
            references=references,
            merchants=owners,
            arrivals=first,
            wall_offset_ns=offset_ns,
            drained_seconds=drained_seconds,
            watch=watch,
            around=frozenset(self.around()),
            repeats=len(arrivals) - len(first),
            lost=[*faults_of_parts(watch.pids, parts)],
        )

    def _credit(self, merchant: Merchant, reference: str, status: int) -> None:
        """Note what was taken, and what nobody can know."""
        if 200 <= status < 300:  # noqa: PLR2004  # success in HTTP
            merchant.accepted.append(reference)
        elif not status or (status >= 500 and not self.engines.refuses_surely):  # noqa: PLR2004  # its own fault
            merchant.uncertain.append(reference)

    async def new_arrivals(self) -> list[Checked]:
        """What came since the last call; signatures are judged at once, and bodies let go."""
        offset_ns = wall_offset_ns()
        async with self._collecting:
            found = [
                checked(arrival, self._secrets.get(arrival.path), offset_ns)
                async for arrival in self.receiver.arrivals(len(self.arrivals))
            ]
            self.arrivals += found
        return found

    async def _told(self) -> None:
        """Wait for the webhooks of all that was accepted, for as long as more of them come."""
        living = {each.path: len(each.accepted) for each in self.merchants if not each.is_dead}

        async def told() -> int:
            served = await self.receiver.served()
            return sum(served.get(path, 0) for path in living)

        await until_told(told, sum(living.values()))

    async def _heard(self) -> None:
        """The same to the last one: that counts what nobody accepted, too, and costs no CPU."""
        living = {each.path: each for each in self.merchants if not each.is_dead}
        left = {(path, told) for path, each in living.items() for told in each.accepted}
        seen = 0

        async def heard() -> int:
            nonlocal seen
            await self.new_arrivals()
            new, seen = self.arrivals[seen:], len(self.arrivals)
            left.difference_update((each.path, each.reference) for each in new if each.status == OK)
            return -len(left)

        await until_told(heard, 0)

    def processes(self) -> dict[str, int]:
        """Every process of the run by name."""
        return {**tree(self.product.process.pid), **self.around()}

    def around(self) -> dict[str, int]:
        """The processes that are no part of the product."""
        return {**self.engines.processes(), "receiver": self.receiver.pid, "generator": os.getpid()}

    async def close(self) -> None:
        """End everything."""
        await self.client.close()
        await self.product.stop()
        await self.receiver.close()


@asynccontextmanager
async def world(
    folder: Path,
    name: str,
    *,
    merchants: Sequence[str],
    engines: Engines,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[World]:
    """A ready product in a directory of its own, with merchants whose servers are at the paths."""
    receiver = await start_receiving()
    environment = {**os.environ, **ENVIRONMENT, **engines.environment, **(settings or {})}
    product = await start(folder / name, environment=environment)
    made = World(product=product, receiver=receiver, engines=engines)
    try:
        await product.wait_ready()
        for path in merchants:
            await made.add_merchant(path)
        yield made
    finally:
        await made.close()
