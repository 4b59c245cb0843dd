"""The decision to trade: bands around the optimal size inside which a position is left as it is.

A reduction that a limit demands is made at once, whatever the band; no band ever allows a position beyond a limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
from annotated_types import Ge, Gt, Le

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats, Trail
from services.sizing.columns import NO_RISK, SizingColumns

CONFIG: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a band is judged by.

    Parameters
    ----------
    columns : SizingColumns
        The book.
    optimal : (n,) array
        Sizes that the pipeline asks for [signed contracts].
    expected : (n,) array
        Positions including open orders [signed contracts].
    as_of : datetime
        Event time of the decision.
    traded_at : tuple of datetime or None
        When each row was last traded, as far as is known.
    cost : (n,) array
        Cost of a trade over its notional; NaN where it is unknown.
    """

    columns: SizingColumns
    optimal: Floats
    expected: Floats
    as_of: datetime
    traded_at: tuple[datetime | None, ...]
    cost: Floats

    @property
    def exposure(self) -> Floats:
        """|Optimal exposure|, coin collateral counted [contracts]."""
        return np.abs(self.optimal + self.columns.collateral)


class BufferRule(Protocol):
    """Interface of the members of `Buffer`."""

    parameter: ClassVar[str]
    """What the explanation names."""

    def half_width(self, standing: Standing) -> Floats:
        """Half width of the band around the optimal size of every row [contracts]; inf: hold whatever it is."""
        ...

    @property
    def to_edge(self) -> bool:
        """Whether a trade ends at the edge of the band, or at the optimal size."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionBuffer:
    """No-trade band of ± `fraction` × |optimal position|; outside it, trade to the edge (pysystemtrade).

    Parameters
    ----------
    fraction : float
        Half width over |optimal position|.
    trade_to : {"edge", "optimal"}
        Where to trade once outside the band.

    Notes
    -----
    Around |position|, so that shorts have a band too (pysystemtrade #217).
    """

    method: Literal["position"] = "position"
    fraction: Annotated[float, Ge(0), Le(1)] = 0.10
    trade_to: Literal["edge", "optimal"] = "edge"

    parameter: ClassVar[str] = "buffer.fraction"
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    @property
    def to_edge(self) -> bool:
        """Whether a trade ends at the edge of the band."""
        return self.trade_to == "edge"

    def half_width(self, standing: Standing) -> Floats:
        """``fraction · |optimal exposure|`` [contracts]."""
        return self.fraction * standing.exposure


@dataclass(frozen=True, slots=True, kw_only=True)
class NoBuffer:
    """Trade to the optimal position at once."""

    method: Literal["none"] = "none"

    parameter: ClassVar[str] = "buffer.method"
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    @property
    def to_edge(self) -> bool:
        """Trades end at the optimal size."""
        return False

    def half_width(self, standing: Standing) -> Floats:
        """No band."""
        return np.zeros(standing.optimal.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToleranceBuffer:
    """Trade the whole book to its optimal sizes once any row is off by more than a tolerance.

    ``max_i |w_i / w*_i − 1| > tolerance``; a row whose optimal size is 0 is off as soon as it holds anything.

    Parameters
    ----------
    tolerance : float
        Relative deviation of a row from its optimal size.

    References
    ----------
    bt ``algos.RunIfOutOfBounds``.
    """

    method: Literal["tolerance"] = "tolerance"
    tolerance: Annotated[float, Gt(0), Le(10)] = 0.2

    parameter: ClassVar[str] = "buffer.tolerance"
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    @property
    def to_edge(self) -> bool:
        """Trades end at the optimal size."""
        return False

    def half_width(self, standing: Standing) -> Floats:
        """Inf while every row is within its tolerance, else 0."""
        rows, size = standing.columns.sizable, standing.exposure
        off = np.abs(standing.expected - standing.optimal) > self.tolerance * size * (1.0 + NO_RISK)
        return np.full(size.shape, 0.0 if bool((off & rows).any()) else np.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalBuffer:
    """Trade to the optimal size once an interval has passed since the row was last traded: calendar rebalancing.

    Parameters
    ----------
    interval_seconds : float
        Least time between two trades of a row [s].

    Notes
    -----
    When a row was traded is part of the control state: send `state` of the last answer as `previous`. A row without a
    memory is traded.
    """

    method: Literal["interval"] = "interval"
    interval_seconds: Annotated[float, Gt(0), Le(31_536_000)]

    parameter: ClassVar[str] = "buffer.interval_seconds"
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    @property
    def to_edge(self) -> bool:
        """Trades end at the optimal size."""
        return False

    def half_width(self, standing: Standing) -> Floats:
        """Inf before the interval has passed, then 0."""
        waits = [
            moment is not None and (standing.as_of - moment).total_seconds() < self.interval_seconds
            for moment in standing.traded_at
        ]
        return np.where(waits, np.inf, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingErrorBuffer:
    """Leave the book alone while its tracking error is small; then close just as much of every gap as brings it back.

    ``TE = sqrt(d'Σd)`` with d the gaps over equity. Within `max_tracking_error` nothing is traded; beyond it, each gap
    shrinks by the same ratio to ``max_tracking_error / TE``.

    Parameters
    ----------
    max_tracking_error : float
        Volatility of holding the book instead of the optimal one [annual].
    trade_to : {"edge", "optimal"}
        `edge` stops where the tracking error is just allowed.

    References
    ----------
    Carver, pysystemtrade ``dynamic optimisation``: speed control by tracking error; bt ``PTE_Rebalance``.
    """

    method: Literal["tracking_error"] = "tracking_error"
    max_tracking_error: Annotated[float, Gt(0), Le(3)] = 0.0125
    trade_to: Literal["edge", "optimal"] = "edge"

    parameter: ClassVar[str] = "buffer.max_tracking_error"
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    @property
    def to_edge(self) -> bool:
        """Whether a trade ends where the tracking error is just allowed."""
        return self.trade_to == "edge"

    def half_width(self, standing: Standing) -> Floats:
        """Inf within the tracking error; beyond, the part of each gap that may stay."""
        columns = standing.columns
        gap = np.where(columns.sizable, standing.expected - standing.optimal, 0.0)
        error = columns.portfolio_volatility(columns.weights(gap))
        if error <= self.max_tracking_error:
            return np.full(gap.shape, np.inf)
        return np.abs(gap) * (self.max_tracking_error / error)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostOptimalBuffer:
    r"""Band that costs least: the risk of being off against the cost of coming back.

    ``h = (3 c ν² / (2 γ σ²))^{1/3}`` over equity: with the position reflected at ±h, the loss of utility is
    ``γ σ² h² / 6`` a year (the deviation is uniform) and the cost ``c ν² / (2h)``; h is where the sum is least.

    Parameters
    ----------
    risk_aversion : float
        γ of mean-variance utility. A target volatility τ and an expected Sharpe ratio θ imply γ = θ / τ.
    weight_volatility : float
        ν over |optimal weight| [annual]: how much the optimal weight wanders, as a fraction of itself.
    cost : float, optional
        c, cost of a trade over its notional, where the policy has no `costs`.
    trade_to : {"edge", "optimal"}
        The formula is that of trading to the edge.

    Notes
    -----
    A row whose cost is unknown has no band: it is traded as if trading were free, which keeps the risk where it should
    be. Holds for proportional costs and a weight that is a driftless diffusion; fixed costs widen the true band.

    References
    ----------
    The cube root of the cost: Rogers (2004), Why is the effect of proportional transaction costs O(δ^{2/3})?; Davis and
    Norman (1990). The constant is derived above and checked by simulation in the tests.
    """

    method: Literal["cost_optimal"] = "cost_optimal"
    risk_aversion: Annotated[float, Gt(0), Le(1000)]
    weight_volatility: Annotated[float, Gt(0), Le(100)]
    cost: Annotated[float, Ge(0), Le(0.5)] | None = None
    trade_to: Literal["edge", "optimal"] = "edge"

    parameter: ClassVar[str] = "buffer.risk_aversion"
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    @property
    def to_edge(self) -> bool:
        """Whether a trade ends at the edge of the band."""
        return self.trade_to == "edge"

    def half_width(self, standing: Standing) -> Floats:
        """h in contracts; 0 where the cost is unknown."""
        columns = standing.columns
        cost = standing.cost if self.cost is None else np.full(standing.cost.shape, self.cost)
        per_equity = columns.unit_value / columns.equity
        wander = self.weight_volatility * standing.exposure * per_equity
        half = cost_optimal_band(np.nan_to_num(cost, nan=0.0), wander, self.risk_aversion, columns.volatility)
        return half / per_equity


def cost_optimal_band(cost: Floats, weight_volatility: Floats, risk_aversion: float, volatility: Floats) -> Floats:
    r"""``(3 c ν² / (2 γ σ²))^{1/3}``: half width of the no-trade band [weight].

    Parameters
    ----------
    cost : (n,) array
        c, over notional.
    weight_volatility : (n,) array
        ν [weight per square root of a year].
    risk_aversion : float
        γ > 0.
    volatility : (n,) array
        σ of the asset [annual], > 0.

    Examples
    --------
    >>> cost_optimal_band(np.array([0.001]), np.array([0.5]), 4.0, np.array([0.5])).round(6).tolist()
    [0.072112]
    """
    if risk_aversion <= 0.0:
        raise InvalidInput("risk_aversion", "must be > 0", risk_aversion)
    half: Floats = np.cbrt(1.5 * cost * weight_volatility**2 / (risk_aversion * volatility**2))
    return half


Buffer = PositionBuffer | NoBuffer | ToleranceBuffer | IntervalBuffer | TrackingErrorBuffer | CostOptimalBuffer


def apply_buffer(trail: Trail, standing: Standing, buffer: Buffer) -> Bools:
    """Hold rows inside the band, trade the others to its edge or to the optimal size; returns the rows that are held.

    Notes
    -----
    Beyond a limit there is no band: what a limit demands is traded at once. Nor does a band hold a position that is to
    be flat, or on the other side.
    """
    optimal, expected, collateral = trail.value, standing.expected, standing.columns.collateral
    if isinstance(buffer, NoBuffer):
        return np.zeros(optimal.shape, dtype=bool)
    half = buffer.half_width(standing)
    allowed = np.full(optimal.shape, np.inf)
    for _, _, limit in trail.limits:
        allowed = np.minimum(allowed, limit)
    allowed = np.maximum(allowed, np.abs(optimal))
    leaving = (expected + collateral != 0.0) & (np.sign(optimal + collateral) != np.sign(expected + collateral))
    cut = trail.bound_mask() & (np.abs(optimal) < np.abs(expected))
    demanded = (cut | (np.abs(expected) > allowed)) & ~leaving
    inside: Bools = (np.abs(expected - optimal) <= half) & ~demanded & ~leaving
    edge = np.clip(expected, optimal - half, optimal + half) if buffer.to_edge else optimal
    wrong_side = leaving & (np.sign(edge + collateral) != np.sign(optimal + collateral))
    edge = np.clip(np.where(wrong_side, -collateral, edge), -allowed, allowed)
    buffered = np.where(inside, expected, np.where(demanded, optimal, edge))
    trail.apply("buffer", buffered, buffer.parameter)
    return inside
