"""From the audit log to the bus: what is durable is published, in order, each entry once.

The relay keeps no position of its own: it goes on from the cursor of the bus, and a version that was published is not
published again. So it may run in any process, in several at once, and be killed anywhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from app.live_ports import CursorLost, PortfolioStore, UpdateBus
from app.ports import AuditDamaged, AuditLog, AuditUnavailable, EventKind, TailEntry
from app.telemetry import Telemetry
from app.translate.publications import entry_publication, publications
from app.usecases.log_tail import WAIT_SECONDS, get_kept, pause_seconds, read_on
from services.streaming.update import Channel, Mode, Publication

logger = logging.getLogger("trimtab")

BACKLOG = 1000
"""Entries that are published on a bus whose past nobody knows."""
STANDBY_SECONDS = 2.0
"""How long entries lie unpublished before a process acts in place of the one that should."""
FLUSH = 64
"""Publications after which they are sent."""
DEFECTS = (KeyError, TypeError, ValueError)


class Relay:
    """Publishes the log on the bus."""

    def __init__(self, audit: AuditLog, bus: UpdateBus, portfolios: PortfolioStore, telemetry: Telemetry) -> None:
        self._audit, self._bus, self._portfolios, self._telemetry = audit, bus, portfolios, telemetry

    async def run(self, leads: Callable[[], bool]) -> None:
        """Relay for ever: where this process leads, where its bus reaches no other, or where nobody else does it."""
        failures = 0
        while True:
            try:
                await self.turn(leads)
                failures = 0
            except CursorLost:
                failures = 0  # the bus lost everything meanwhile: the next turn begins anew
            except AuditUnavailable:
                failures += 1
                await asyncio.sleep(pause_seconds(failures))
            except Exception:
                failures += 1
                logger.exception("the relay of the audit log failed")
                await asyncio.sleep(pause_seconds(failures))

    async def turn(self, leads: Callable[[], bool]) -> None:
        """Wait for further entries, at most `WAIT_SECONDS`, and publish a batch of them.

        Raises
        ------
        AuditUnavailable
            If the log cannot be read; what was published stays so.
        """
        cursor = await self._bus.cursor()
        known = -1 if cursor is None else cursor
        mine = leads() or not self._bus.shared
        if not (mine and cursor is None):
            size = await self._audit.wait(after=known, timeout=WAIT_SECONDS)
            self._telemetry.relay_lag(max(size - known - 1, 0))
            if size <= known:
                await self._forget(known)
                return
            if size == known + 1 or not (mine or await self._left_alone(cursor)):
                return
        if cursor is None:
            await self._begin()
            return
        await self._relay(cursor)

    async def _left_alone(self, cursor: int | None) -> bool:
        """Whether the process that should relay does not: its bus may work within it, without its knowing better."""
        await asyncio.sleep(STANDBY_SECONDS)
        return self._bus.shared and await self._bus.cursor() == cursor

    async def _forget(self, cursor: int) -> None:
        """The log ends before the cursor: it is another one, or lost its end. What was published of it is void."""
        size = await self._audit.size()
        if size <= cursor:
            logger.warning("the audit log has %d entries, %d were published: the stream begins anew", size, cursor + 1)
            await self._bus.forget()

    async def _begin(self) -> None:
        """Fill a bus whose past nobody knows: the last decision of each portfolio, then the newest entries.

        Of a channel whose readers may skip states the newest comes first, and those before it are not new any more:
        a reader that has it already is never shown an older one, which might still look valid. Channels without a hole
        begin with the newest entries: an older decision as their first state would be followed by a hole.
        """
        size = await self._audit.size()
        start = max(size - BACKLOG, 0) - 1
        newest = newest_states(await self._last_decisions(below=start + 1))
        after = start
        while after < size - 1:
            tail = await read_on(self._audit, after)
            if tail.reached == after:
                break
            after = tail.reached
            for item in tail.entries:
                newest |= newest_states([item])
                await asyncio.sleep(0)
        await self._bus.publish_many(list(newest.values()))
        await self._bus.advance(start)

    async def _last_decisions(self, below: int) -> list[TailEntry]:
        """Last live entry of each registered portfolio among the entries below an index, in order."""
        found = []
        for tenant_id, portfolio, _ in await self._portfolios.registered():
            last = await self._audit.previous(
                tenant_id, below, kind=EventKind.LIVE, portfolio_id=portfolio.portfolio_id
            )
            if last is not None:
                found.append((last.index, tenant_id, last.event_id))
        items = []
        for _, tenant_id, event_id in sorted(found):
            try:
                entry = await get_kept(self._audit, tenant_id, event_id)
            except AuditDamaged:
                continue
            if entry is not None:
                items.append(TailEntry(tenant_id, entry))
        return items

    async def _relay(self, cursor: int) -> None:
        tail = await read_on(self._audit, cursor)
        if tail.reached == cursor:
            # Told of entries that are not there: the log lost its end.
            await self._forget(cursor)
            await asyncio.sleep(WAIT_SECONDS)
            return
        await self._publish(tail.entries, after=cursor)
        await self._bus.advance(tail.reached, after=cursor)

    async def _publish(self, entries: Sequence[TailEntry], after: int | None = None) -> None:
        waiting: list[Publication] = []
        for item in entries:
            waiting += states_of(item)
            if len(waiting) >= FLUSH:
                await self._bus.publish_many(waiting, after=after)
                waiting = []
            await asyncio.sleep(0)  # an answer of a large book takes milliseconds to read
        await self._bus.publish_many(waiting, after=after)


def newest_states(items: Iterable[TailEntry]) -> dict[Channel, Publication]:
    """Newest state of each channel whose readers may skip states."""
    states = (state for item in items for state in states_of(item))
    return {state.channel: state for state in states if state.channel.kind.mode is Mode.LATEST}


def states_of(item: TailEntry) -> list[Publication]:
    """Publications of an entry; of one that cannot be understood at least that it is there."""
    try:
        return publications(item)
    except DEFECTS:
        logger.exception("audit entry %d cannot be published", item.entry.index)
        return [entry_publication(item)]
