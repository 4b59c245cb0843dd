"""Fits in one process of their own, fed by one thread.

The thread blocks in place of the event loop. A clock runs beside every fit: when its time is over the process is
killed, which ends the wait, whatever the process was doing. A process that dies by itself ends the wait just so. The
next fit starts a new one; after a minute without work it is ended, so that an idle service does not keep its memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from app.adapters.fit_process import PING, Reply, Task, serve_fits
from app.fit_port import (
    FIT_RETENTION,
    FIT_SECONDS,
    MAX_WAITING_FITS,
    FitFailure,
    FitJob,
    FitQueueFull,
    FitRecord,
    FitStatus,
    FitSubject,
)
from app.ids import new_id
from app.ports import Clock
from services.volatility.fitting import Fit

IDLE_SECONDS = 60.0
MAX_KEPT = 2_000
"""Finished fits that are remembered; the oldest are forgotten first."""
_LOGGER = logging.getLogger("trimtab")


@contextlib.asynccontextmanager
async def open_fit_worker(clock: Clock) -> AsyncIterator[ProcessFitWorker]:
    """Worker that is ended, with its process, at the exit of the block."""
    worker = ProcessFitWorker(clock)
    try:
        yield worker
    finally:
        await asyncio.to_thread(worker.close)


class ProcessFitWorker:
    """`FitWorker` with a process.

    Parameters
    ----------
    clock : Clock
        Time of the records.
    time_limit : float
        Longest time of one fit, the start of the process included [s].
    waiting : int
        Fits that may wait.
    retention : timedelta
        How long a finished fit is remembered.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        time_limit: float = FIT_SECONDS,
        waiting: int = MAX_WAITING_FITS,
        retention: timedelta = FIT_RETENTION,
    ) -> None:
        self._clock, self._time_limit, self._waiting, self._retention = clock, time_limit, waiting, retention
        self._lock = threading.Lock()
        self._records: dict[str, FitRecord] = {}
        self._jobs: queue.SimpleQueue[tuple[str, FitJob] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._process = _Process()

    def submit(self, tenant_id: str, subject: FitSubject, job: FitJob, submitted_at: datetime) -> FitRecord:
        """Queue a fit."""
        record = FitRecord(
            fit_id=new_id("fit", submitted_at),
            tenant_id=tenant_id,
            subject=subject,
            status=FitStatus.QUEUED,
            submitted_at=submitted_at,
        )
        with self._lock:
            self._forget()
            if sum(item.status is FitStatus.QUEUED for item in self._records.values()) >= self._waiting:
                raise FitQueueFull
            self._records[record.fit_id] = record
            self._jobs.put((record.fit_id, job))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="trimtab-fits", daemon=True)
                self._thread.start()
        return record

    def find(self, tenant_id: str, fit_id: str) -> FitRecord | None:
        """What is known of a fit."""
        with self._lock:
            self._forget()
            record = self._records.get(fit_id)
        return record if record is not None and record.tenant_id == tenant_id else None

    def process_id(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.process_id()

    def close(self) -> None:
        """End process and thread; a fit that runs is lost."""
        self._jobs.put(None)
        self._process.close()
        if self._thread is not None:
            self._thread.join()
        self._process.end()

    def _forget(self) -> None:
        # One worker takes the fits in their order, so that the first are the first to be finished.
        oldest = self._clock.now() - self._retention
        for fit_id, item in list(self._records.items()):
            if item.finished_at is None or (item.finished_at > oldest and len(self._records) <= MAX_KEPT):
                return
            del self._records[fit_id]

    def _work(self) -> None:
        while True:
            try:
                item = self._jobs.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                self._process.end()
                continue
            if item is None or self._process.closed:
                return
            self._serve(*item)

    def _serve(self, fit_id: str, job: FitJob) -> None:
        self._update(fit_id, status=FitStatus.RUNNING, started_at=self._clock.now())
        reply = self._process.ask((job.log_returns, job.choice, job.previous), self._time_limit)
        now = self._clock.now()
        if isinstance(reply, FitFailure | str):
            failure = reply if isinstance(reply, FitFailure) else FitFailure.INTERNAL_ERROR
            _LOGGER.error("fit %s failed: %s", fit_id, reply)
            self._update(fit_id, status=FitStatus.FAILED, finished_at=now, failure=failure)
        else:
            status = FitStatus.DONE if isinstance(reply, Fit) else FitStatus.REJECTED
            self._update(fit_id, status=status, finished_at=now, result=reply)

    def _update(self, fit_id: str, **changes: object) -> None:
        with self._lock:
            self._records[fit_id] = replace(self._records[fit_id], **changes)  # type: ignore[arg-type]


class _Process:
    """One process at the other end of a pipe, started when it is asked something."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._running: tuple[SpawnProcess, Connection] | None = None
        self.closed = False

    def ask(self, task: Task, time_limit: float) -> Reply | FitFailure:
        """Reply to a task, or why there is none."""
        late = threading.Event()

        def end_late() -> None:
            late.set()
            self._kill()

        watch = threading.Timer(time_limit, end_late)
        watch.daemon = True
        watch.start()
        try:
            return self._exchange(task, late)
        except (EOFError, OSError):
            self.end()
            return FitFailure.TIME_LIMIT if late.is_set() else FitFailure.WORKER_ENDED
        finally:
            watch.cancel()

    def _exchange(self, task: Task, late: threading.Event) -> Reply:
        if not self._awake():
            self.end()
        connection = self._connected()
        if connection is None or late.is_set():
            raise EOFError
        connection.send(task)
        reply: Reply = connection.recv()
        return reply

    def _awake(self) -> bool:
        """Whether there is no process yet, or one that did not die while nothing was asked of it."""
        running = self._running
        if running is None:
            return True
        try:
            running[1].send(PING)
            running[1].recv()
        except (EOFError, OSError):
            return False
        return True

    def process_id(self) -> int | None:
        """Of the process, while there is one."""
        running = self._running
        return running[0].pid if running else None

    def end(self) -> None:
        """End the process; the next task starts another."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            process, connection = running
            process.kill()
            process.join()
            connection.close()
            process.close()

    def close(self) -> None:
        """End the process, and start none any more; a task in hand gets no reply."""
        with self._lock:
            self.closed = True
        self._kill()

    def _connected(self) -> Connection | None:
        with self._lock:
            if self.closed:
                return None
            if self._running is None:
                self._running = _started()
            return self._running[1]

    def _kill(self) -> None:
        with self._lock:
            if self._running is not None:
                self._running[0].kill()


def _started() -> tuple[SpawnProcess, Connection]:
    context = get_context("spawn")  # fork would copy the threads' locks and the open sockets of the service
    ours, theirs = context.Pipe()
    process = context.Process(target=serve_fits, args=(theirs,), name="trimtab-fits", daemon=True)
    process.start()
    theirs.close()  # else the death of the process would not close the pipe
    return process, ours
