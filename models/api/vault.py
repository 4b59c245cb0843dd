"""Wire models of `POST /v1/vaults`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from models.api.base import DecimalText, Model, NonNegativeDecimal, Number, PositiveDecimal, Symbol, Time
from models.api.decision import StepOut
from models.api.execution import MarketAnswer, MarketRequest
from models.api.option_terms import ImpliedVolatility
from models.api.strict import StrictScalars
from services.core.tagged import Tagged
from services.hedging.option_quotes import OptionFees
from services.hedging.vault_registry import VaultMethod

MAX_QUOTES = 200
VaultMethodIn = Annotated[VaultMethod, Tagged(), StrictScalars()]
OptionFeesIn = Annotated[OptionFees, StrictScalars()]


class VaultCollateralIn(Model):
    """What is held."""

    asset: Literal["base", "quote"] = Field(
        description="base: coin, for calls that are covered and for protection; quote: cash, for puts."
    )
    amount: PositiveDecimal = Field(description="In units of the asset.")


class VaultContractIn(Model):
    """What all options of the underlying have in common."""

    settlement: Literal["linear", "inverse"] = Field(
        description="inverse: premium and pay-off are paid in base (coin-settled)."
    )
    lot: PositiveDecimal = Field(description="Contracts.")
    contract_multiplier: PositiveDecimal = Field(default=Decimal(1), description="Base units per contract.")
    min_quantity: NonNegativeDecimal = Field(default=Decimal(0), description="Contracts of the smallest order.")
    tick: PositiveDecimal | None = Field(None, description="Of premiums, per base unit in the settlement currency.")
    strike_step: PositiveDecimal | None = Field(None, description="Of strikes, where there are no quotes.")


class VaultQuoteIn(Model):
    """Best prices of one option, per base unit in the settlement currency."""

    symbol: Symbol | None = Field(None, description="Echoed.")
    strike: PositiveDecimal
    expiry: Time
    right: Literal["call", "put"]
    bid: NonNegativeDecimal | None = Field(None, description="null or 0: nobody bids.")
    ask: NonNegativeDecimal | None = Field(None, description="null or 0: nobody offers.")
    implied_volatility: ImpliedVolatility | None = Field(
        None, description="Of the mark, annual, for delta and Greeks; default: what the price implies."
    )
    depth: NonNegativeDecimal | None = Field(None, description="Contracts for which the quote is good; null: any.")
    forward: PositiveDecimal | None = Field(
        None, description="Of the same expiry; default: mark_price, listed as an assumption."
    )


class VaultRequest(MarketRequest):
    """Options on one underlying; `symbol` and `mark_price` are those of the underlying, quantities are contracts."""

    vault: VaultMethodIn = Field(description="What is sold or bought, and by what rule.")
    collateral: VaultCollateralIn = Field(
        description="Of a sale; for a hedge, what is protected. Calls and hedges: base; cash_secured_put: quote."
    )
    contract: VaultContractIn
    quotes: Annotated[list[VaultQuoteIn], Field(min_length=1, max_length=MAX_QUOTES, fail_fast=True)] | None = Field(
        None, description="Without them a sale is planned at a computed strike and price: expiry, implied_volatility."
    )
    fees: OptionFeesIn | None = Field(None, description="Default: none, listed as an assumption.")
    expiry: Time | None = Field(None, description="Where there are no quotes.")
    implied_volatility: ImpliedVolatility | None = Field(None, description="Where there are no quotes.")


class VaultOptionOut(Model):
    """Which option."""

    symbol: str | None
    strike: DecimalText
    expiry: Time
    right: Literal["call", "put"]


class VaultLegOut(VaultOptionOut):
    """One order."""

    side: Literal["buy", "sell"]
    contracts: DecimalText = Field(description="Whole lots.")
    premium: DecimalText = Field(description="Bid or ask that was reckoned with [settlement currency per base unit].")
    limit_price: DecimalText = Field(description="The same to the tick: never less for a sale or more for a purchase.")
    implied_volatility: Number | None = Field(description="Behind delta and Greeks; null where no price implies one.")


class VaultGreeksOut(Model):
    """Of the options of the plan together, as the position that they become."""

    value: Number = Field(description="Market value [quote].")
    delta: Number = Field(description="What a hedge would offset: premium-adjusted where coin-settled [base].")
    delta_black: Number = Field(description="Before that adjustment [base].")
    gamma_1pct: Number = Field(description="Change of the Black delta when the price moves 1 % [base].")
    vega_per_point: Number = Field(description="Per volatility point [quote].")
    theta_per_day: Number = Field(description="Per calendar day [quote].")
    vanna_per_point: Number = Field(description="Change of delta per volatility point [base].")
    volga_per_point: Number = Field(description="Change of vega per volatility point [quote].")


class VaultPayoffOut(Model):
    """Everything together, when the options expire at a shocked price."""

    shock: Number = Field(description="Of the price, as a fraction.")
    price: DecimalText
    without: DecimalText = Field(description="Collateral alone [quote].")
    with_options: DecimalText = Field(description="[quote]")
    with_options_in_coin: DecimalText = Field(description="The same at that price [base].")


class VaultSaleOut(Model):
    """Figures of an option that is sold."""

    collateral_used: DecimalText = Field(description="In units of the collateral; never above utilisation.")
    yield_per_period: Number = Field(description="Net premium over the whole collateral, as a fraction.")
    yield_annual: Number = Field(description="Times 365 days over those to expiry, not compounded.")
    assignment_probability: Number = Field(description="Risk-neutral: N(±d2) at the option's own volatility.")
    assignment_probability_at_drift: Number | None = Field(
        description="At vault.drift and the forecast volatility; null without a drift."
    )
    edge: DecimalText = Field(description="Smaller of the two, after fees [quote].")
    edge_first_order: DecimalText = Field(description="vega × (IV of the bid − forecast), after fees [quote].")
    size_multiplier: Number = Field(description="clip((IV of the bid − forecast) / forecast_error, 0, 1).")
    indifference: DecimalText = Field(description="Price beyond which not selling would have been better.")
    maximum_loss_in_coin: DecimalText | None = Field(
        description="Calls: against holding the coin, however high the price; null for puts."
    )


class VaultHedgeOut(Model):
    """Figures of options that protect."""

    cost_bps: Number = Field(description="Net premium and fees over the holding at the mark; negative: a credit.")
    protection: Number = Field(description="What was maximised, over the holding at the mark, as a fraction.")
    cap_price: DecimalText | None = Field(description="Above it gains are given away; null where they are not.")
    coverage: Number = Field(description="Base units that are protected, over the holding.")


class VaultFiguresOut(Model):
    """What the plan comes to."""

    premium: DecimalText = Field(description="Received, negative where paid [settlement currency].")
    fees: DecimalText = Field(description="[settlement currency]")
    net_premium: DecimalText = Field(description="After fees; coin at the mark [quote].")
    floor: DecimalText = Field(description="Least value of collateral and options at expiry [quote].")
    floor_price: DecimalText = Field(description="Price at which it is reached.")
    maximum_loss: DecimalText = Field(description="From the collateral at the mark to the floor [quote].")
    breakeven: DecimalText | None = Field(
        description="Sale: price below which collateral and option are worth less than the collateral now. Hedge: "
        "price at which it stops paying for itself. null: none."
    )
    payoffs: list[VaultPayoffOut]
    greeks: VaultGreeksOut | None = Field(description="Of the options; null where a price implies no volatility.")
    net_delta: Number | None = Field(
        description="Of collateral, options and coin premium together: change of their value [quote] per unit of price."
    )
    sale: VaultSaleOut | None = Field(description="null for a hedge.")
    hedge: VaultHedgeOut | None = Field(description="null for a sale.")


class VaultCandidateOut(Model):
    """One quote, or a pair of them, and what became of it."""

    options: list[VaultOptionOut] = Field(description="In the order of the legs: bought, then sold.")
    reason: str = Field(description="`chosen`, or why not; GET /v1/errors explains each one.")
    detail: str | None
    contracts: DecimalText = Field(description="That would be traded; 0 where none.")
    score: Number | None = Field(
        description="Sale: edge a year over the collateral. Hedge: protection over the holding. Compared as fractions."
    )
    delta: Number | None = Field(description="Sale: forward delta of one base unit.")
    implied_volatility: Number | None = Field(description="Sale: of the bid.")
    edge: DecimalText | None = Field(description="Sale: of one base unit, after fees [quote].")


class VaultAnswer(MarketAnswer):
    """Orders in options, their figures, and every candidate."""

    method: str
    settlement: Literal["linear", "inverse"] = Field(description="inverse: settlement currency is the base coin.")
    units: dict[str, str] = Field(description="Of the Greeks and what is quoted.")
    legs: list[VaultLegOut] = Field(description="Orders; empty where refused.")
    figures: VaultFiguresOut | None = Field(description="null where refused.")
    steps: list[StepOut] = Field(description="From the whole collateral to the lots [contracts].")
    candidates: list[VaultCandidateOut] = Field(
        description="Hedges: quotes that cannot be used, then up to 40 combinations, the best first."
    )
