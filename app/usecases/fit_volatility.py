"""Fits of volatility models: a request queues one, another reads what became of it. No request waits for a fit."""

from __future__ import annotations

import dataclasses
import math
from datetime import datetime
from typing import Any

import orjson

from app.container import Container
from app.deadline import in_thread
from app.fit_port import (
    FIT_FAILURE_TEXT,
    FIT_RETENTION,
    MAX_WAITING_FITS,
    FitJob,
    FitQueueFull,
    FitRecord,
    FitSubject,
)
from app.problems import BrokenRule, RequestProblem
from app.translate.answer import stat, time_text
from app.translate.notes import Notes
from app.translate.series import series_input
from app.translate.snapshot import CLOCK_SKEW
from app.usecases.call import Answer, Call
from app.usecases.effort import points, validated
from models.api.fit import FitRequest, FittedModelIO
from services.core.errors import InvalidInput, Refusal
from services.core.outcome import Reason
from services.volatility.fit_window import fit_returns
from services.volatility.fitting import (
    FIT_REASON_TEXT,
    Fit,
    FitChoice,
    FitRejected,
    FittedModel,
    check_previous,
)
from services.volatility.series import SeriesInput

INLINE_POINTS = 2_000
"""Bars of a series up to which it is checked on the event loop (4 ms)."""


async def submit_fit(container: Container, call: Call) -> Answer:
    """Queue a fit; the answer names where to read it. Nothing is recorded: the parameters are in what uses them."""
    request, notes = await validated(FitRequest, call), Notes()
    work = (request, call.received_at, notes)
    long = points(request.series) > INLINE_POINTS
    subject, job = await in_thread(fit_job, *work) if long else fit_job(*work)
    try:
        record = container.fits.submit(container.tenant_id, subject, job, call.received_at)
    except FitQueueFull:
        text = f"{MAX_WAITING_FITS} fits wait already"
        raise RequestProblem("fit_queue_full", text, headers=(("Retry-After", "1"),)) from None
    remarks = {"assumptions": notes.assumptions, "warnings": notes.warnings}
    location = ("Location", f"/v1/volatility/fits/{record.fit_id}")
    return Answer(202, orjson.dumps({**fit_row(record), **remarks}), (location,))


async def read_fit(container: Container, fit_id: str) -> Answer:
    """Where a fit stands."""
    record = container.fits.find(container.tenant_id, fit_id)
    if record is None:
        text = "there is no fit with this id; results are kept for an hour, in the process that took the fit"
        raise RequestProblem("not_found", text)
    return Answer(200, orjson.dumps(fit_row(record)))


def fit_job(request: FitRequest, received_at: datetime, notes: Notes) -> tuple[FitSubject, FitJob]:
    """What a request asks for, checked: whatever is wrong with it is said at once, not by the worker.

    Raises
    ------
    InvalidInput
        If choices contradict each other or a bar is none.
    """
    choice = FitChoice(
        model=request.model,
        distribution=request.distribution,
        mean=request.mean,
        procedure=request.procedure,
    )
    previous = None if request.previous is None else _model(request.previous)
    if previous is not None:
        check_previous(previous, choice)
    series = _series(request, received_at, notes)
    log_returns = fit_returns(series)
    if isinstance(log_returns, Refusal):
        raise RequestProblem("invalid_request", log_returns.detail, [BrokenRule("/series", "rule", log_returns.detail)])
    subject = FitSubject(
        symbol=request.series.symbol,
        interval=request.series.interval,
        periods_per_year=series.clock.periods_per_year,
        choice=choice,
    )
    return subject, FitJob(log_returns=log_returns, choice=choice, previous=previous)


def _series(request: FitRequest, received_at: datetime, notes: Notes) -> SeriesInput:
    as_of = request.as_of or received_at
    if request.as_of is None:
        notes.assume("/as_of", time_text(as_of), "bars that close later are not complete")
    elif as_of > received_at + CLOCK_SKEW:
        rule = f"must not lie in the future (server time {time_text(received_at)})"
        raise InvalidInput("as_of", rule, time_text(as_of), "check your clock against GET /v1/time")
    if request.series.calendar is None:
        notes.assume("/series/calendar", "24/7", "a year has 365 days of 24 hours")
    try:
        return series_input(request.series, 0, as_of, notes)
    except InvalidInput as error:
        # Elsewhere series is a list.
        error.parameter = error.parameter.replace("series.0", "series", 1)
        raise


def _model(given: FittedModelIO) -> FittedModel:
    return FittedModel(estimator=given.estimator, mean=given.mean, degrees_of_freedom=given.degrees_of_freedom)


def fit_row(record: FitRecord) -> dict[str, Any]:
    """A fit on the wire."""
    subject = record.subject
    row: dict[str, Any] = {
        "fit_id": record.fit_id,
        "status": record.status,
        **_why(record),
        "symbol": subject.symbol,
        "interval": subject.interval,
        "periods_per_year": subject.periods_per_year,
        **dataclasses.asdict(subject.choice),
        "submitted_at": time_text(record.submitted_at),
    }
    for name in ("started_at", "finished_at"):
        if (moment := getattr(record, name)) is not None:
            row[name] = time_text(moment)
    if record.finished_at is not None:
        row["kept_until"] = time_text(record.finished_at + FIT_RETENTION)
    if isinstance(record.result, Fit):
        row["result"] = result_row(record.result, subject.periods_per_year)
    return row


def _why(record: FitRecord) -> dict[str, str]:
    if isinstance(record.result, FitRejected):
        reason = record.result.reason
        return {"reason": reason, "detail": f"{record.result.detail}. {FIT_REASON_TEXT[reason]}"}
    if record.failure is not None:
        return {"reason": record.failure, "detail": FIT_FAILURE_TEXT[record.failure]}
    return {"reason": Reason.NONE}


def result_row(found: Fit, periods_per_year: float) -> dict[str, Any]:
    """Estimates on the wire: parameters with every digit, figures rounded."""
    estimator = dataclasses.asdict(found.model.estimator)
    given = {name: value for name, value in estimator.items() if value is not None}
    return {
        "fitted": {
            "estimator": given,
            "mean": found.model.mean,
            "degrees_of_freedom": found.model.degrees_of_freedom,
        },
        "log_likelihood": stat(found.log_likelihood),
        "akaike": stat(found.akaike),
        "bayes": stat(found.bayes),
        "returns": found.observations,
        "free_parameters": found.free_parameters,
        "iterations": found.iterations,
        "persistence": stat(found.persistence),
        "long_run_volatility": stat(math.sqrt(found.long_run_variance * periods_per_year)),
        "last_volatility": stat(math.sqrt(found.last_variance * periods_per_year)),
        "residual_rms": stat(found.residual_rms),
    }
