"""Opens and closes the stores of a process; with the command line, the only importer of adapters."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import AsyncIterator, Callable

from fastapi import FastAPI

from app.adapters.database import open_database
from app.adapters.database_url import DatabaseUnreachable, InvalidDatabaseUrl
from app.adapters.file_lock import DatabaseInUse
from app.adapters.fit_worker import open_fit_worker
from app.adapters.key_pepper import open_pepper
from app.adapters.log_key import LogKeyRefused, load_cosigner, open_signer
from app.adapters.memory_bus import MemoryBus
from app.adapters.memory_doors import MemoryDoors
from app.adapters.memory_volatility import MemoryVolatilityStore
from app.adapters.otlp import TracingMissing, open_tracer
from app.adapters.redis_doors import open_redis_doors
from app.adapters.redis_volatility import open_redis_volatility
from app.adapters.schema import SchemaMismatch
from app.adapters.secret_file import SecretRefused
from app.adapters.switching_bus import open_redis_bus
from app.adapters.system_clock import SystemClock
from app.authentication import keys_required
from app.container import Container
from app.door_ports import DoorStore
from app.fill_ledger import FillLedger
from app.internal import internal_port
from app.live_ports import UpdateBus
from app.ports import AuditUnavailable, StateUnavailable, VolatilityStore
from app.settings import Settings, is_loopback
from app.usecases.hub import Hub
from app.usecases.live import Live
from app.usecases.rebuild_states import Progress, rebuild_states
from app.usecases.stream_access import watch_keys
from app.version import ENGINE_VERSION
from app.worker_pool import WorkerPool


class OpenToStrangers(Exception):
    """Other machines could call, and nothing would ask who they are."""


REFUSALS = (
    SchemaMismatch,
    DatabaseUnreachable,
    DatabaseInUse,
    InvalidDatabaseUrl,
    LogKeyRefused,
    OpenToStrangers,
    SecretRefused,
    StateUnavailable,
    TracingMissing,
    OSError,
)
"""Reasons not to start that the operator can mend: their text says it all, so no traceback is shown."""
SILENT_SECONDS, TOLD_EVERY_SECONDS = 2.0, 5.0
"""A rebuild that takes longer is announced, and told of this often."""
DRAIN_SHARE = 0.4
"""Part of the time for shutting down in which streams are told and closed."""
_LOGGER = logging.getLogger("trimtab")


@contextlib.asynccontextmanager
async def open_container(settings: Settings) -> AsyncIterator[Container]:
    """Container on the stores that the settings name.

    Raises
    ------
    SchemaMismatch, DatabaseUnreachable, DatabaseInUse, InvalidDatabaseUrl, LogKeyRefused, SecretRefused
        Where the process must not start; the text names the remedy.
    """
    if settings.embedded_database:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    mldsa = settings.log_mldsa_key_file
    cosigner = load_cosigner(mldsa, mldsa=True) if mldsa else None
    async with (
        open_database(settings.audit_url) as database,
        _open_states(settings.redis_url) as states,
        _open_bus(settings.redis_url) as bus,
        _open_doors(settings) as doors,
        open_fit_worker(clock) as fits,
    ):
        yield Container(
            settings=settings,
            clock=clock,
            audit=database.audit,
            tree=database.tree,
            signer=await open_signer(settings.log_key_path, settings.log_former_key_file, database.tree),
            keys=database.keys,
            pepper=open_pepper(settings.key_pepper_path, keys_exist=database.keys.any()),
            instruments=database.instruments,
            policies=database.policies,
            governance=database.governance,
            portfolios=database.portfolios,
            bus=bus,
            lease=database.lease,
            switches=database.switches,
            parameters=database.parameters,
            retention=database.retention,
            volatility=states,
            fits=fits,
            fills=FillLedger(),
            doors=doors,
            cosigner=cosigner,
        )


@contextlib.asynccontextmanager
async def _open_states(url: str | None) -> AsyncIterator[VolatilityStore]:
    if url is None:
        yield MemoryVolatilityStore()
        return
    async with open_redis_volatility(url) as store:
        yield store


@contextlib.asynccontextmanager
async def _open_bus(url: str | None) -> AsyncIterator[UpdateBus]:
    if url is None:
        yield MemoryBus()
        return
    async with open_redis_bus(url) as bus:
        yield bus


@contextlib.asynccontextmanager
async def _open_doors(settings: Settings) -> AsyncIterator[DoorStore]:
    if settings.redis_url is None:
        yield MemoryDoors(time.time_ns() // 1_000_000)
        return
    alone = settings.instances == settings.workers == 1
    async with open_redis_doors(settings.redis_url, processes=settings.processes, alone=alone) as doors:
        yield doors


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start-up and end of a process; a container that was given stays its owner's."""
    asyncio.get_running_loop().set_default_executor(WorkerPool())
    async with contextlib.AsyncExitStack() as stack:
        _trace(app, stack)
        if app.state.container is None:
            try:
                app.state.container = await stack.enter_async_context(open_container(app.state.settings))
                check_reach(app.state.container)
            except REFUSALS as error:
                app.state.refusal = f"cannot start: {error}"
                raise
            if app.state.settings.redis_url is None:
                await restore_states(app.state.container)
        container: Container = app.state.container
        drain_seconds = DRAIN_SHARE * container.settings.shutdown_seconds
        app.state.hub = Hub(container.bus, container.clock, app.state.telemetry, drain_seconds=drain_seconds)
        hub: Hub = app.state.hub
        for work in (app.state.telemetry.watch_loop(), hub.run(), watch_keys(container, hub)):
            stack.callback(asyncio.create_task(work).cancel)
        live = app.state.live = Live(container, app.state.telemetry)
        live.start()
        stack.push_async_callback(live.stop)
        try:
            internal = await stack.enter_async_context(internal_port(app))
        except OSError as error:
            app.state.refusal = f"cannot start: {error}"
            raise
        for line in banner(app.state.container):
            _LOGGER.info(line)
        if internal is not None:
            _LOGGER.info("metrics: http://%s:%d/metrics", app.state.settings.host, internal)
        # 150,000 objects of libraries never die: without this, each full collection walks them for 80 ms.
        gc.collect()
        gc.freeze()
        yield


def check_reach(container: Container) -> None:
    """Refuse to listen where other machines can call while there is no API key.

    Raises
    ------
    OpenToStrangers
        With the remedies.
    """
    settings = container.settings
    if is_loopback(settings.host) or settings.allow_unauthenticated or keys_required(container):
        return
    raise OpenToStrangers(
        f"TRIMTAB_HOST must be a loopback address such as 127.0.0.1, found {settings.host!r}: there is no API key yet, "
        "so everyone who can reach the port could use it. Make one with `trimtab keys bootstrap`, or set "
        "TRIMTAB_REQUIRE_KEYS=1 to answer nobody until there is one, or put the service behind an authenticating proxy "
        "and set TRIMTAB_ALLOW_UNAUTHENTICATED=1"
    )


def _trace(app: FastAPI, stack: contextlib.AsyncExitStack) -> None:
    """Open the tracer that the settings name, to be closed last: the requests before the end leave spans too."""
    endpoint = app.state.settings.otlp_endpoint
    if endpoint is None:
        return
    try:
        tracer = open_tracer(endpoint)
    except TracingMissing as error:
        app.state.refusal = f"cannot start: {error}"
        raise
    app.state.telemetry.tracer = tracer
    stack.push_async_callback(asyncio.to_thread, tracer.close)


async def restore_states(container: Container) -> None:
    """Rebuild the states that ended with the last process, before the first request."""
    try:
        tenants = await container.tree.stream_secrets()
        found = await rebuild_states(
            container.audit, container.volatility, tenants=list(tenants), advance=Teller(time.monotonic)
        )
    except AuditUnavailable as error:
        _LOGGER.warning("volatility states are not rebuilt: %s", error)
        return
    for index, reason in found.unreadable.items():
        _LOGGER.warning("audit entry %d is left out of the volatility states: %s", index, reason)
    if found.states:
        _LOGGER.info("%d volatility states rebuilt from %d bars", len(found.states), found.points)


class Teller:
    """Log lines about a rebuild that takes long: no request is answered until it is done."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds, self._told = seconds, seconds()
        self._started = self._told

    def __call__(self, progress: Progress) -> None:
        """Say what is to be done, if it is much, and from time to time how far it is."""
        if not progress.bytes:
            if progress.expected_seconds > SILENT_SECONDS:
                _LOGGER.info("%s", announcement(progress))
        elif (now := self._seconds()) - self._told >= TOLD_EVERY_SECONDS:
            self._told, speed = now, progress.bytes / (now - self._started)
            left = max(progress.total_bytes - progress.bytes, 0) / speed
            share = min(progress.bytes / progress.total_bytes, 1.0)
            _LOGGER.info(
                "%.0f %% of the recorded observations are read (%d bars in %d entries), about %.0f s are left",
                100.0 * share,
                progress.bars,
                progress.entries,
                left,
            )


def announcement(progress: Progress) -> str:
    """What a long rebuild means for who waits for the port.

    Examples
    --------
    >>> announcement(Progress(0, 0, 0, 90_000_000))  # doctest: +ELLIPSIS
    'rebuilding the volatility states from 90 MB of recorded observations: about 60 s until the port is open. ...'
    """
    return (
        f"rebuilding the volatility states from {progress.total_bytes / 1e6:.0f} MB of recorded observations: about "
        f"{progress.expected_seconds:.0f} s until the port is open. With REDIS_URL states outlive the process and "
        "nothing is rebuilt"
    )


def _admission(container: Container) -> str:
    if keys_required(container):
        none = "" if container.keys.any() else "; there is none yet: trimtab keys bootstrap makes one"
        return f"callers: with an API key only{none}"
    return "callers: everyone who can reach the port, until the first API key is made (trimtab keys create)"


def banner(container: Container) -> list[str]:
    """What is running, on which stores, and what to know about them."""
    settings = container.settings
    shown = settings.redacted()
    kept = f"file {settings.data_dir / 'trimtab.db'}" if settings.embedded_database else shown["database_url"]
    states = "embedded in this process" if settings.redis_url is None else shown["redis_url"]
    lines = [
        f"Trimtab {ENGINE_VERSION} at http://{settings.host}:{settings.port}, console at /, explorer at /docs",
        f"audit log: {container.audit.server_version()}, {kept}",
        f"volatility states: {container.volatility.server_version()}, {states}",
    ]
    lines.append(_admission(container))
    if container.signer is None:
        lines.append("audit log: not signed; TRIMTAB_LOG_KEY_FILE names a key")
    elif container.cosigner is not None:
        lines.append("audit log: heads are signed with ML-DSA-44 besides")
    if settings.witness_keys:
        lines.append(f"witnesses: {settings.quorum} of {len(settings.witness_keys)} keys make a head valid")
    warnings = [*container.audit.warnings(), *container.volatility.warnings()]
    unknown = [f"variable {name} means nothing to this program" for name in settings.unknown_variables]
    return lines + [f"note: {text}" for text in (*warnings, *unknown)]
