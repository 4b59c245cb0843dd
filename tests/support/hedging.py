"""Hedge triggers of every kind, and books for them."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from services.hedging.registry import (
    Adaptive,
    AnyOf,
    HedgeTrigger,
    Interval,
    PriceMove,
    Threshold,
)
from services.hedging.triggers.adaptive import AdaptiveRule
from services.hedging.triggers.interval import IntervalRule
from services.hedging.triggers.price_move import PriceMoveRule
from services.hedging.triggers.threshold import ThresholdRule
from services.hedging.view import HedgeView, LastHedge

NAME = {"instrument": "BTC-PERP"}
TRIGGERS: tuple[HedgeTrigger, ...] = (
    Threshold(**NAME, max_delta=0.5),
    Threshold(**NAME, max_delta=0.5, rebalance_to="edge"),
    Threshold(**NAME, max_move=0.02, max_gamma_drift=0.2, max_vega_drift=30.0),
    PriceMove(**NAME, move=0.02),
    PriceMove(**NAME, move_daily_sigmas=0.5),
    Interval(**NAME, interval_seconds=3600.0, min_move_bps=10.0),
    Adaptive(**NAME),
    Adaptive(**NAME, risk_aversion=1e-4),
    Adaptive(**NAME, atm_band=0.3, atm_gamma_1pct=0.4),
    AnyOf(
        **NAME,
        triggers=(
            AdaptiveRule(),
            PriceMoveRule(move=0.05),
            IntervalRule(interval_seconds=86_400.0),
            ThresholdRule(max_delta=2.0),
        ),
        cooldown_seconds=900.0,
        hard_limit=3.0,
    ),
)
KINDS: tuple[type[Any], ...] = get_args(HedgeTrigger)


def paths(count: int, seed: int = 0) -> list[HedgeView]:
    """Books of all sizes, hedged at all ages; the first of them is flat."""
    rng = np.random.default_rng(seed)
    deltas = rng.normal(0.0, 1.5, count)
    deltas[0] = 0.0
    return [
        HedgeView(
            net_delta=float(delta),
            spot=float(60_000.0 * np.exp(rng.normal(0.0, 0.03))),
            gamma_1pct=float(rng.normal(0.0, 0.5)),
            vega_per_point=float(rng.normal(0.0, 100.0)),
            volatility=0.6,
            cost_rate=0.0007,
            fixed_cost=2.0,
            equity=250_000.0,
            least=0.0005,
            last=LastHedge(
                seconds_ago=float(rng.exponential(7_200.0)), price=60_000.0, gamma_1pct=0.1, vega_per_point=10.0
            ),
        )
        for delta in deltas
    ]


def together(books: list[HedgeView]) -> HedgeView:
    """The same books as paths of one view."""
    first = books[0]
    lasts = [book.last for book in books if book.last is not None]
    return HedgeView(
        **{name: np.array([getattr(book, name) for book in books]) for name in _VARYING},
        **{name: getattr(first, name) for name in _SHARED},
        last=LastHedge(
            seconds_ago=np.array([last.seconds_ago for last in lasts]),
            price=np.array([last.price for last in lasts]),
            gamma_1pct=np.array([last.gamma_1pct for last in lasts]),
            vega_per_point=np.array([last.vega_per_point for last in lasts]),
        ),
    )


_VARYING = ("net_delta", "spot", "gamma_1pct", "vega_per_point")
_SHARED = ("volatility", "cost_rate", "fixed_cost", "equity", "least")
