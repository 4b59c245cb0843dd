"""What a scrape of the metrics asks the stores: at most a second, and nothing that grows with what clients store."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable
from itertools import islice
from typing import TypeVar

from app.container import Container
from app.ports import AuditUnavailable, StateUnavailable
from app.telemetry import Telemetry
from app.usecases.prove import signed_checkpoint
from services.guards.switches import active_switches
from services.volatility.state import VolatilityState

Found = TypeVar("Found")
PROBE_SECONDS = 1.0
MOST_TENANTS, MOST_STATES = 50, 1_000
"""Whose states and switches are looked at: quantiles of more are hardly others."""
KEPT_SECONDS = 10.0
"""How long their answer serves other scrapes: whoever can reach the port must not make the stores work."""


class Vitals:
    """Probes of one process."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._signed_at: float | None = None
        self._looked_at = -math.inf

    async def take(self, container: Container) -> None:
        """Ask all stores at once and record what they say."""
        telemetry, activity = self._telemetry, container.audit.activity()
        telemetry.audit_activity(activity.waiting, activity.batches, activity.entries)
        telemetry.batch_sizes(activity.sizes)
        telemetry.rates_shared(shared=await container.doors.recover())
        size, states, _, _ = await asyncio.gather(
            _asked(container.audit.size()),
            _asked(_answers(container)),
            _asked(self._sign(container)),
            _asked(self._look(container)),
        )
        telemetry.dependency("audit", up=size is not None)
        if size is not None:
            telemetry.log_size(size)
        telemetry.dependency("volatility_state", up=states is not None)
        telemetry.redis(up=None if container.settings.redis_url is None else states is not None)
        age = None if self._signed_at is None else time.monotonic() - self._signed_at
        telemetry.checkpoint_age(age)

    async def _sign(self, container: Container) -> None:
        if container.signer is not None:
            signed_checkpoint(await container.tree.head(), container.signer)
            self._signed_at = time.monotonic()

    async def _look(self, container: Container) -> None:
        if time.monotonic() - self._looked_at < KEPT_SECONDS:
            return
        self._looked_at, now = time.monotonic(), container.clock.now()
        switches, ages = Counter[str](), list[float]()
        for tenant_id in {container.tenant_id, *islice(await container.tree.stream_secrets(), MOST_TENANTS)}:
            switches.update(item.mode.value for item in active_switches(await container.switches.read(tenant_id), now))
            if (left := MOST_STATES - len(ages)) > 0:
                found = await container.volatility.list(tenant_id, after=None, limit=left)
                ages += [
                    now.timestamp() - state.last_close_at for _, state in found if isinstance(state, VolatilityState)
                ]
        self._telemetry.switches(switches)
        self._telemetry.state_ages(ages)


async def _answers(container: Container) -> bool:
    await container.volatility.ping()
    return True


async def _asked(question: Awaitable[Found]) -> Found | None:
    """Answer of a store; None if it has none within a second."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await question
    except (AuditUnavailable, StateUnavailable, TimeoutError):
        return None
