"""Rows of an answer that are about hedges: orders by instrument, and the plan of an optimiser."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.api.base import DecimalText, Model, Time


class HedgeBandOut(Model):
    """Half widths of the band of a trigger, in base units."""

    outer: float | None = Field(description="Beyond it, the trigger trades.")
    inner: float | None = Field(description="What it leaves, on the same side.")


class HedgeBasisOut(Model):
    """The figures behind an adaptive band."""

    gamma: float | None = Field(description="|Gamma| of the book: base units per unit of price (account currency).")
    cost_rate: float | None = Field(description="Fee, half spread and impact over notional.")
    fixed_cost: float | None = Field(description="Of one order, in the account currency.")
    risk_aversion: float | None = Field(description="Per unit of account currency; null: no risk is borne.")
    impact_known: bool = Field(description="False: no volume was sent in flow[], so impact is left out.")


class HedgeGateOut(Model):
    """What policy.hedge_gate said of the trade that was wanted."""

    allowed: bool = Field(description="Whether any of it is.")
    reason: str
    detail: str
    max_contracts: DecimalText = Field(description="Most contracts in the wanted direction.")


class HedgeReflexivityOut(Model):
    """What hedging this delta does to the price that it hedges."""

    level: Literal["ok", "warn", "prefer_option", "refuse"] | None = Field(
        description="null: not known, `detail` says what lacks. prefer_option: the optimiser is to bring gamma in; "
        "refuse: delta alone is traded only to reduce."
    )
    detail: str
    gain: float | None = Field(None, description="Move that a hedge makes over the move that it hedges.")
    amplification: float | None = Field(None, description="The whole move over the first; null: without end.")
    band_factor: float | None = Field(None, description="What the band of the trigger was widened by.")
    impact_slope: float | None = Field(None, description="Price per base unit of a trade of the whole delta.")


class HedgeLatencyOut(Model):
    """What latency_seconds may cost; it is taken off the margin of hedges, and moves no trigger."""

    drift: float = Field(description="Standard deviation of the delta over the latency [base units].")
    delta: float = Field(description="confidence_factor times it [base units].")
    quote: DecimalText = Field(description="Margin held for it, in the quote currency.")


class HedgeSliceOut(Model):
    """Part of the order of a hedge: between two times, or at a price."""

    sequence: int
    contracts: DecimalText = Field(description="Signed.")
    start: Time | None
    end: Time | None = Field(description="As start: at once.")
    price: DecimalText | None = Field(description="Of steps at prices.")
    worst_price: DecimalText | None = Field(description="Present with a collar, of slices in time.")


class HedgeSlicingOut(Model):
    """What there is to say of the slices together."""

    reason: str = Field(description="data_required: the schedule lacks a figure, `detail` says which.")
    detail: str
    unfilled: DecimalText = Field(description="Contracts of the order that are in no slice.")
    expected_cost: DecimalText | None = Field(
        description="Against the mark, in the quote currency; null without book and flow[]."
    )


class AccountShareOut(Model):
    """One account of a netted hedge."""

    account_id: str | None = Field(description="null: rows without an account, and coin collateral.")
    delta: float = Field(description="Base units.")
    share: float = Field(
        ge=0,
        le=1,
        description="Of the hedge: the account's delta on the side of the net delta, over all deltas on that side.",
    )
    hedge_delta: float | None = Field(description="Its share of what this order trades [base units].")


class HedgeNettingOut(Model):
    """One hedge for several accounts, against a hedge for each [base units]."""

    gross_delta: float = Field(description="Sum of the sizes of the accounts' deltas.")
    net_delta: float
    saved_delta: float = Field(description="What need not be traded.")
    by_account: list[AccountShareOut]


class HedgeOut(Model):
    """Hedge of one underlying."""

    underlying: str
    symbol: str
    status: Literal["ok", "limited", "held", "refused"]
    reason: str
    detail: str | None = None
    trigger: str
    fired: list[str] | None = Field(
        None, description="Rules that are due; `hard_limit` and `no_options` are those that wait for no cooldown."
    )
    band: HedgeBandOut | None = Field(None, description="Present under triggers that have one.")
    basis: HedgeBasisOut | None = None
    cooldown_until: Time | None = Field(None, description="Before it, only `hard_limit` and `no_options` act.")
    delta_before: float | None = Field(description="Base units.")
    delta_after: float | None
    max_delta: float | None = Field(description="Of the trigger `threshold`, in base units.")
    quantity: DecimalText | None = Field(description="Signed order in contracts.")
    gamma_1pct: float | None = Field(default=None, description="Base units for a move of 1 %.")
    vega_per_point: float | None = Field(default=None, description="Quote currency per volatility point.")
    theta_per_day: float | None = Field(default=None, description="Quote currency per day.")
    gate: HedgeGateOut | None = Field(None, description="Present under policy.hedge_gate where a trade is wanted.")
    reflexivity: HedgeReflexivityOut | None = None
    latency: HedgeLatencyOut | None = None
    slices: list[HedgeSliceOut] | None = Field(
        None, description="How to send the order of this row in parts; orders[] hold all of it."
    )
    slicing: HedgeSlicingOut | None = None
    netting: HedgeNettingOut | None = Field(None, description="Present where the book has rows of several accounts.")


class HedgedGreeksOut(Model):
    """Greeks of a book, or of trades; money in the account currency."""

    delta: float = Field(description="Base units.")
    gamma_1pct: float = Field(description="Change of delta for a move of 1 % [base units].")
    vega_per_point: float = Field(description="Per volatility point.")
    vanna_per_point: float = Field(description="Change of delta per point [base units].")
    volga_per_point: float = Field(description="Change of vega_per_point per point.")


class HedgeTradeOut(Model):
    """One trade of a plan."""

    symbol: str
    quantity: DecimalText = Field(description="Signed contracts, whole lots.")
    expected_cost: DecimalText = Field(description="Half spread, fee and impact.")
    change: HedgedGreeksOut = Field(description="What it adds to the book.")
    worth_per_contract: float | None = Field(
        description="What one contract saves in risk and breaches at the marginal prices [account currency]."
    )


class GreekPriceOut(Model):
    """Marginal prices of one Greek at the optimum in fractions of lots [account currency per unit of the Greek]."""

    greek: str
    exposure_price: float = Field(description="What one unit more in the book would add to cost and risk.")
    bound_price: float = Field(description="What moving the bound that binds outward by one unit would save.")


class HedgeBindingOut(Model):
    """A constraint that holds the plan back."""

    kind: Literal["upper_bound", "lower_bound", "buy_depth", "sell_depth", "margin", "cash"]
    name: str = Field(description="Greek or symbol; the kind again for margin and cash.")
    price: float = Field(description="What one unit more of it would save [account currency].")


class HedgeBreachOut(Model):
    """A bound that the plan does not keep."""

    greek: str
    amount: float = Field(description="How far outside [unit of the Greek].")


class OfferedOut(Model):
    """An instrument that the plan might trade [contracts]."""

    symbol: str
    buy_depth: float
    sell_depth: float
    depth_source: Literal["book", "assumed", "none"] = Field(
        description="none: no book that is fresh and has two sides, so the position may only shrink."
    )
    impact_known: bool = Field(description="False: no volume was sent in flow[], so its costs hold no impact.")


class LeftOutOut(Model):
    """An instrument that the plan may not trade, or not as far as its depth says."""

    symbol: str
    reason: str
    detail: str


class HedgePlanOut(Model):
    """What became of `policy.hedge_optimizer`; present where it was asked, that is where a hedge is due.

    Money is in the account currency. Figures are of the plan: hedges[] say what of it is ordered.
    """

    used: bool = Field(description="False: hedges[] hedge the delta alone, in policy.hedging.instrument.")
    status: Literal["optimal", "limited", "infeasible_fallback_delta_only", "refused"]
    reason: str
    detail: str
    trades: list[HedgeTradeOut] = []
    before: HedgedGreeksOut | None = Field(None, description="The book without the trades.")
    after: HedgedGreeksOut | None = None
    risk_before: DecimalText | None = Field(
        None, description="Standard deviation of profit and loss over horizon_seconds; never higher after."
    )
    risk_after: DecimalText | None = None
    expected_cost: DecimalText | None = None
    margin_before: DecimalText | None = Field(None, description="Of all positions in the instruments.")
    margin_after: DecimalText | None = None
    margin_budget: DecimalText | None = Field(
        None, description="limits.max_margin_use of the equity less the margin of all other positions."
    )
    gap: float | None = Field(
        None, description="How far cost and risk may lie above the least possible, as a share of them: proven."
    )
    prices: list[GreekPriceOut] = []
    binding: list[HedgeBindingOut] = []
    breaches: list[HedgeBreachOut] = []
    instruments: list[OfferedOut] = []
    left_out: list[LeftOutOut] = []
