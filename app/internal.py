"""The port of the operator: metrics, and which store is what; nothing of it is on the public one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from fastapi import FastAPI

from app.errors import install
from app.middleware import Edge
from app.routes.health import INTERNAL_ROUTES
from app.settings import Settings


class _Inner(uvicorn.Server):
    """A server inside another one, which has the signals of the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


@contextlib.asynccontextmanager
async def internal_port(app: FastAPI) -> AsyncIterator[int | None]:
    """Serve on `metrics_port` until the end of the block; the port, None where the settings name none.

    Raises
    ------
    OSError
        If it is taken; for several workers, if all of theirs are.
    """
    settings: Settings = app.state.settings
    if settings.metrics_port is None:
        yield None
        return
    listener = _listener(settings.host, settings.metrics_port, settings.workers)
    inner = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    inner.state = app.state
    inner.router.routes[:] = INTERNAL_ROUTES
    install(inner)
    inner.add_middleware(Edge, settings=settings, telemetry=app.state.telemetry)
    server = _Inner(uvicorn.Config(inner, log_config=None, access_log=False, server_header=False, lifespan="off"))
    task = asyncio.create_task(server.serve([listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listener.close()


def _listener(host: str, first: int, count: int) -> socket.socket:
    """Socket on the first free port of `count` from `first` on: workers find theirs without knowing their number."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(first, first + count):
        listener = socket.socket(family)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen()
            listener.setblocking(False)
            return listener
        except OSError as error:
            listener.close()
            taken = error
    ports = f"{first}" if count == 1 else f"{first} to {first + count - 1}"
    raise OSError(f"TRIMTAB_METRICS_PORT {ports}: {taken.strerror}")
