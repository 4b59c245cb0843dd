"""`POST /v1/options:mispricing` and `:variance-premium`: what models say of quoted volatility; nothing is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson

from app.deadline import in_thread
from app.translate.answer import stat, time_text
from app.translate.notes import Notes
from app.translate.snapshot import CLOCK_SKEW
from app.usecases.call import Answer, Call
from app.usecases.effort import validated
from models.api.option_models import MispricingRequest, PremiumHistoryIn, QuoteIn, VariancePremiumRequest
from services.core.annualization import SECONDS_PER_DAY
from services.core.errors import InvalidInput, Refusal
from services.core.explain import Floats
from services.core.outcome import REASON_TEXT, Reason
from services.options.calibration import SMALLEST_ERROR, Calibration, calibrate
from services.options.mispricing import VERDICT_TEXT, Mispricing, Verdict, mispricing, quote_error
from services.options.variance_premium import forward_realized_variance, premium_history, variance_premium

MISFIT = 4.0
"""Reduced chi-square from which the model is said not to fit: errors twice what the spreads allow."""
INLINE_MOMENTS = 2_000
UNITS = {
    "points": "volatility points: 1 is 0.01 of annual volatility",
    "volatility": "annual, as a fraction",
    "variance": "annual volatility squared",
    "year": "365 days of 86,400 s",
}


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Quotes that can be used, as arrays, and where in the request they stood."""

    place: list[int]
    log_moneyness: Floats
    time: Floats
    volatility: Floats
    bid: Floats
    ask: Floats


async def find_mispricing(call: Call) -> Answer:
    """Fit a model to a chain and compare; always in a worker thread, as a fit takes a tenth of a second and more."""
    request = await validated(MispricingRequest, call)
    return Answer(200, await in_thread(_mispricing, request, call.received_at))


async def measure_variance_premium(call: Call) -> Answer:
    """Premium of a forecast and of a history."""
    request = await validated(VariancePremiumRequest, call)
    work = (request, call.received_at)
    if request.history is not None and len(request.history.times) > INLINE_MOMENTS:
        return Answer(200, await in_thread(_variance_premium, *work))
    return Answer(200, _variance_premium(*work))


def _as_of(moment: datetime | None, received_at: datetime, notes: Notes, effect: str) -> datetime:
    if moment is None:
        notes.assume("/as_of", time_text(received_at), effect)
        return received_at
    if moment > received_at + CLOCK_SKEW:
        rule = f"must not lie in the future (server time {time_text(received_at)})"
        raise InvalidInput("as_of", rule, time_text(moment), "check your clock against GET /v1/time")
    return moment


def _mispricing(request: MispricingRequest, received_at: datetime) -> bytes:
    notes = Notes()
    as_of = _as_of(request.as_of, received_at, notes, "times to expiry are counted from it")
    refused = {place: problem for place, quote in enumerate(request.quotes) if (problem := _problem(quote, as_of))}
    columns = _columns(request.quotes, refused, as_of)
    body: dict[str, Any] = {"as_of": time_text(as_of), "status": "ok", "detail": None, "method": request.model.method}
    try:
        fit, found = _fitted(request, columns)
    except Refusal as refusal:
        refused |= dict.fromkeys(columns.place, (refusal.reason, refusal.detail))
        body |= {"status": "refused", "detail": refusal.detail, "fit": None}
        rows = [_refused(quote, *refused[place]) for place, quote in enumerate(request.quotes)]
    else:
        body["fit"] = _fit(fit, columns)
        rows = _rows(request.quotes, refused, columns, found)
        _remark(fit, columns, notes)
    tail = {"quotes": rows, "units": UNITS, "assumptions": notes.assumptions, "warnings": notes.warnings}
    return orjson.dumps({**body, **tail})


def _problem(quote: QuoteIn, as_of: datetime) -> tuple[Reason, str] | None:
    """Why a quote cannot be used."""
    if quote.expiry <= as_of:
        return Reason.EXPIRED, REASON_TEXT[Reason.EXPIRED]
    bid, ask = quote.bid_volatility, quote.ask_volatility
    if bid is not None and ask is not None and bid > ask:
        return Reason.UNUSABLE_DATA, f"bid {bid:g} lies above ask {ask:g}"
    return None


def _columns(quotes: Sequence[QuoteIn], refused: dict[int, tuple[Reason, str]], as_of: datetime) -> _Columns:
    usable = [(place, quote) for place, quote in enumerate(quotes) if place not in refused]
    rows = [
        (
            np.log(float(quote.strike) / float(quote.forward)),
            quote.years(as_of),
            quote.implied_volatility,
            np.nan if quote.bid_volatility is None else quote.bid_volatility,
            np.nan if quote.ask_volatility is None else quote.ask_volatility,
        )
        for _, quote in usable
    ]
    return _Columns([place for place, _ in usable], *np.array(rows, dtype=float).reshape(-1, 5).T)


def _fitted(request: MispricingRequest, columns: _Columns) -> tuple[Calibration, Mispricing]:
    errors = quote_error(columns.volatility, columns.bid, columns.ask)
    quotes = (columns.log_moneyness, columns.time, columns.volatility)
    fit = calibrate(request.model, *quotes, errors)
    costs = {"threshold": request.threshold, "fee": request.fee, "fee_cap": request.fee_cap}
    return fit, mispricing(fit, *quotes, columns.bid, columns.ask, **costs)


def _fit(fit: Calibration, columns: _Columns) -> dict[str, object]:
    return {
        "parameters": [
            {
                "name": name,
                "value": stat(getattr(fit.model, name)),
                "standard_error": stat(error),
                "at_bound": name in fit.at_bound,
            }
            for name, error in fit.standard_errors.items()
        ],
        "feller": fit.feller,
        "quotes_used": int(fit.used.sum()),
        "expiries": int(np.unique(columns.time[fit.used]).size),
        "root_mean_square_error_points": stat(100.0 * fit.root_mean_square_error),
        "within_error": stat(fit.within_error),
        "reduced_chi_square": stat(fit.reduced_chi_square),
        "converged": fit.converged,
    }


def _rows(
    quotes: Sequence[QuoteIn], refused: dict[int, tuple[Reason, str]], columns: _Columns, found: Mispricing
) -> list[dict[str, object]]:
    index = {place: row for row, place in enumerate(columns.place)}
    rows = []
    for place, quote in enumerate(quotes):
        if place in refused:
            rows.append(_refused(quote, *refused[place]))
        elif found.verdict[index[place]] == Verdict.UNPRICED:
            rows.append(_refused(quote, Reason.UNUSABLE_DATA, VERDICT_TEXT[Verdict.UNPRICED]))
        else:
            rows.append(_verdict(quote, found, index[place]))
    return rows


def _verdict(quote: QuoteIn, found: Mispricing, row: int) -> dict[str, object]:
    return {
        "symbol": quote.symbol,
        "status": "ok",
        "reason": None,
        "detail": None,
        "model_volatility": stat(float(found.model_volatility[row])),
        "difference_points": stat(100.0 * float(found.difference[row])),
        "standard_error_points": stat(100.0 * float(found.standard_error[row])),
        "z_score": stat(float(found.z_score[row])),
        "edge_points": stat(100.0 * float(found.edge[row])),
        "verdict": str(found.verdict[row]),
    }


def _refused(quote: QuoteIn, reason: Reason, detail: str) -> dict[str, object]:
    numbers = ("model_volatility", "difference_points", "standard_error_points", "z_score", "edge_points", "verdict")
    head = {"symbol": quote.symbol, "status": "refused", "reason": reason, "detail": detail}
    return {**head, **dict.fromkeys(numbers)}


def _remark(fit: Calibration, columns: _Columns, notes: Notes) -> None:
    unquoted = int((np.isnan(columns.bid) & np.isnan(columns.ask)).sum())
    if unquoted:
        effect = f"standard error of {unquoted} quotes without bid and ask; they are never rich or cheap"
        notes.assume("/quotes", f"{SMALLEST_ERROR:g}", effect)
    if fit.reduced_chi_square > MISFIT:
        detail = f"reduced chi-square {fit.reduced_chi_square:.1f}: differences may be the model's own"
        notes.warn("model_misfit", detail)
    if fit.at_bound:
        notes.warn("parameter_at_bound", f"not estimated: {', '.join(fit.at_bound)}")
    if not fit.converged:
        notes.warn("not_converged", "the search used up its rounds: the parameters may not be the best")


def _variance_premium(request: VariancePremiumRequest, received_at: datetime) -> bytes:
    notes = Notes()
    as_of = _as_of(request.as_of, received_at, notes, "a history may not reach beyond it")
    current, history = request.current, request.history
    body = {
        "as_of": time_text(as_of),
        "horizon_days": request.horizon_days,
        "ex_ante": None,
        "ex_post": None if history is None else _ex_post(history, request.horizon_days, as_of, notes),
        "units": UNITS,
        "assumptions": notes.assumptions,
        "warnings": notes.warnings,
    }
    if current is not None:
        error = current.expected_variance_error
        found = variance_premium(current.implied_volatility, current.expected_volatility, expected_variance_error=error)
        body["ex_ante"] = {
            "premium_variance": stat(found.variance),
            "premium_points": stat(100.0 * found.volatility),
            "standard_error": stat(found.standard_error),
            "z_score": stat(found.z_score),
        }
    return orjson.dumps(body)


def _ex_post(history: PremiumHistoryIn, horizon_days: float, as_of: datetime, notes: Notes) -> dict[str, object]:
    if history.times[-1] > as_of:
        raise InvalidInput("history.times", "must not lie after as_of", time_text(history.times[-1]))
    seconds = np.array([moment.timestamp() for moment in history.times])
    if np.any(np.diff(seconds) <= 0.0):
        place = int(np.argmax(np.diff(seconds) <= 0.0)) + 1
        raise InvalidInput(f"history.times.{place}", "must be ascending", time_text(history.times[place]))
    horizon = horizon_days * SECONDS_PER_DAY
    try:
        realized = _realized(history, seconds, horizon)
        found = premium_history(seconds, history.implied_volatilities, realized, horizon_seconds=horizon)
    except Refusal as refusal:
        return _no_history(refusal.detail)
    if found.overlapping:
        detail = f"{found.observations} observations hold {found.independent_windows} independent windows"
        notes.warn("overlapping_windows", detail)
    return {
        "status": "ok",
        "detail": None,
        "premium_variance": stat(found.variance),
        "premium_points": stat(100.0 * found.volatility),
        "standard_error_variance": stat(found.variance_error),
        "standard_error_points": None if found.volatility_error is None else stat(100.0 * found.volatility_error),
        "interval_variance": _scaled(found.variance_interval, 1.0),
        "interval_points": _scaled(found.volatility_interval, 100.0),
        "share_positive": stat(found.share_positive),
        "observations": found.observations,
        "independent_windows": found.independent_windows,
        "overlapping": found.overlapping,
    }


def _realized(history: PremiumHistoryIn, seconds: Floats, horizon: float) -> Floats:
    """Variance of the window that begins at each moment; a window that ends after the last moment is not known."""
    if history.prices is not None:
        if len(history.prices) < 2:
            raise Refusal(Reason.INSUFFICIENT_HISTORY, "a single price realises no variance")
        return forward_realized_variance(seconds, [float(price) for price in history.prices], horizon_seconds=horizon)
    given = history.realized_volatilities or []
    return np.array([np.nan if value is None else value * value for value in given])


def _no_history(detail: str) -> dict[str, object]:
    numbers = (
        "premium_variance",
        "premium_points",
        "standard_error_variance",
        "standard_error_points",
        "interval_variance",
        "interval_points",
        "share_positive",
    )
    counts = {"observations": 0, "independent_windows": 0, "overlapping": False}
    return {"status": "refused", "detail": detail, **dict.fromkeys(numbers), **counts}


def _scaled(interval: tuple[float, float] | None, factor: float) -> list[float | None] | None:
    return None if interval is None else [stat(factor * end) for end in interval]
