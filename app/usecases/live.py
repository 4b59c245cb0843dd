"""The live part of a process: it relays the log to the stream, and runs the live engine while it holds the lease.

The two are apart: the relay needs the bus and goes on from its cursor, the engine needs the lease and goes on from the
log. A slow Redis keeps no portfolio from being evaluated, a slow evaluation keeps no state from being told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson

from app.authentication import keys_required
from app.container import Container
from app.live_ports import LogConsumer
from app.ports import AuditUnavailable
from app.telemetry import Telemetry
from app.translate.answer import time_text
from app.usecases.keep_log import CheckReport, LogKeeper
from app.usecases.live_engine import LiveEngine
from app.usecases.log_tail import WAIT_SECONDS, pause_seconds, read_on
from app.usecases.relay import Relay
from app.usecases.retention import RemovalRefused, keep_house
from services.streaming.update import COMMON, Channel, Kind

logger = logging.getLogger("trimtab")

RENEW_SECONDS = 1.0
"""Time between two questions whether the lease is still held."""
ACQUIRE_SECONDS = 1.0
"""Longest time between two attempts to get it; the half at least, at random."""
SWEEP_SECONDS = 30.0
STATUS_SECONDS = 1.0
HOUSE_FIRST_SECONDS, HOUSE_SECONDS = 60.0, 3600.0
"""Time from the lease to the first look for what is to be removed, and between two."""
END_SECONDS = 5.0
"""Longest wait for evaluations under way when the lease is given back."""
STATUS = Channel(COMMON, Kind.STATUS)


@dataclass(frozen=True, slots=True)
class Status:
    """What does not work, and why."""

    degraded: tuple[str, ...] = ()
    detail: str | None = None

    def state(self, since: datetime) -> bytes:
        """State of the channel `status`."""
        word = "degraded" if self.degraded else "ok"
        fields = {"status": word, "degraded": self.degraded, "since": time_text(since), "detail": self.detail}
        return orjson.dumps(fields)


class Live:
    """Relay, live engine and status of one process."""

    def __init__(self, container: Container, telemetry: Telemetry) -> None:
        self._container, self._telemetry = container, telemetry
        self._relay = Relay(container.audit, container.bus, container.portfolios, telemetry)
        self._keeper = LogKeeper(container, telemetry)
        self._engine: LogConsumer = LiveEngine(container, self._failures_changed)
        self._failures: Mapping[tuple[str, str], str] = {}
        self._log_down = False
        self._task: asyncio.Task[None] | None = None
        self.leads = False

    @property
    def checked(self) -> CheckReport | None:
        """What the last check of the log by this process found."""
        return self._keeper.last

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="live")

    async def stop(self) -> None:
        """End what is under way and give the lease back, so that another process can go on at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=END_SECONDS + 1.0)
        await self._container.lease.release()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._relay.run(lambda: self.leads), name="relay")
            tasks.create_task(_for_ever(self._tell_status), name="status")
            if self._container.settings.live:
                tasks.create_task(_for_ever(self._lead), name="live-engine")

    async def _lead(self) -> None:
        """Hold the lease whenever it can be had, and run the engine as long as it is held."""
        failures = 0
        while True:
            if await self._container.lease.acquire():
                failed = await self._term()
                failures = failures + 1 if failed else 0
                if failed:
                    # Another process may do better.
                    await self._container.lease.release()
                    await asyncio.sleep(pause_seconds(failures))
            await asyncio.sleep(ACQUIRE_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311

    async def _term(self) -> bool:
        """From the lease to its loss; True where the engine failed."""
        logger.info("this process runs the live engine")
        self.leads = True
        keeping, acting = asyncio.create_task(self._keep()), asyncio.create_task(self._act())
        cleaning = asyncio.create_task(self._keep_house())
        log = asyncio.create_task(self._keeper.run())
        try:
            await asyncio.wait((keeping, acting), return_when=asyncio.FIRST_COMPLETED)
            return acting.done()
        finally:
            self.leads = False
            for task in (keeping, acting, cleaning, log):
                task.cancel()
            await asyncio.wait((keeping, acting, cleaning, log))
            await self._end()
            logger.info("this process no longer runs the live engine")

    async def _keep(self) -> None:
        """Return once the lease is lost."""
        while await self._container.lease.held():  # noqa: ASYNC110 - nothing tells of its loss
            await asyncio.sleep(RENEW_SECONDS)

    async def _act(self) -> None:
        """Pass the log on to the engine. What it cannot mend ends the term."""
        try:
            after = await self._begin()
            swept = asyncio.get_running_loop().time()
            failures = 0
            while True:
                try:
                    await self._container.audit.wait(after=after, timeout=WAIT_SECONDS)
                    tail = await read_on(self._container.audit, after)
                    if tail.entries:
                        await self._engine.saw(tail.entries)
                    after, failures = tail.reached, 0
                    if asyncio.get_running_loop().time() - swept > SWEEP_SECONDS:
                        swept = asyncio.get_running_loop().time()
                        await self._engine.sweep()
                except AuditUnavailable:
                    failures += 1
                    await asyncio.sleep(pause_seconds(failures))
        except AuditUnavailable as error:
            logger.warning("the live engine cannot begin: %s", error)
        except Exception:
            logger.exception("the live engine failed")

    async def _keep_house(self) -> None:
        """Remove what is over its time, as long as the lease is held; what fails is tried again."""
        container, pause = self._container, HOUSE_FIRST_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = HOUSE_SECONDS
            try:
                removed = await keep_house(
                    container.audit,
                    container.retention,
                    tenant_id=container.tenant_id,
                    retention_days=container.settings.body_retention_days,
                    now=container.clock.now(),
                )
                if removed is not None:
                    logger.info("bodies of entries %d to %d are removed", removed.first, removed.end - 1)
            except (AuditUnavailable, RemovalRefused) as error:
                logger.warning("nothing is removed from the audit log: %s", error)
            except Exception:
                logger.exception("keeping house failed")

    async def _begin(self) -> int:
        size = await self._container.audit.size()
        await self._engine.begin(size)
        return size - 1

    async def _end(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self._engine.end()

    def _failures_changed(self, failures: Mapping[tuple[str, str], str]) -> None:
        self._failures = failures

    async def _tell_status(self) -> None:
        """Publish what does not work whenever that changes: who leads or led last, or who reaches nobody else."""
        told: Status | None = None
        speaks = False
        while True:
            self._telemetry.live(leads=self.leads, shared=self._container.bus.shared)
            status = await self._status()
            speaks = self.leads or (speaks and self._log_down)
            if (speaks or not self._container.bus.shared) and status != told:
                now = self._container.clock.now()
                version = int(now.timestamp() * 1e6)
                await self._container.bus.publish(STATUS, version=version, at=now, data=status.state(now))
                told = status
            elif not speaks:
                told = None
            await asyncio.sleep(STATUS_SECONDS)

    async def _status(self) -> Status:
        """What this process sees now."""
        found: dict[str, str] = {}
        try:
            await self._container.audit.ping()
            self._log_down = False
        except AuditUnavailable as error:
            self._log_down = True
            found["audit"] = f"no new targets: {error}"
        if self._container.settings.redis_url is not None and not self._container.bus.shared:
            found["stream"] = "updates come from this process alone"
        if self._failures and keys_required(self._container):  # one channel for all tenants: nobody is named
            found["live"] = f"no new targets of {len(self._failures)} portfolios"
        elif self._failures:
            (_, portfolio_id), reason = next(iter(sorted(self._failures.items())))
            more = f", and {len(self._failures) - 1} more" if len(self._failures) > 1 else ""
            found["live"] = f"no new targets of {portfolio_id}: {reason}{more}"
        return Status(tuple(found), "; ".join(found.values()) or None)


async def _for_ever(work: Callable[[], Awaitable[None]]) -> None:
    """Begin again whatever ends: a defect in one part must not end the others."""
    failures = 0
    while True:
        try:
            await work()
        except Exception:
            failures += 1
            logger.exception("the live part failed")
            await asyncio.sleep(pause_seconds(failures))
