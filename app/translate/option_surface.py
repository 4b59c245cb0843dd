"""Option surfaces: wire to domain and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from app.translate.answer import money, number, stat, time_text
from app.translate.notes import Notes
from models.api.option_quotes import OptionChainIn, OptionQuoteIn
from models.api.option_surface import SurfaceGridIn, SurfacePointIn, SurfaceRequest
from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.explain import Floats
from services.options.chain import FAULT_TEXT, Chain, ChainRules, ExpiryQuotes, QuoteFault, Quotes
from services.options.no_arbitrage import Audit, audit
from services.options.smiles import ENOUGH_FOR_SVI
from services.options.surface import Surface, SurfaceSlice
from services.options.term_structure import (
    THIRTY_DAYS,
    SmileFigures,
    forward_delta,
    log_moneyness_of_delta,
    model_free_at,
    smile_figures,
)

YEAR_OF_DAYS = SECONDS_PER_YEAR / SECONDS_PER_DAY
TENORS = (7.0, 14.0, 30.0, 60.0, 90.0, 180.0, 365.0)
UNITS = {
    "volatility": "annual, fraction",
    "variance": "annual, fraction squared",
    "total_variance": "volatility squared, times years",
    "time": "years of 365 days",
    "log_moneyness": "ln(strike / forward)",
    "price": "quote currency per unit of base",
}
NO_SURFACE: dict[str, Any] = {
    "slices": [],
    "audit": None,
    "term_structure": [],
    "model_free_30_days": None,
    "points": [],
    "grid": None,
}
"""Of a chain without a usable quote."""


def quotes(request: SurfaceRequest | OptionChainIn, as_of: datetime) -> Quotes:
    """Columns of the core."""
    rows = request.quotes
    return Quotes(
        expiry=np.array([row.expiry.timestamp() for row in rows]),
        strike=np.array([float(row.strike) for row in rows]),
        right=np.array([1.0 if row.right == "call" else -1.0 for row in rows]),
        forward=_column(rows, "forward"),
        bid=_column(rows, "bid"),
        ask=_column(rows, "ask"),
        mark=_column(rows, "mark"),
        volatility=_column(rows, "implied_volatility"),
        age_seconds=np.array([0.0 if row.as_of is None else (as_of - row.as_of).total_seconds() for row in rows]),
        in_base=request.price_unit == "base",
    )


def _column(rows: Sequence[OptionQuoteIn], name: str) -> Floats:
    found: list[Decimal | float | None] = [getattr(row, name) for row in rows]
    return np.array([np.nan if value is None else float(value) for value in found])


def rules(request: SurfaceRequest | OptionChainIn) -> ChainRules:
    """What quotes must keep to."""
    return ChainRules(max_age_seconds=request.max_age_seconds, least_days=request.least_days, discount=request.discount)


def remark(request: SurfaceRequest | OptionChainIn, chain: Chain, notes: Notes, place: str = "") -> None:
    """Defaults that change the figures, and quotes from the future."""
    inferred = [part for part in chain.expiries if part.forward_source == "parity"]
    if inferred:
        effect = "forwards of expiries without a listed one carry the spreads of two options"
        notes.assume(f"{place}/quotes/forward", f"put-call parity in {len(inferred)} expiries", effect)
    if request.discount is None and request.price_unit == "quote":
        found = sorted({round(part.discount, 6) for part in chain.expiries})
        notes.assume(
            f"{place}/discount", ", ".join(f"{value:g}" for value in found[:10]) or "1", "prices are discounted by it"
        )
    if request.max_age_seconds is None:
        notes.assume(f"{place}/max_age_seconds", "unlimited", "no quote is stale, and age does not lower confidence")


def dropped(chain: Chain) -> dict[str, Any]:
    """Quotes that are not used, those that were not needed counted only."""
    faults = [(index, fault) for index, fault in enumerate(chain.faults) if fault is not None]
    broken = [(index, fault) for index, fault in faults if fault is not QuoteFault.TWIN_PREFERRED]
    seen = sorted({fault for _, fault in broken})
    return {
        "dropped": [{"index": index, "reason": fault} for index, fault in broken],
        "not_needed": len(faults) - len(broken),
        "reason_texts": {fault.value: FAULT_TEXT[fault] for fault in seen},
    }


def why_none(chain: Chain) -> str:
    """Why there is no surface, in a sentence."""
    counts = Counter(fault for fault in chain.faults if fault is not None)
    return "no quote is usable: " + ", ".join(f"{count} {fault}" for fault, count in counts.most_common())


def surface_body(request: SurfaceRequest, chain: Chain, surface: Surface) -> dict[str, Any]:
    """Everything that is read off a surface."""
    volatility, extrapolated = model_free_at(surface)
    return {
        "slices": [slice_row(*pair) for pair in zip(chain.expiries, surface.slices, strict=True)],
        "audit": _audit(audit(surface), surface),
        "term_structure": _tenors(surface),
        "model_free_30_days": {
            "days": THIRTY_DAYS * YEAR_OF_DAYS,
            "volatility": stat(volatility),
            "extrapolated": extrapolated,
        },
        "points": _points(request.at, surface),
        "grid": None if request.grid is None else _grid(request.grid, surface),
    }


def slice_row(part: ExpiryQuotes, fitted: SurfaceSlice) -> dict[str, Any]:
    """Smile of one expiry."""
    figures = smile_figures(fitted)
    return {
        "expiry": _time(part.expiry),
        "years": stat(part.time_to_expiry),
        "forward": money(part.forward),
        "forward_source": part.forward_source,
        "method_used": fitted.family,
        "parameters": {name: number(value) for name, value in fitted.raw._asdict().items()},
        "jump_wings": {name: stat(value) for name, value in figures.jump_wings._asdict().items()},
        **_figures(figures),
        "rmse": stat(fitted.rmse),
        "inside_bid_ask": stat(fitted.inside),
        "strikes": fitted.strikes,
        "lowest_strike": money(float(part.strike.min())),
        "highest_strike": money(float(part.strike.max())),
        "age_seconds": stat(fitted.age_seconds),
        "confidence": stat(fitted.confidence),
        "reasons": slice_reasons(fitted),
    }


def _figures(figures: SmileFigures) -> dict[str, float | None]:
    return {
        "atm_volatility": stat(figures.atm_volatility),
        "skew": stat(figures.skew),
        "rr25": stat(figures.risk_reversal),
        "bf25": stat(figures.butterfly),
        "model_free_volatility": stat(figures.model_free_volatility),
    }


def slice_reasons(fitted: SurfaceSlice) -> list[str]:
    """Why the confidence in a smile is low, or a fallback was used."""
    found = {
        "few_strikes": fitted.strikes < ENOUGH_FOR_SVI,
        "forward_inferred": fitted.forward_source == "parity",
        "old_quotes": fitted.freshness < 0.5,
        "one_sided_only": fitted.inside is None,
    }
    return [name for name, holds in found.items() if holds]


def _audit(found: Audit, surface: Surface) -> dict[str, Any]:
    return {
        "butterflies": found.butterflies,
        "call_spreads": found.call_spreads,
        "calendars": found.calendars,
        "worst": stat(found.worst),
        "severity": found.severity,
        "least_density": stat(found.least_density),
        "largest_crossing": stat(found.largest_crossing),
        "violations": [
            {
                "kind": item.kind,
                "expiry": _time(surface.slices[item.slice].expiry),
                "log_moneyness": stat(item.log_moneyness),
                "size": stat(item.size),
            }
            for item in found.violations
        ],
    }


def _tenors(surface: Surface) -> list[dict[str, Any]]:
    years = np.array(TENORS) / YEAR_OF_DAYS
    volatility = np.sqrt(surface.total_variance(0.0, years) / years)
    beyond = (years < surface.times[0]) | (years > surface.times[-1])
    return [
        {"days": days, "atm_volatility": stat(value), "extrapolated": outside}
        for days, value, outside in zip(TENORS, volatility.tolist(), beyond.tolist(), strict=True)
    ]


def _points(rows: Sequence[SurfacePointIn], surface: Surface) -> list[dict[str, Any]]:
    if not rows:
        return []
    years = surface.years([row.expiry.timestamp() for row in rows])
    live = years > 0.0
    time = np.where(live, years, 1.0)
    forward = surface.forward(time)
    strike = np.array([1.0 if row.strike is None else float(row.strike) for row in rows])
    deltas = np.array([0.5 if row.delta is None else row.delta for row in rows])
    of_delta, reached = log_moneyness_of_delta(lambda k: surface.total_variance(k, time), deltas)
    asked = np.array([row.strike is None for row in rows])
    k = np.where(asked, of_delta, np.log(strike / forward))
    variance = surface.total_variance(k, time)
    columns = {
        "log_moneyness": k,
        "delta": np.where(asked, deltas, forward_delta(variance, k)),
        "volatility": np.sqrt(variance / time),
        "total_variance": variance,
    }
    known = np.where(asked, reached, True)
    outside = surface.extrapolated(k, time)
    return [
        _point(row, float(forward[i]), {name: float(column[i]) for name, column in columns.items()}, bool(outside[i]))
        if live[i] and known[i]
        else _refused(row, "the expiry has passed" if not live[i] else "no strike of this smile has this delta")
        for i, row in enumerate(rows)
    ]


def _point(row: SurfacePointIn, forward: float, figures: dict[str, float], outside: bool) -> dict[str, Any]:
    strike = forward * float(np.exp(figures["log_moneyness"])) if row.strike is None else float(row.strike)
    return {
        "status": "ok",
        "detail": None,
        "expiry": time_text(row.expiry),
        "strike": money(strike),
        "forward": money(forward),
        **{name: stat(value) for name, value in figures.items()},
        "extrapolated": outside,
    }


def _refused(row: SurfacePointIn, detail: str) -> dict[str, Any]:
    empty = ("log_moneyness", "forward", "volatility", "total_variance", "extrapolated")
    return {
        "status": "refused",
        "detail": detail,
        "expiry": time_text(row.expiry),
        "strike": None if row.strike is None else money(float(row.strike)),
        "delta": row.delta,
        **dict.fromkeys(empty),
    }


def _grid(grid: SurfaceGridIn, surface: Surface) -> dict[str, Any]:
    years = np.array(grid.days)[:, None] / YEAR_OF_DAYS
    volatility = np.sqrt(surface.total_variance(np.array(grid.log_moneyness)[None, :], years) / years)
    return {
        "log_moneyness": [number(value) for value in grid.log_moneyness],
        "days": grid.days,
        "volatility": [[stat(value) for value in row] for row in volatility.tolist()],
        "forward": [money(value) for value in surface.forward(years[:, 0]).tolist()],
    }


def _time(seconds: float) -> str:
    return time_text(datetime.fromtimestamp(seconds, UTC))
