"""What a margin costs against how often it fails: a model walked through the past at many confidences and sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import betaincinv

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.margin.assembly import CAP_LONG
from services.margin.backtest import SIDES, BacktestRules, MarginWalk, SideResult, backtest_margin
from services.margin.registry import MarginModel

Varied = Literal["own", "confidence", "multiplier"]
INTERVAL = 0.95
"""Confidence of the intervals around rates."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happened: its share, and the exact interval around it."""

    count: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SidePoint:
    """One margin on one side.

    Parameters
    ----------
    mean_margin : float
        Over the judged closes [fraction of notional].
    mean_leverage : float
        Mean of what it allows, 1 / margin.
    breaches : Rate
        Losses beyond the margin: the account is worth less than nothing.
    liquidations : Rate
        Losses that leave an account that held exactly the margin without maintenance.
    mean_excess : float
        Mean loss beyond the margin of the breaches [fraction of notional].
    peak_to_trough : float
        Largest over smallest margin.
    """

    mean_margin: float
    mean_leverage: float
    breaches: Rate
    liquidations: Rate
    mean_excess: float
    peak_to_trough: float


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """One margin: what is varied, its confidence and multiplier, both sides and them together.

    `first`: place of the first judged close. `efficient`: no other margin of the frontier is both cheaper and breached
    less often, sides together.
    """

    varied: Varied
    alpha: float
    multiplier: float
    first: int
    observations: int
    long: SidePoint
    short: SidePoint
    mean_margin: float
    breaches: Rate
    liquidations: Rate
    efficient: bool = False


def margin_frontier(
    returns: Floats,
    model: MarginModel,
    *,
    periods_per_year: float,
    confidences: Sequence[float],
    multipliers: Sequence[float],
    how: BacktestRules,
    maintenance_fraction: float = 0.6,
    volatility: Floats | None = None,
    advance: Callable[[int], None] = lambda done: None,
) -> list[FrontierPoint]:
    r"""Mean margin against breaches and liquidations, by walk-forward, for confidences and multiples of a model.

    An account that holds exactly the margin f loses L over the horizon: it is breached where ``L > f``, and liquidated
    where ``f − L <= m f (1 ∓ L)``, maintenance m f being asked of the moved notional:
    ``L >= f (1 − m) / (1 ∓ m f)``, minus for a long, plus for a short.

    Parameters
    ----------
    returns, model, periods_per_year, volatility, how, advance
        As in `backtest_margin`.
    confidences : sequence of float
        α of the model, in its place.
    multipliers : sequence of float
        Of the model's margin at its own α; a long's stays at most 1.
    maintenance_fraction : float
        m in (0, 1].

    Returns
    -------
    list of FrontierPoint
        The model as it is first, then confidences, then multipliers, each rising and without the model's own.

    Raises
    ------
    InvalidInput
        For a multiplier or fraction that is none, or as `backtest_margin` does.

    Notes
    -----
    Losses are those from close to close: what happened within a bar is not seen. All points are judged on the same
    closes of the same past, and rates of rare events are known within wide intervals (Clopper-Pearson, 95 %): one point
    left of another may be chance. Cost: one walk for each confidence.

    References
    ----------
    Clopper & Pearson (1934), Biometrika 26. Murphy, Vasios & Vause (2014), An investigation into the procyclicality of
    risk-based initial margin models, Bank of England FS paper 29: cost against coverage.

    Examples
    --------
    >>> from services.margin.methods.filtered_historical import FilteredHistorical
    >>> returns = 0.02 * np.sin(np.arange(1.0, 601.0) ** 2)
    >>> found = margin_frontier(returns, FilteredHistorical(), periods_per_year=365.0, confidences=[0.9],
    ...                         multipliers=[0.5], how=BacktestRules())
    >>> [(point.varied, point.alpha, point.multiplier) for point in found]
    [('own', 0.975, 1.0), ('confidence', 0.9, 1.0), ('multiplier', 0.975, 0.5)]
    >>> found[2].mean_margin < found[1].mean_margin < found[0].mean_margin
    True
    """
    if not all(0.0 < one < np.inf for one in multipliers):
        raise InvalidInput("multipliers", "must be finite and > 0", list(multipliers))
    if not 0.0 < maintenance_fraction <= 1.0:
        raise InvalidInput("maintenance_fraction", "must lie in (0, 1]", maintenance_fraction)

    def walk(alpha: float) -> MarginWalk:
        one = replace(model, alpha=alpha)
        return backtest_margin(
            returns, one, periods_per_year=periods_per_year, volatility=volatility, how=how, comparisons=False
        )["model"]

    own = walk(model.alpha)
    advance(1)
    points = [_point("own", model.alpha, 1.0, own, maintenance_fraction)]
    for done, alpha in enumerate(sorted(set(confidences) - {model.alpha})):
        points.append(_point("confidence", alpha, 1.0, walk(alpha), maintenance_fraction))
        advance(done + 2)
    for multiplier in sorted(set(multipliers) - {1.0}):
        points.append(_point("multiplier", model.alpha, multiplier, own, maintenance_fraction))
    return [replace(point, efficient=not any(_beats(other, point) for other in points)) for point in points]


def _beats(one: FrontierPoint, other: FrontierPoint) -> bool:
    """Neither dearer nor breached more often, and better in one of them."""
    first, second = ((point.mean_margin, point.breaches.share) for point in (one, other))
    return all(a <= b for a, b in zip(first, second, strict=True)) and first != second


def _point(varied: Varied, alpha: float, multiplier: float, walk: MarginWalk, maintenance: float) -> FrontierPoint:
    long, short = (
        _side(result, multiplier, side, maintenance)
        for result, side in zip(walk.sides.values(), SIDES.values(), strict=True)
    )
    counts = [result.at.size for result in walk.sides.values()]
    return FrontierPoint(
        varied=varied,
        alpha=alpha,
        multiplier=multiplier,
        first=int(walk.long.at[0]),
        observations=sum(counts),
        long=long,
        short=short,
        mean_margin=float(np.average([long.mean_margin, short.mean_margin], weights=counts)),
        breaches=rate(long.breaches.count + short.breaches.count, sum(counts)),
        liquidations=rate(long.liquidations.count + short.liquidations.count, sum(counts)),
    )


def _side(found: SideResult, multiplier: float, side: int, maintenance: float) -> SidePoint:
    margin = found.margin[found.at] * multiplier
    if side > 0:
        margin = np.minimum(margin, CAP_LONG)
    kept = margin * (1.0 - maintenance) / (1.0 - side * maintenance * margin)
    hits = found.losses > margin
    return SidePoint(
        mean_margin=float(margin.mean()),
        mean_leverage=float((1.0 / margin).mean()) if (margin > 0.0).all() else np.inf,
        breaches=rate(int(hits.sum()), margin.size),
        liquidations=rate(int((found.losses >= kept).sum()), margin.size),
        mean_excess=float((found.losses - margin)[hits].mean()) if hits.any() else 0.0,
        peak_to_trough=float(margin.max() / margin.min()) if margin.min() > 0.0 else np.inf,
    )


def rate(count: int, observations: int) -> Rate:
    """Share of events, and the exact interval around it (Clopper-Pearson, 95 %).

    Examples
    --------
    >>> found = rate(0, 100)
    >>> found.share, found.low, round(found.high, 6), round(1.0 - 0.025 ** 0.01, 6)
    (0.0, 0.0, 0.036217, 0.036217)
    """
    tail = (1.0 - INTERVAL) / 2.0
    low = float(betaincinv(count, observations - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, observations - count, 1.0 - tail)) if count < observations else 1.0
    return Rate(count, count / observations, low, high)
