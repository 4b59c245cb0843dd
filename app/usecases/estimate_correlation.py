"""`POST /v1/correlation:estimate`: correlation and covariance of posted series; nothing is stored or recorded."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import orjson

from app.deadline import in_thread
from app.translate.answer import stat, time_text
from app.translate.notes import Notes
from app.translate.series import check_columns, series_input
from app.translate.snapshot import CLOCK_SKEW
from app.usecases.call import Answer, Call
from app.usecases.effort import takes_long, validated
from models.api.correlation import CorrelationRequest
from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.engine.correlations import CorrelationTable, correlate_series
from services.risk.regime import RegimeReading
from services.volatility.registry import driver_names

INLINE_SERIES = 10
"""Markets up to which an estimate may run on the event loop: correlations grow with their square."""
SINGULAR = 1e-12
"""Eigenvalue below which a matrix has no condition number to speak of."""


async def estimate_correlation(call: Call) -> Answer:
    """Correlation of posted series under any estimator and method."""
    request = await validated(CorrelationRequest, call)
    work = (request, call.received_at)
    if takes_long(request.series) or len(request.series) > INLINE_SERIES:
        return Answer(200, await in_thread(estimate, *work))
    return Answer(200, estimate(*work))


def estimate(request: CorrelationRequest, received_at: datetime) -> bytes:
    """Answer bytes of an estimate."""
    as_of, notes = request.as_of or received_at, Notes()
    if request.as_of is None:
        notes.assume("/as_of", time_text(as_of), "bars that close later are not complete")
    elif as_of > received_at + CLOCK_SKEW:
        rule = f"must not lie in the future (server time {time_text(received_at)})"
        raise InvalidInput("as_of", rule, time_text(as_of), "check your clock against GET /v1/time")
    series = {}
    for index, item in enumerate(request.series):
        if item.calendar is None:
            notes.assume(f"/series/{index}/calendar", "24/7", "a year has 365 days of 24 hours")
        series[item.symbol] = series_input(item, index, as_of, notes, drivers=driver_names(request.estimator))
        check_columns(series[item.symbol], index, request.estimator)
    table = correlate_series(series, request.estimator, request.correlation)
    _remark(table, notes)
    head = {"as_of": time_text(as_of), **answer(table, request.correlation.method)}
    return orjson.dumps({**head, "assumptions": notes.assumptions, "warnings": notes.warnings})


def answer(table: CorrelationTable, method: str) -> dict[str, object]:
    """Body without remarks."""
    estimate, matrix = table.estimate, table.correlation
    weight = estimate.stress if estimate is not None else 0.0
    return {
        "status": "refused" if matrix is None else "ok",
        "detail": table.problem,
        "method": method,
        "symbols": table.keys,
        "volatilities": table.volatility.tolist(),
        "matrix": _rows(matrix),
        "covariance": _rows(table.covariance),
        "observations": None if table.observations is None else table.observations.tolist(),
        "eigenvalues": None if matrix is None else eigenvalues(matrix),
        "repaired": estimate is not None and estimate.repaired,
        "stress": {"applied": weight > 0.0, "weight": weight},
        "monitor": monitor(estimate.regime) if estimate is not None and estimate.regime is not None else None,
        "left_out": [
            {"symbol": key, "reason": refusal.reason, "detail": refusal.detail}
            for key, refusal in table.left_out.items()
        ],
    }


def eigenvalues(matrix: Floats) -> dict[str, float | None]:
    """Range of the spectrum and condition number."""
    found = np.linalg.eigvalsh(matrix)
    smallest, largest = float(found[0]), float(found[-1])
    condition = largest / smallest if smallest > SINGULAR else None
    return {"smallest": smallest, "largest": largest, "condition": condition}


def monitor(reading: RegimeReading) -> dict[str, object]:
    """Reading, without thresholds where there are none yet."""
    return {name: stat(value) if isinstance(value, float) else value for name, value in reading._asdict().items()}


def _rows(matrix: Floats | None) -> list[list[float]] | None:
    return None if matrix is None else matrix.tolist()


def _remark(table: CorrelationTable, notes: Notes) -> None:
    estimate = table.estimate
    if estimate is None:
        return
    if estimate.stress:
        effect = "all correlations are moved up; a policy stresses against the sides of the book instead"
        notes.assume("/correlation/stress", f"{estimate.stress:g}", effect)
    if estimate.repaired:
        notes.warn("correlation_repaired", "the pairs contradicted one another: eigenvalues were lifted to 1e-8")
