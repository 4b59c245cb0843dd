"""Wire models of `POST /v1/options:price-ladder`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Currency, Model, Number, PlainDecimal, PositiveDecimal, Symbol, Time
from models.api.evaluation import Assumption, WarningOut
from models.api.exposure import ExposureOut
from models.api.option_terms import ImpliedVolatility, OptionTerms

MAX_POSITIONS = 2_000
MAX_SCENARIOS = 200
MAX_TRADES = 1_000
LARGEST = 1e24
"""Greeks and amounts that a client brings: beyond it they are a mistake, and their squares would overflow."""

Figure = Annotated[Number, Field(ge=-LARGEST, le=LARGEST)]
SpotShock = Annotated[Number, Field(gt=-1, le=10)]
VolatilityShock = Annotated[Number, Field(ge=-1, le=10)]


def _distinct(values: list[float]) -> list[float]:
    if len(set(values)) != len(values):
        raise PydanticCustomError("duplicate_shock", "must hold every shock once")
    return values


SpotShocks = Annotated[
    list[SpotShock], Field(min_length=1, max_length=MAX_SCENARIOS, fail_fast=True), AfterValidator(_distinct)
]
VolatilityShocks = Annotated[
    list[VolatilityShock], Field(min_length=1, max_length=MAX_SCENARIOS, fail_fast=True), AfterValidator(_distinct)
]


class TradeIn(Model):
    """A trade between the snapshots."""

    quantity: PlainDecimal = Field(description="Signed contracts.")
    price: PositiveDecimal = Field(
        description="As the instrument is quoted: quote per base; for a coin-settled option coin per base."
    )


class HeldIn(Model):
    """What every position says of itself. Trades and flows are read with `previous` only."""

    symbol: Symbol = Field(description="Unique; it names the position in `previous` too.")
    underlying: Symbol = Field(description="Name of what prices it: positions of one underlying are netted.")
    trades: Annotated[list[TradeIn], Field(max_length=MAX_TRADES, fail_fast=True)] = Field(
        default_factory=list, description="All trades since `previous`."
    )
    funding: PlainDecimal | None = Field(None, description="Received (> 0) or paid since `previous`, in `currency`.")
    fees: PlainDecimal | None = Field(None, description="Paid (< 0) since `previous`, in `currency`.")
    carry: PlainDecimal | None = Field(
        None, description="Other income since `previous`: interest, staking, fees of a pool; in `currency`."
    )


class OptionPositionIn(HeldIn):
    """A position in one European option."""

    kind: Literal["option"]
    terms: OptionTerms
    quantity: PlainDecimal = Field(description="Signed contracts.")
    multiplier: PositiveDecimal = Field(default=Decimal(1), description="Base units of a contract.")
    implied_volatility: ImpliedVolatility | None = Field(
        None, description="At its strike. Without it the position is left out, and what it belongs to is not complete."
    )
    skew: Annotated[Number, Field(ge=-100, le=100)] = Field(
        default=0.0, description="Slope of implied volatility by ln(strike / forward) at its strike; see `stickiness`."
    )
    averaged_settlement: Annotated[bool, Strict()] = Field(
        default=False, description="The delivery price is the average over the last 30 minutes."
    )


class LinearPositionIn(HeldIn):
    """A perpetual, a future or spot."""

    kind: Literal["spot", "linear", "inverse"]
    quantity: PlainDecimal = Field(description="Signed contracts.")
    multiplier: PositiveDecimal = Field(
        default=Decimal(1), description="Base units of a contract; for inverse its quote value."
    )
    mark_price: PositiveDecimal
    expiry: Time | None = Field(None, description="Of a dated future: its bucket.")


class ConstantProductIn(Model):
    """Share of a pool of constant product."""

    kind: Literal["constant_product"]
    base: PositiveDecimal = Field(description="Base that the share amounts to, at any one moment.")
    quote: PositiveDecimal = Field(description="Quote that it amounts to at the same moment.")


class ConcentratedIn(Model):
    """Concentrated liquidity."""

    kind: Literal["concentrated"]
    liquidity: PositiveDecimal = Field(description="L = √(base · quote) in whole tokens.")
    lower_price: PositiveDecimal
    upper_price: PositiveDecimal

    @model_validator(mode="after")
    def _range(self) -> ConcentratedIn:
        if self.upper_price <= self.lower_price:
            raise PydanticCustomError("empty_range", "upper_price must lie above lower_price")
        return self


class LiquidityPositionIn(HeldIn):
    """Liquidity that is provided to a pool: delta is the base that it holds, gamma is negative."""

    kind: Literal["liquidity"]
    pool: Annotated[ConstantProductIn | ConcentratedIn, Field(discriminator="kind")]
    mark_price: PositiveDecimal
    quantity: PlainDecimal = Field(default=Decimal(1), description="How many such positions.")
    entry_price: PositiveDecimal | None = Field(None, description="Price when it was provided: impermanent loss.")
    volatility: ImpliedVolatility | None = Field(None, description="Of the price: loss versus rebalancing.")


class OwnGreeksIn(Model):
    """Greeks of the whole position; what is left out is 0."""

    delta: Figure = Field(description="Base units.")
    gamma_1pct: Figure = Field(default=0.0, description="Change of delta when the price moves 1 % [base units].")
    vega_per_point: Figure = Field(default=0.0, description="In `currency`.")
    theta_per_day: Figure = Field(default=0.0, description="In `currency`.")
    vanna_per_point: Figure = Field(default=0.0, description="Base units.")
    volga_per_point: Figure = Field(default=0.0, description="In `currency`.")
    charm_per_day: Figure = Field(default=0.0, description="Base units.")


class OwnLadderIn(Model):
    """Profit and loss that the client has computed. Only its nodes are taken, nothing between them."""

    spot_shocks: SpotShocks
    volatility_shocks: VolatilityShocks
    pnl: Annotated[
        list[Annotated[list[Figure], Field(min_length=1, max_length=MAX_SCENARIOS, fail_fast=True)]],
        Field(min_length=1, max_length=MAX_SCENARIOS, fail_fast=True),
    ] = Field(description="One row for each spot shock, one column for each volatility shock; in `currency`.")
    days_forward: Annotated[Number, Field(ge=0, le=3650)] = Field(default=0.0)

    @model_validator(mode="after")
    def _shape(self) -> OwnLadderIn:
        wanted = (len(self.spot_shocks), len(self.volatility_shocks))
        if len(self.pnl) != wanted[0] or any(len(row) != wanted[1] for row in self.pnl):
            text = "pnl must have {rows} rows of {columns} numbers"
            raise PydanticCustomError("ladder_shape", text, {"rows": wanted[0], "columns": wanted[1]})
        return self


class OwnPositionIn(HeldIn):
    """A position that is not modelled here and brings its own figures."""

    kind: Literal["own"]
    mark_price: PositiveDecimal = Field(description="Of the underlying, which the Greeks refer to.")
    greeks: OwnGreeksIn
    value: PlainDecimal | None = Field(None, description="Market value, in `currency`; `previous` needs it.")
    implied_volatility: ImpliedVolatility | None = Field(None, description="What shocks of vega are relative to.")
    expiry: Time | None = Field(None, description="Its bucket; shocks of volatility are larger within 30 days.")
    ladder: OwnLadderIn | None = Field(
        None, description="Without it the Greeks are expanded to second order, and `expanded` says so."
    )


PositionIn = Annotated[
    OptionPositionIn | LinearPositionIn | LiquidityPositionIn | OwnPositionIn, Field(discriminator="kind")
]


class UnderlyingIn(Model):
    """What is known of an underlying beside its positions."""

    underlying: Symbol
    price: PositiveDecimal | None = Field(
        None, description="Default: that of spot or a perpetual, else of the nearest expiry."
    )
    collateral: PlainDecimal | None = Field(
        None,
        description="Equity of the account in coin, in base units: balance, unrealised profit and the marks of "
        "coin-settled options, less what is owed. Counted once, in the money view. A balance alone would count the "
        "premium of every option a second time.",
    )
    beta: Annotated[Number, Field(ge=-100, le=100)] | None = Field(
        None, description="Against one benchmark for all: beta-weighted totals."
    )


Positions = Annotated[list[PositionIn], Field(max_length=MAX_POSITIONS, fail_fast=True)]
Underlyings = Annotated[list[UnderlyingIn], Field(max_length=MAX_POSITIONS, fail_fast=True)]


class SnapshotIn(Model):
    """The book at an earlier moment, each position at its market of then; trades and flows are not read."""

    as_of: Time
    positions: Positions
    underlyings: Underlyings = Field(default_factory=list, description="Equity in coin of then, and its price.")

    @model_validator(mode="after")
    def _unique(self) -> SnapshotIn:
        _once(self.positions, self.underlyings)
        return self


class PriceLadderRequest(Model):
    """A book to revalue; nothing is stored."""

    as_of: Time | None = Field(None, description="Times to expiry are counted from it; default: the time of receipt.")
    currency: Currency = Field(default="USD", description="Quote currency of all prices and amounts; echoed.")
    positions: Annotated[Positions, Field(min_length=1)]
    underlyings: Underlyings = Field(default_factory=list)
    spot_shocks: SpotShocks | None = Field(
        None, description="Relative moves of all prices. Default -30, -20, -10, -5, 0, 5, 10, 20, 30 %."
    )
    volatility_shocks: VolatilityShocks | None = Field(
        None,
        description="Relative moves of implied volatility at 30 days and longer; times √(30 d / T) below, T >= 1 d. "
        "Default -25, 0, 25 %.",
    )
    stickiness: Annotated[Number, Field(ge=-2, le=2)] = Field(
        default=0.0, description="How volatility slides along its skew with the price: 0 sticky strike, 1 moneyness."
    )
    days_forward: Annotated[Number, Field(ge=0, le=3650)] = Field(
        default=0.0, description="Calendar days that pass before the shocks."
    )
    previous: SnapshotIn | None = Field(None, description="Explains the profit and loss since then.")

    @model_validator(mode="after")
    def _bounded(self) -> PriceLadderRequest:
        _once(self.positions, self.underlyings)
        scenarios = len(self.spot_shocks or (0,) * 9) * len(self.volatility_shocks or (0,) * 3)
        if scenarios > MAX_SCENARIOS:
            text = "a ladder may hold {limit} scenarios, this one holds {found}"
            raise PydanticCustomError("too_many_scenarios", text, {"limit": MAX_SCENARIOS, "found": scenarios})
        return self


def _once(positions: list[Any], underlyings: list[UnderlyingIn]) -> None:
    symbols, named = [item.symbol for item in positions], [item.underlying for item in underlyings]
    for names, where in ((symbols, "positions"), (named, "underlyings")):
        if len(names) != len(set(names)):
            twice = next(name for index, name in enumerate(names) if name in names[:index])
            text = "{where} holds {key} more than once"
            raise PydanticCustomError("duplicate_row", text, {"where": where, "key": twice})


class BucketOut(Model):
    """Positions of one bucket."""

    bucket: str
    greeks: ExposureOut


class WorstOut(Model):
    """Scenario with the least profit."""

    spot_shock: Number
    volatility_shock: Number
    pnl: Number


class LadderOut(Model):
    """Profit and loss in every scenario: a row for each spot shock, a column for each volatility shock."""

    pnl: list[list[Number]] = Field(description="In the quote currency, coin collateral counted once.")
    pnl_coin: list[list[Number]] | None = Field(
        description="Of the book kept in coin, at the shocked price, without collateral; null over underlyings."
    )
    worst: WorstOut
    complete: bool = Field(description="False: a position is in no cell; `left_out` names it.")


class UnderlyingOut(Model):
    """One underlying."""

    underlying: str
    price: Number | None
    price_source: str
    collateral: Number = Field(description="Equity in coin, in base units, as sent.")
    net_delta_coin: Number = Field(description="Exposure of an account counted in coin [base units].")
    net_delta_usd_view: Number = Field(
        description="Exposure of an account counted in money: net_delta_coin and the collateral [base units]."
    )
    greeks: ExposureOut
    by_expiry: list[BucketOut] = Field(description="Days to expiry; none: what does not expire.")
    by_delta: list[BucketOut] = Field(description="Size of one option's forward delta; none: other positions.")
    ladder: LadderOut


class TotalOut(Model):
    """All underlyings, in money; all of them moved by the same shock."""

    greeks: ExposureOut
    ladder: LadderOut


class BetaWeightedOut(Model):
    """The book as if it were all in the benchmark of the betas, coin collateral included."""

    delta_usd: Number
    gamma_1pct_usd: Number = Field(description="With the square of beta.")
    missing: list[str] = Field(description="Underlyings without a beta: not in it.")


class PoolOut(Model):
    """A liquidity position at its price."""

    symbol: str
    state: Literal["below_range", "in_range", "above_range"]
    value: Number
    base: Number = Field(description="What it holds, and its delta [base units].")
    quote: Number
    gamma_1pct: Number
    impermanent_loss: Number | None = Field(description="Against holding since entry_price; null without it.")
    impermanent_loss_fraction: Number | None = Field(description="Over the value of holding.")
    loss_versus_rebalancing: Number | None = Field(
        description="½ σ² P² |Γ| a year, which fees must exceed for a hedged position; null without a volatility."
    )


class LeftOutPositionOut(Model):
    """A position that is missing somewhere."""

    symbol: str
    scope: Literal["everything", "ladder", "explain"]
    reason: str
    detail: str


class ProfitLinesOut(Model):
    """Profit and loss since `previous`, by its origin; the lines add up to `total`."""

    total: Number
    delta: Number
    gamma: Number
    vega: Number
    theta: Number
    vanna: Number
    volga: Number
    trades: Number = Field(description="From trades since they were made.")
    collateral: Number = Field(description="Coin collateral of `previous`, at the new price.")
    funding: Number
    fees: Number
    carry: Number
    residual: Number = Field(description="Higher orders, and errors of the data.")


class ExplainedUnderlyingOut(Model):
    """Lines of one underlying."""

    underlying: str
    lines: ProfitLinesOut


class ExplainOut(Model):
    """Profit and loss between two snapshots, in the quote currency."""

    since: Time
    underlyings: list[ExplainedUnderlyingOut]
    total: ProfitLinesOut
    complete: bool = Field(description="False: a position could not be explained; `left_out` names it.")


class PriceLadderAnswer(Model):
    """Greeks and ladders of a book."""

    as_of: Time
    currency: str
    status: Literal["ok", "incomplete"] = Field(description="incomplete: see `left_out`.")
    units: dict[str, str]
    spot_shocks: list[Number]
    volatility_shocks: list[Number]
    stickiness: Number
    days_forward: Number
    underlyings: list[UnderlyingOut]
    total: TotalOut
    beta_weighted: BetaWeightedOut | None = Field(description="null without betas.")
    liquidity: list[PoolOut]
    explain: ExplainOut | None = Field(description="null without `previous`.")
    left_out: list[LeftOutPositionOut]
    expanded: list[str] = Field(
        description="Positions in the ladder by their own Greeks to second order, not by revaluation."
    )
    assumptions: list[Assumption]
    warnings: list[WarningOut]
