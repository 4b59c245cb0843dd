"""Door to the worker that fits volatility models: the jobs it takes, and what it says of them.

A fit is work for a process of its own, never for a request. What is known of fits lives in the memory of the process
that took them, for an hour: another process, or this one after a restart, does not know them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from services.core.explain import Floats
from services.volatility.fitting import Fit, FitChoice, FitRejected, FittedModel

FIT_RETENTION = timedelta(hours=1)
"""How long the result of a fit can be read."""
FIT_SECONDS = 60.0
"""Longest time that a fit may take; then its process is ended."""
MAX_WAITING_FITS = 64
"""Fits that may wait; a further one is refused."""


class FitStatus(StrEnum):
    """Where a fit stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    REJECTED = "rejected"
    """The estimates are not to be used; the reason says why."""
    FAILED = "failed"
    """There are no estimates: the worker was late, died or met a defect."""

    @property
    def final(self) -> bool:
        """Whether nothing will change any more."""
        return self in (FitStatus.DONE, FitStatus.REJECTED, FitStatus.FAILED)


class FitFailure(StrEnum):
    """Why a fit failed."""

    TIME_LIMIT = "time_limit"
    WORKER_ENDED = "worker_ended"
    INTERNAL_ERROR = "internal_error"


FIT_FAILURE_TEXT: dict[FitFailure, str] = {
    FitFailure.TIME_LIMIT: f"It took longer than {FIT_SECONDS:g} s and was ended: send fewer bars.",
    FitFailure.WORKER_ENDED: "The process that computed it ended: post it again.",
    FitFailure.INTERNAL_ERROR: "A defect of this service; it is in the log under the id of the fit.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FitJob:
    """What to fit: complete, so that it can be sent to another process."""

    log_returns: Floats
    choice: FitChoice
    previous: FittedModel | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSubject:
    """What a fit is of, repeated in every answer about it."""

    symbol: str
    interval: str
    periods_per_year: float
    choice: FitChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRecord:
    """What is known of a fit.

    `result` is there once it is done or rejected, `failure` once it has failed.
    """

    fit_id: str
    tenant_id: str
    subject: FitSubject
    status: FitStatus
    submitted_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: Fit | FitRejected | None = None
    failure: FitFailure | None = None


class FitQueueFull(Exception):
    """As many fits wait as may."""


class FitWorker(Protocol):
    """Takes fits and remembers them. Neither method waits for anything."""

    def submit(self, tenant_id: str, subject: FitSubject, job: FitJob, submitted_at: datetime) -> FitRecord:
        """Queue a fit.

        Raises
        ------
        FitQueueFull
            If `MAX_WAITING_FITS` wait already.
        """
        ...

    def find(self, tenant_id: str, fit_id: str) -> FitRecord | None:
        """What is known of a fit; None also for another tenant's."""
        ...
