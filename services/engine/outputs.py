"""What one evaluation decides, with the trail of every number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.core.control import BreakerState, Control, HedgeMemory
from services.core.explain import Floats, Trail
from services.core.outcome import Action, Permission, Reason, Status
from services.engine.columns import BookColumns
from services.engine.market import Market
from services.engine.tracking import TrackingFigures
from services.guards.breakers import Reading, Transition
from services.hedging.view import TriggerDecision
from services.liquidity.costs import CostColumns
from services.options.exposures import Exposure
from services.sizing.abilities import Skew, Survival
from services.sizing.overlay import Reported
from services.sizing.rounding import Leg


class Target(NamedTuple):
    """Decision on one row [contracts]; `target` and `order` are None where it is refused."""

    status: Status
    action: Action
    permission: Permission
    reason: Reason
    detail: str
    current: Decimal
    target: Decimal | None
    order: Decimal | None
    dust: bool = False
    legs: tuple[Leg, ...] = ()


class Order(NamedTuple):
    """One leg of an order bundle [signed contracts], with its worst acceptable price [quote]."""

    row: int
    sequence: int
    client_order_id: str
    bundle_id: str
    contracts: Decimal
    reduce_only: bool
    limit_price: Decimal
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class MarginFigures:
    """Margin of a book, per row [account currency]; NaN where it is neither modelled nor given."""

    initial: Floats
    maintenance: Floats
    rate_initial: Floats
    method_used: tuple[str, ...]
    venue_initial: tuple[float | None, ...]
    venue_maintenance: tuple[float | None, ...]
    liquidation_price: Floats
    distance_sigma: Floats
    touch_probability: Floats
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """Hedge of one underlying: why, and the order.

    Parameters
    ----------
    row : int
        Of the instrument that hedges.
    trigger : str
        Method of the policy.
    decision : TriggerDecision, optional
        When and how far; None where it was never asked.
    max_delta : float, optional
        Of a threshold in base units.
    delta_before, delta_after : float, optional
        Net delta without and with the order [base units].
    contracts : Decimal, optional
        Order [signed contracts]; None on refused.
    impact_known : bool
        Whether the cost behind the decision holds the impact.
    cooldown_until : datetime, optional
        Before it, only the hard limit acts, and going flat.
    memory : HedgeMemory, optional
        What the next decision should remember; None without an order.
    """

    row: int
    underlying: str
    status: Status
    reason: Reason
    trigger: str
    detail: str = ""
    decision: TriggerDecision | None = None
    max_delta: float | None = None
    delta_before: float | None = None
    delta_after: float | None = None
    contracts: Decimal | None = None
    legs: tuple[Leg, ...] = ()
    gamma_1pct: float | None = None
    vega_per_point: float | None = None
    theta_per_day: float | None = None
    impact_known: bool = True
    cooldown_until: datetime | None = None
    memory: HedgeMemory | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderlyingGreeks:
    """One underlying: coin and money views of its positions [account currency], the coin collateral counted once.

    `net_delta_usd_view` is the net delta and the collateral [base units]; `unknown` symbols are in no sum.
    """

    underlying: str
    exposure: Exposure
    collateral: float
    net_delta_usd_view: float
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PortfolioFigures:
    """The book at target: volatility, leverage, tail; `current_volatility` is that of the book as it is."""

    forecast_volatility: float | None
    current_volatility: float | None
    target_volatility: float | None
    exposure_multiplier: float | None
    gross_leverage: float | None
    net_leverage: float | None
    value_at_risk: float | None
    expected_shortfall: float | None
    diversification: float | None
    risk_contributions: Floats | None
    baseline_gross_leverage: float | None
    survival: Survival | None = None
    greeks: tuple[UnderlyingGreeks, ...] = ()


@dataclass(frozen=True, slots=True)
class Capacity:
    """Full-risk size of each row at direction +1 and −1 [contracts], and its weight over equity before limits."""

    long: tuple[Decimal | None, ...]
    short: tuple[Decimal | None, ...]
    scalar: Floats


@dataclass(frozen=True, slots=True)
class Breaking:
    """Circuit breakers of a decision.

    Parameters
    ----------
    states, readings : dict
        State after this decision and metrics, by scope.
    transitions : tuple
        Scope and change, in order: a reset comes first.
    backwards : tuple of str
        Scopes whose last reading is of a later time: they keep their state.
    levels : (n,) int array
        Level that holds for each row.
    """

    states: dict[str, BreakerState]
    readings: dict[str, Reading]
    transitions: tuple[tuple[str, Transition], ...]
    backwards: tuple[str, ...]
    levels: NDArray[np.int64]

    @property
    def tier(self) -> int:
        """Highest level of all scopes."""
        return max(state.level for state in self.states.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Everything that one call of `evaluate` decided."""

    scope: str | None
    columns: BookColumns
    market: Market
    targets: tuple[Target, ...]
    trail: Trail | None
    capacity: Capacity | None
    orders: tuple[Order, ...]
    margin_current: MarginFigures | None
    margin_target: MarginFigures | None
    hedges: tuple[Hedge, ...]
    portfolio: PortfolioFigures
    tracking: TrackingFigures | None
    valid_until: datetime
    valid_until_reason: str
    data_as_of: datetime | None
    margin_complete: bool
    overlays: tuple[Reported, ...] = ()
    baseline: tuple[Decimal | None, ...] | None = None
    control: Control | None = None
    costs: CostColumns | None = None
    quote_skew: Skew | None = None
    breaking: Breaking | None = None
