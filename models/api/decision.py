"""Rows of an answer of the engine: targets, orders, margin, hedges, the book."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.api.backing import BackingOut, VenueTighteningOut
from models.api.base import DecimalText, Model, Time
from models.api.breaker import BreakerOut
from models.api.exposure import UnderlyingGreeksOut
from models.api.scenario import WorstScenarioOut


class VolatilityOut(Model):
    """The volatility behind a size."""

    annual: float = Field(description="Used for sizing: max(calibration × forecast, floor).")
    forecast: float
    calibration: float
    long_run: float
    floor: float
    method: str
    effective_half_life: float = Field(description="Bars.")
    confidence: float
    maturity: str
    observations: int
    periods_per_year: float
    source: str
    data_as_of: Time
    event_volatility: float | None = Field(
        None, description="With the scheduled events of the next bar [annual]; present where there are any."
    )


class PriceOut(Model):
    """The price behind a size."""

    value: DecimalText
    source: str
    age_seconds: float | None


class CapacityOut(Model):
    """Size at direction +1 and -1, in the unit of `target_quantity`."""

    long: DecimalText
    short: DecimalText


class StepOut(Model):
    """One stage of the explanation; `in` and `out` are signed contracts."""

    stage: str
    in_: DecimalText = Field(alias="in")
    out: DecimalText
    parameter: str
    factor: float | None = None
    bound_by: str | None = None


class NextLimitOut(Model):
    """The limit that would bind next."""

    stage: str
    parameter: str
    allowed: DecimalText


class BindingOut(Model):
    """What bound a target."""

    stage: str
    parameter: str
    slack: DecimalText = Field(description="Contracts left before this limit.")
    next: NextLimitOut | None = None


class OverlayOut(Model):
    """What an overlay made of one row, whether it was the smallest or not."""

    overlay: str
    acts_on: Literal["exposure", "position", "increase"]
    multiplier: float = Field(ge=0, le=1)
    detail: str | None = None
    data_missing: bool | None = Field(None, description="True: its data was not sent, so it allows no increase.")
    increase_blocked: bool | None = Field(
        None, description="True: it allows no increase, whatever it acts on; it never closes a position for it."
    )


class QuoteSkewOut(Model):
    """Multipliers of the sizes that a market maker quotes."""

    bid: float = Field(ge=0, le=2)
    ask: float = Field(ge=0, le=2)


class CostOut(Model):
    """What the orders of a row are expected to cost, in the account currency, by `costs` of the policy."""

    notional: DecimalText | None = Field(None, description="Of the orders of the row. Present in live decisions.")
    fee: DecimalText
    spread: DecimalText = Field(description="Of the book that was sent, else the policy's half spread.")
    impact: DecimalText
    gas: DecimalText
    total: DecimalText
    impact_known: bool = Field(description="False: no volume was sent in flow[], so impact is left out.")


class TargetOut(Model):
    """Target of one row."""

    symbol: str
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None
    status: Literal["ok", "limited", "held", "refused"]
    action: Literal["increase", "decrease", "reverse", "close", "none"]
    permission: Literal["any", "reduce_only", "none"]
    reason: str
    detail: str | None = None
    quantity_unit: str | None = None
    current_quantity: DecimalText
    target_quantity: DecimalText | None = Field(description="null on refused: do nothing; never read it as zero.")
    order_quantity: DecimalText | None = Field(description="null on refused, and where a switch halts the row.")
    target_base: DecimalText | None = None
    target_contracts: DecimalText | None = None
    target_notional: DecimalText | None = Field(None, description="In the account currency.")
    weight: float | None = None
    scalar: float | None = Field(
        None, description="Full-risk size over equity: what a bot multiplies its own stake by."
    )
    capacity: CapacityOut | None = None
    volatility: VolatilityOut | None = None
    price_used: PriceOut | None = None
    risk_contribution: float | None = None
    dust: bool | None = None
    binding: list[BindingOut] | None = None
    steps: list[StepOut] | None = None
    overlays: list[OverlayOut] | None = None
    quote_skew: QuoteSkewOut | None = Field(None, description="Present under `inventory_skew`.")
    expected_cost: CostOut | None = None
    baseline_quantity: DecimalText | None = Field(
        None, description="Constant leverage 1 under the same caps and lots, in the unit of `target_quantity`."
    )


class OrderOut(Model):
    """One order leg."""

    client_order_id: str = Field(
        description="Of evaluation and leg, so that a retry cannot trade twice. Of a live portfolio, increases made of "
        "one snapshot share it: send a snapshot after trading."
    )
    sequence: int
    bundle_id: str
    symbol: str
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None
    side: Literal["buy", "sell"]
    quantity: DecimalText
    quantity_unit: str
    contracts: DecimalText
    reduce_only: bool
    limit_price: DecimalText
    time_in_force: str
    valid_until: Time


class LiquidationOut(Model):
    """Liquidation of one row, the other rows standing still."""

    price: DecimalText
    distance_sigma: float | None = Field(description="One-day standard deviations between mark and liquidation.")
    touch_probability: float | None = Field(description="Within one day.")
    basis: Literal["model", "venue"]


class VenueMarginOut(Model):
    """The venue's own figures, from its margin tiers."""

    initial: DecimalText | None
    maintenance: DecimalText


class SmoothedRateOut(Model):
    """A rate of the model under rules against procyclicality: fractions of notional, before floors and caps."""

    model: float | None = Field(description="Of the model; null where it says nothing: what was asked last stands.")
    stressed: float | None = Field(description="Of the stressed period; null where no rule asks or nothing says it.")
    long_run: float | None = Field(description="At long-run volatility; null likewise.")
    before: float | None = Field(description="Asked last; null where nothing was.")
    asked: float | None


class SmoothedOut(Model):
    """Both sides."""

    long: SmoothedRateOut
    short: SmoothedRateOut


class PositionMarginOut(Model):
    """Margin of one row, in the account currency."""

    symbol: str
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None
    initial: DecimalText | None
    maintenance: DecimalText | None
    rate_initial: float | None
    method_used: str
    contagion_multiplier: float | None = Field(
        None, description="On the rate of the model, floors apart. Present under a policy with contagion."
    )
    venue_figures: VenueMarginOut | None = None
    liquidation: LiquidationOut | None = None
    procyclicality: SmoothedOut | None = Field(None, description="Present under policy.margin.procyclicality.")


class UnmodelledOut(Model):
    """A row that no scenario can value and whose margin was not stated."""

    symbol: str
    detail: str


class UnderlyingLiquidationOut(Model):
    """Prices of an underlying at which equity falls to the maintenance margin of now, all else standing still."""

    underlying: str
    down: DecimalText | None
    up: DecimalText | None


class PortfolioMarginOut(Model):
    """An account that is margined as a whole, in the account currency."""

    preset: str
    contagion_multiplier: float | None = Field(
        None, description="Under policy.contagion: that of the worst venue of any row, on what the scenarios ask."
    )
    bound: Literal["scenario", "skew", "basis", "minimum_delta", "none"] = Field(
        description="Which candidate set the loss."
    )
    worst: float | None = Field(description="Its loss, <= 0; null where nothing could be valued.")
    separate_initial: DecimalText | None = Field(
        description="Sum of the initial margins of the rows on their own; null where one of them is unknown."
    )
    benefit: DecimalText | None = Field(
        description="What margining the account as a whole saves; negative where the scenarios ask more."
    )
    worst_scenarios: list[WorstScenarioOut] = Field(description="Of the book without open orders, the worst first.")
    liquidations: list[UnderlyingLiquidationOut]
    unmodelled: list[UnmodelledOut]


class MarginOut(Model):
    """Margin of a book, in `currency`."""

    currency: str
    initial: DecimalText
    maintenance: DecimalText
    initial_to_equity: float | None = Field(description="Over the equity that counts for initial margin.")
    maintenance_to_equity: float | None = Field(description="Over the equity that counts for maintenance margin.")
    complete: bool = Field(description="False: some positions' margin is neither modelled here nor given.")
    method_used: list[str]
    per_position: list[PositionMarginOut]
    portfolio: PortfolioMarginOut | None = Field(
        None, description="Present in margin mode portfolio; per_position then holds the rows on their own."
    )


class BothMarginsOut(Model):
    """Margin now and at target."""

    current: MarginOut
    target: MarginOut | None = None
    breaker: BreakerOut | None = Field(None, description="Present under a policy with breakers.")
    collateral: BackingOut | None = Field(None, description="Present under a policy with collateral.")
    contagion: list[VenueTighteningOut] | None = Field(None, description="Present under a policy with contagion.")


class TrackingOut(Model):
    """How the book tracked its target volatility."""

    realized_volatility: float
    bars: int
    error: float = Field(description="Realised over target volatility, minus 1.")
    factor: float = Field(description="Every size is divided by it: 0.97 to 1.03, 1 below 126 bars.")


class SurvivalOut(Model):
    """Prospect of the equity under a method that bounds its fall, at the targets as they are."""

    method: str
    level: float = Field(description="Fraction of the present equity.")
    probability_of_drawdown: float | None = Field(
        description="Of falling below `level`; null where the figures that it takes are unknown: `basis` says which."
    )
    horizon: Literal["ever", "year"]
    growth_share: float | None = Field(
        description="Growth rate over the largest that the expected returns allow; null without them."
    )
    basis: str


class PortfolioOut(Model):
    """The book as a whole, at target (and now)."""

    forecast_volatility: float | None
    current_volatility: float | None
    target_volatility: float | None
    exposure_multiplier: float | None
    gross_leverage: float | None
    net_leverage: float | None
    value_at_risk: DecimalText | None = Field(None, description="One day, 99 %, Student t with 4 degrees of freedom.")
    expected_shortfall: DecimalText | None = Field(
        None, description="One day, 97.5 %, Student t with 4 degrees of freedom."
    )
    diversification: float | None = None
    correlation: str
    baseline_gross_leverage: float | None = None
    tracking: TrackingOut | None = None
    survival: SurvivalOut | None = Field(None, description="Present under the methods that bound a drawdown.")
    greeks: list[UnderlyingGreeksOut] | None = Field(
        None,
        description="Per underlying, at the targets and before hedges. Present where the book holds options, positions "
        "with Greeks of their own or coin-settled contracts.",
    )
