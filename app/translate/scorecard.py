"""A scorecard as an answer of the wire."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson

from app.translate.answer import stat, time_text
from app.translate.logged_answers import Reader
from services.scorecard.forecasts import EWMA_DECAY, Calibration
from services.scorecard.mean import LEAST_MOMENTS, Estimate
from services.scorecard.score import Scorecard, score

MAX_MARKETS = 200


def scorecard_bytes(reader: Reader, first: int, last: int | None) -> bytes:
    """Answer of a reading: nothing in it but what the entries hold, so that who has them gets the same bytes."""
    facts = reader.finish()
    found = score(facts)
    return orjson.dumps(
        {
            "portfolio_id": reader.portfolio_id,
            "symbol": reader.symbol,
            "range": {
                "from": first,
                "to": last,
                "entries": reader.entries,
                "answers": reader.answers,
                "historical": reader.historical,
                "first_recorded_at": time_text(reader.first.recorded_at) if reader.first else None,
                "last_recorded_at": time_text(reader.last.recorded_at) if reader.last else None,
                "unread": _counts(facts.unread),
            },
            **_figures(found, facts.repeated),
        }
    )


def _figures(found: Scorecard, repeated: int) -> dict[str, Any]:
    own, tails, tracking, touches = found.forecasts, found.tails, found.tracking, found.touches
    coverage = tails.coverage
    excluded = {name: _counts(counts) for name, counts in found.excluded.items()}
    return {
        "forecasts": {
            "repeated": repeated,
            "qlike": metric(own.qlike),
            "squared_error": metric(own.squared_error),
            "bias": metric(own.bias),
            "qlike_gain": metric(own.qlike_gain),
            "squared_error_gain": metric(own.squared_error_gain),
            "benchmark": f"ewma_{EWMA_DECAY:g}",
            "calibration": _calibration(own.calibration),
            "excluded": excluded["forecasts"],
        },
        "markets": [
            {
                "symbol": symbol,
                "venue": venue or None,
                "qlike": metric(market.qlike),
                "bias": metric(market.bias),
                "qlike_gain": metric(market.qlike_gain),
            }
            for (venue, symbol), market in list(found.markets.items())[:MAX_MARKETS]
        ],
        "tails": {
            "breach_rate": metric(tails.breaches),
            "coverage": None
            if coverage is None
            else {
                "observations": coverage.observations,
                "breaches": coverage.breaches,
                "expected_rate": stat(coverage.expected_rate),
                **{
                    name: {"statistic": stat(test.statistic), "p_value": stat(test.p_value)}
                    for name, test in (
                        ("kupiec", coverage.unconditional),
                        ("independence", coverage.independence),
                        ("conditional", coverage.conditional),
                    )
                },
                "traffic_light": coverage.traffic_light,
                "verdict": coverage.verdict,
            },
            "shortfall_excess": metric(tails.shortfall),
            "excluded": excluded["tails"],
        },
        "tracking": {
            "realized_to_target": metric(tracking.target),
            "realized_to_forecast": metric(tracking.forecast),
            "executed_share": metric(tracking.executed),
            "excluded": excluded["tracking"],
        },
        "touches": {
            "brier": metric(touches.brier),
            "bias": metric(touches.bias),
            "calibration_error": stat(touches.calibration_error),
            "bins": [
                {**item._asdict(), "stated": stat(item.stated), "happened": stat(item.happened)}
                for item in touches.bins
            ],
            "excluded": excluded["touches"],
        },
        "hedges": {
            "residual_variance": metric(found.hedges.variance),
            "residual_delta": metric(found.hedges.delta),
            "excluded": excluded["hedges"],
        },
    }


def metric(found: Estimate) -> dict[str, Any]:
    """A figure, or why there is none."""
    return {
        "n": found.n,
        "moments": found.moments,
        "value": stat(found.value),
        "standard_error": stat(found.standard_error),
        "lags": found.lags,
        "reason": _reason(found.value, found.n, found.moments),
    }


def _calibration(found: Calibration) -> dict[str, Any]:
    return {
        "n": found.n,
        "moments": found.moments,
        "intercept": stat(found.intercept),
        "intercept_standard_error": stat(found.intercept_error),
        "slope": stat(found.slope),
        "slope_standard_error": stat(found.slope_error),
        "p_value": stat(found.p_value),
        "reason": _reason(found.slope, found.n, found.moments),
    }


def _reason(value: float | None, pairs: int, moments: int) -> str | None:
    if value is not None:
        return None
    if not pairs:
        return "no_pairs"
    return "too_few_moments" if moments < LEAST_MOMENTS else "no_spread"


def _counts(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
