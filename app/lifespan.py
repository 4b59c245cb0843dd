"""Opens and closes the stores of a process; with the command line, the only importer of adapters."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator

from fastapi import FastAPI

from app.adapters.database import open_database
from app.adapters.database_url import DatabaseUnreachable, InvalidDatabaseUrl
from app.adapters.file_lock import DatabaseInUse
from app.adapters.fit_worker import open_fit_worker
from app.adapters.memory_volatility import MemoryVolatilityStore
from app.adapters.redis_volatility import open_redis_volatility
from app.adapters.schema import SchemaMismatch
from app.adapters.system_clock import SystemClock
from app.container import Container
from app.ports import AuditUnavailable, StateUnavailable, VolatilityStore
from app.settings import Settings
from app.usecases.rebuild_states import rebuild_states
from app.version import ENGINE_VERSION

REFUSALS = (SchemaMismatch, DatabaseUnreachable, DatabaseInUse, InvalidDatabaseUrl, StateUnavailable, OSError)
"""Reasons not to start that the operator can mend: their text says it all, so no traceback is shown."""
LONG_LOG = 2_000
"""Entries of a log whose reading is announced: it takes seconds."""
_LOGGER = logging.getLogger("trimtab")


@contextlib.asynccontextmanager
async def open_container(settings: Settings) -> AsyncIterator[Container]:
    """Container on the stores that the settings name.

    Raises
    ------
    SchemaMismatch, DatabaseUnreachable, DatabaseInUse, InvalidDatabaseUrl
        Where the process must not start; the text names the remedy.
    """
    if settings.embedded_database:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    async with (
        open_database(settings.audit_url) as database,
        _open_states(settings.redis_url) as states,
        open_fit_worker(clock) as fits,
    ):
        yield Container(
            settings=settings,
            clock=clock,
            audit=database.audit,
            instruments=database.instruments,
            volatility=states,
            fits=fits,
        )


@contextlib.asynccontextmanager
async def _open_states(url: str | None) -> AsyncIterator[VolatilityStore]:
    if url is None:
        yield MemoryVolatilityStore()
        return
    async with open_redis_volatility(url) as store:
        yield store


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start-up and end of a process; a container that was given stays its owner's."""
    async with contextlib.AsyncExitStack() as stack:
        if app.state.container is None:
            try:
                app.state.container = await stack.enter_async_context(open_container(app.state.settings))
            except REFUSALS as error:
                app.state.refusal = f"cannot start: {error}"
                raise
            if app.state.settings.redis_url is None:
                await restore_states(app.state.container)
        watch = asyncio.create_task(app.state.telemetry.watch_loop())
        stack.callback(watch.cancel)
        for line in banner(app.state.container):
            _LOGGER.info(line)
        # 150,000 objects of libraries never die: without this, each full collection walks them for 80 ms.
        gc.collect()
        gc.freeze()
        yield


async def restore_states(container: Container) -> None:
    """Rebuild the states that ended with the last process, before the first request."""
    try:
        if (entries := await container.audit.size()) > LONG_LOG:
            _LOGGER.info("reading %d audit entries to rebuild the volatility states", entries)
        found = await rebuild_states(container.audit, container.volatility)
    except AuditUnavailable as error:
        _LOGGER.warning("volatility states are not rebuilt: %s", error)
        return
    for index, reason in found.unreadable.items():
        _LOGGER.warning("audit entry %d is left out of the volatility states: %s", index, reason)
    if found.states:
        _LOGGER.info("%d volatility states rebuilt from %d observations", len(found.states), found.points)


def banner(container: Container) -> list[str]:
    """What is running, on which stores, and what to know about them."""
    settings = container.settings
    shown = settings.redacted()
    kept = f"file {settings.data_dir / 'trimtab.db'}" if settings.embedded_database else shown["database_url"]
    states = "embedded in this process" if settings.redis_url is None else shown["redis_url"]
    lines = [
        f"Trimtab {ENGINE_VERSION} at http://{settings.host}:{settings.port}, explorer at /docs",
        f"audit log: {container.audit.server_version()}, {kept}",
        f"volatility states: {container.volatility.server_version()}, {states}",
    ]
    warnings = [*container.audit.warnings(), *container.volatility.warnings()]
    unknown = [f"variable {name} means nothing to this program" for name in settings.unknown_variables]
    return lines + [f"note: {text}" for text in (*warnings, *unknown)]
