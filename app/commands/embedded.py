"""The service inside a command: the real one, behind a real socket on a free loopback port."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import uvicorn

from app.commands.console import ExitCode, Failure
from app.server import configuration
from app.settings import Settings

START_SECONDS = 30.0
POLL_SECONDS = 0.01


@contextmanager
def embedded_service(settings: Settings) -> Iterator[str]:
    """Run the service in a thread; its base URL.

    Raises
    ------
    Failure
        If it does not start; its log on standard error says why.
    """
    server = uvicorn.Server(configuration(replace(settings, host="127.0.0.1", port=0)))
    thread = threading.Thread(target=server.run, name="trimtab-service", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{_port(server, thread)}"
    finally:
        server.should_exit = True
        thread.join()


def _port(server: uvicorn.Server, thread: threading.Thread) -> int:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise Failure(ExitCode.UNAVAILABLE, "The embedded service did not start", "Its log above says why.")
        time.sleep(POLL_SECONDS)
    return int(server.servers[0].sockets[0].getsockname()[1])
