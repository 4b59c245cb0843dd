"""What runs in the process of the fits. It imports the fits and nothing of the service."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from multiprocessing.connection import Connection

from services.core.explain import Floats
from services.volatility.fitting import Fit, FitChoice, FitRejected, FittedModel, fit

Task = tuple[Floats, FitChoice, FittedModel | None]
Reply = Fit | FitRejected | str
"""A string is the traceback of a defect."""
PING = "ping"
"""Is repeated: the way to tell that a process lives."""

NICENESS = 5
"""Fits give way to requests."""


def serve_fits(connection: Connection) -> None:
    """Answer tasks until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the service ends us in its own time
    os.nice(NICENESS)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            task: Task | str = connection.recv()
            connection.send(task if isinstance(task, str) else _reply(task))


def _reply(task: Task) -> Reply:
    try:
        return fit(*task)
    except Exception:  # the process must outlive a bad fit; the other end logs the text and answers `failed`
        return traceback.format_exc()
