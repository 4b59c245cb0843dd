"""What one evaluation decides, with the trail of every number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.core.control import BreakerState, Control, HedgeMemory
from services.core.explain import Floats, Trail
from services.core.outcome import Action, Permission, Reason, Status
from services.engine.columns import BookColumns
from services.engine.market import Market
from services.engine.tracking import TrackingFigures
from services.guards.breakers import Reading, Transition
from services.hedging.execution import ExecutionCost
from services.hedging.gate import GateDecision
from services.hedging.hedge_plan import HedgePlan, HedgeStatus
from services.hedging.latency import LatencyCost
from services.hedging.reflexivity import Reflexivity, ReflexivityDecision
from services.hedging.view import TriggerDecision
from services.liquidity.costs import CostColumns
from services.margin.root_scan import LiquidationPrices
from services.margin.scenario_book import UnderlyingBook
from services.margin.scenario_margin import ScenarioMargin
from services.margin.smoothing import SmoothedRates
from services.options.exposures import Exposure
from services.sizing.abilities import Skew, Survival
from services.sizing.overlay import Reported
from services.sizing.rounding import Leg


class Target(NamedTuple):
    """Decision on one row [contracts]; `target` is None where it is refused, `order` there and where it is halted."""

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


class Unvalued(NamedTuple):
    """A row that no scenario can value, and why."""

    row: int
    detail: str


@dataclass(frozen=True, slots=True)
class PortfolioMargin:
    """Scenario margin of an account [account currency].

    Parameters
    ----------
    preset : str
    initial, maintenance : float
        Of everything that is known: the scenarios' figures, and what venues state of rows that no scenario values.
    multiplier : float
        Of the scenarios' figures, by the distress of venues, >= 1.
    found : ScenarioMargin or None
        None where no row could be valued.
    underlyings : tuple of UnderlyingBook
        What was valued.
    members : tuple of tuples of int
        Rows behind each of them.
    unmodelled : tuple of Unvalued
        Rows of which neither scenarios nor a statement say anything.
    """

    preset: str
    initial: float
    maintenance: float
    multiplier: float
    found: ScenarioMargin | None
    underlyings: tuple[UnderlyingBook, ...]
    members: tuple[tuple[int, ...], ...]
    unmodelled: tuple[Unvalued, ...]

    @property
    def complete(self) -> bool:
        """Whether every row is known."""
        return not self.unmodelled


@dataclass(frozen=True, slots=True)
class MarginFigures:
    """Margin of a book, per row [account currency]; NaN where it is neither modelled nor given.

    `smoothed` holds the rates of the model on both sides under rules against procyclicality; None without them.
    `portfolio` is the margin of the account as a whole, in that margin mode, `liquidations` the prices of its
    underlyings; the rows' own figures stand beside it.
    """

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
    smoothed: tuple[SmoothedRates, SmoothedRates] | None = None
    portfolio: PortfolioMargin | None = None
    liquidations: tuple[LiquidationPrices, ...] = ()

    @property
    def total_initial(self) -> float:
        """Of the book: that of the whole account where it is margined as one, else the sum of what is known."""
        return float(np.nansum(self.initial)) if self.portfolio is None else self.portfolio.initial

    @property
    def total_maintenance(self) -> float:
        """The same of maintenance margin."""
        return float(np.nansum(self.maintenance)) if self.portfolio is None else self.portfolio.maintenance


class LeftOut(NamedTuple):
    """An instrument that a hedge may not trade, or not as far as it would, and why."""

    symbol: str
    reason: Reason
    detail: str


class Offered(NamedTuple):
    """What the optimiser might trade of an instrument [contracts], where its depth came from, whether its costs hold
    the impact.
    """

    symbol: str
    buy_depth: float
    sell_depth: float
    depth_source: Literal["book", "assumed", "none"]
    impact_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedHedge:
    """What became of the optimiser of a hedge. Money is in the account currency.

    Parameters
    ----------
    used : bool
        Whether hedges[] are its trades; else the delta alone is hedged in the trigger's instrument.
    status : HedgeStatus
    reason : Reason
    detail : str
    plan : HedgePlan, optional
        None where the problem could not be posed.
    margin_budget : float, optional
        For all positions in the instruments.
    offered, left_out : tuple
        Instruments that might be traded; those that may not, or less.
    """

    used: bool
    status: HedgeStatus
    reason: Reason
    detail: str
    plan: HedgePlan | None = None
    margin_budget: float | None = None
    offered: tuple[Offered, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What hedges do to the price that they hedge: decision and slope [quote per base unit], or what they lack."""

    levels: Reflexivity
    decision: ReflexivityDecision | None = None
    impact_slope: float | None = None
    detail: str = ""


class HedgeSlice(NamedTuple):
    """Part of a hedge order [signed contracts]: between two times, or at a price [quote]."""

    contracts: Decimal
    start: datetime | None
    end: datetime | None
    price: Decimal | None
    worst_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slicing:
    """Slices of a hedge order; `unfilled` is what the volume does not bear, or all of it where a figure lacks
    [contracts].
    """

    slices: tuple[HedgeSlice, ...]
    unfilled: Decimal
    reason: Reason
    detail: str
    cost: ExecutionCost | None = None


class AccountShare(NamedTuple):
    """Delta of one account [base units], and its share of the common hedge."""

    account_id: str | None
    delta: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Netting:
    """Accounts that are hedged together [base units]."""

    gross_delta: float
    net_delta: float
    saved_delta: float
    by_account: tuple[AccountShare, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """Hedge of one underlying in one instrument: why, and the order.

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
    plan : PlannedHedge, optional
        On the first hedge of an underlying that an optimiser was asked for.
    gate : GateDecision, optional
        What the gate of the policy said of the trade that was wanted.
    feedback, latency, slicing, netting : optional
        Where the policy asks for them, or the book has several accounts.
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
    plan: PlannedHedge | None = None
    gate: GateDecision | None = None
    feedback: Feedback | None = None
    latency: LatencyCost | None = None
    slicing: Slicing | None = None
    netting: Netting | None = None


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
    smoothed: tuple[SmoothedRates, SmoothedRates] | None = None
