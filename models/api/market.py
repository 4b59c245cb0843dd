"""Wire models of the snapshot: account, positions, instruments, prices, signals."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, Strict, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from models.api.balance import AccountLoanIn, CollateralIn
from models.api.base import (
    Currency,
    DriverName,
    Interval,
    Model,
    Name,
    NonNegativeDecimal,
    Number,
    PlainDecimal,
    PositiveDecimal,
    Symbol,
    Time,
)
from services.volatility.drivers import LARGEST_VALUE, MOST_DRIVERS
from services.volatility.usable import flaw_in

MAX_SYMBOLS = 200
MAX_POINTS = 20_000
OHLCV_COLUMNS = ("open", "high", "low", "volume")
BAR_COLUMNS = (*OHLCV_COLUMNS, "realized_variance", "implied_volatility")
"""What may be known of a bar besides its close."""


def _price_list(value: Any) -> list[float]:
    """Prices as floats: JSON numbers, or decimal strings, never booleans."""
    if type(value) is not list:
        raise PydanticCustomError("list_type", "must be a list of prices")
    if not 1 <= len(value) <= MAX_POINTS:
        raise PydanticCustomError("too_long", "must hold 1 to 20000 prices")
    if {float, int}.issuperset(map(type, value)):
        return value
    return [_price(item) for item in value]


def _column(value: Any) -> list[float]:
    """Statistics of bars as floats, NaN for null: JSON numbers, or decimal strings, never booleans."""
    if type(value) is not list:
        raise PydanticCustomError("list_type", "must be a list with one number or null for each close")
    if not 1 <= len(value) <= MAX_POINTS:
        raise PydanticCustomError("too_long", "must hold 1 to 20000 numbers")
    if {float, int}.issuperset(map(type, value)):
        return value
    return [math.nan if item is None else _price(item) for item in value]


def _figures(name: str) -> PlainValidator:
    """Column whose values must be usable (`services.volatility.usable`)."""

    def check(value: Any) -> list[float]:
        column = _column(value)
        for index, number in enumerate(column):
            if flaw := flaw_in(name, number):
                raise PydanticCustomError("out_of_range", "{flaw} at index {index}", {"flaw": flaw, "index": index})
        return column

    return PlainValidator(check)


def _driver_values(value: Any) -> list[float]:
    """Values of a driver as floats, NaN for null: JSON numbers of any sign."""
    if type(value) is not list:
        raise PydanticCustomError("list_type", "must be a list with one number or null for each close")
    if not 1 <= len(value) <= MAX_POINTS:
        raise PydanticCustomError("too_long", "must hold 1 to 20000 numbers")
    if not {float, int, type(None)}.issuperset(map(type, value)):
        raise PydanticCustomError("number", "must hold JSON numbers or null only")
    for index, item in enumerate(value):
        if item is not None and not abs(item) <= LARGEST_VALUE:
            text = "must lie within -1e100 and 1e100, found another number at index {index}"
            raise PydanticCustomError("out_of_range", text, {"index": index})
    return [math.nan if item is None else float(item) for item in value]


def _price(item: Any) -> float:
    if type(item) is str:
        try:
            return (
                float(item)
                if item.isascii() and item.replace(".", "", 1).isdigit() and len(item) <= 40
                else _bad_price()
            )
        except ValueError:
            _bad_price()
    if type(item) is float or type(item) is int:
        return float(item)
    return _bad_price()


def _bad_price() -> float:
    raise PydanticCustomError("price", "must hold JSON numbers or plain decimal strings only")


def _ohlcv(value: Any) -> list[list[float]]:
    """ccxt rows [timestamp in ms, open, high, low, close, volume], labelled by the open of the bar."""
    if type(value) is not list or not 1 <= len(value) <= MAX_POINTS:
        raise PydanticCustomError(
            "ohlcv", "must be a list of 1 to 20000 rows [timestamp_ms, open, high, low, close, volume]"
        )
    numbers = {float, int}
    for index, row in enumerate(value):
        if (
            type(row) is not list
            or len(row) != 6
            or not numbers.issuperset(map(type, row[:5]))
            or type(row[5]) not in (float, int, type(None))
        ):
            raise PydanticCustomError(
                "ohlcv",
                "row {index} must be [timestamp_ms, open, high, low, close, volume], all numbers",
                {"index": index},
            )
    return value


_PRICES: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_POINTS,
    "items": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}]},
}
_COLUMN: dict[str, Any] = {**_PRICES, "items": {"anyOf": [*_PRICES["items"]["anyOf"], {"type": "null"}]}}
_BAR: dict[str, Any] = {"type": "array", "minItems": 6, "maxItems": 6, "items": {"type": ["number", "null"]}}
PriceList = Annotated[list[float], PlainValidator(_price_list), WithJsonSchema(_PRICES)]
_COLUMN_SCHEMA = WithJsonSchema(_COLUMN)
Column = Annotated[list[float], PlainValidator(_column), _COLUMN_SCHEMA]
DriverValues = Annotated[
    list[float],
    PlainValidator(_driver_values),
    WithJsonSchema({**_PRICES, "items": {"type": ["number", "null"], "minimum": -1e100, "maximum": 1e100}}),
]
BarList = Annotated[
    list[list[float]],
    PlainValidator(_ohlcv),
    WithJsonSchema({"type": "array", "minItems": 1, "maxItems": MAX_POINTS, "items": _BAR}),
]


class CalendarIn(Model):
    """Explicit annualisation."""

    periods_per_year: Annotated[Number, Field(gt=0, le=31_536_000)] = Field(description="Bars a year.")


class AccountIn(Model):
    """Account that the sizes are for."""

    equity: PlainDecimal = Field(
        description="Mark-to-market equity in `currency`, collateral and loans at their market value."
    )
    currency: Currency = Field(description="Account currency, such as USD.")
    margin_mode: Literal["cross", "isolated", "portfolio"] = Field(
        default="cross",
        description="cross: one equity backs the sum of the positions' margins. isolated: each position has its own "
        "isolated_margin, and nothing else backs it, so that policy.collateral and loans are refused. portfolio: one "
        "equity backs the scenario margin of the whole account, by policy.margin.portfolio.",
    )
    net_deposits: PlainDecimal | None = Field(
        None, description="Cumulative deposits less withdrawals: neither profit nor drawdown. Default: unchanged."
    )
    collateral: Annotated[list[CollateralIn], Field(max_length=50, fail_fast=True)] = Field(
        default_factory=list, description="Coin balances behind the equity; their delta counts once per underlying."
    )
    loans: Annotated[list[AccountLoanIn], Field(max_length=50, fail_fast=True)] = Field(
        default_factory=list, description="Loans of the account; they need policy.collateral."
    )


class MarginTierIn(Model):
    """Row of a venue's maintenance table, in quote currency."""

    floor: NonNegativeDecimal = Field(description="Notional from which the row applies.")
    maintenance_rate: Annotated[Number, Field(gt=0, lt=1)]
    maintenance_amount: NonNegativeDecimal = Field(
        default=Decimal(0), description="Amount deducted, so that the table is continuous."
    )
    initial_rate: Annotated[Number, Field(gt=0, le=1)] | None = None


class InstrumentIn(Model):
    """Contract specification. Lot, minimum and maximum are in contracts (for spot and multiplier 1: base units)."""

    symbol: Symbol
    kind: Literal["spot", "linear", "inverse", "quanto", "option"]
    venue: Name | None = None
    underlying: Symbol | None = Field(
        None, description="Series that carries the volatility; default: the symbol itself."
    )
    base_currency: Currency | None = None
    quote_currency: Currency | None = Field(None, description="Default: the account currency.")
    settle_currency: Currency | None = None
    contract_multiplier: PositiveDecimal = Field(
        default=Decimal(1),
        description="Base units per contract; for inverse its quote value, for quanto settlement currency per point.",
    )
    quantity_unit: Literal["base", "contracts", "quote"] | None = Field(
        None, description="Unit of quantities; default: contracts."
    )
    lot: PositiveDecimal | None = None
    tick: PositiveDecimal | None = None
    min_quantity: NonNegativeDecimal | None = None
    max_quantity: PositiveDecimal | None = None
    min_notional: NonNegativeDecimal | None = Field(None, description="Smallest opening order, in quote currency.")
    max_leverage: Annotated[Number, Field(gt=0, le=1000)] | None = None
    margin_tiers: Annotated[tuple[MarginTierIn, ...], Field(max_length=50, fail_fast=True)] = ()
    strike: PositiveDecimal | None = None
    expiry: Time | None = None
    right: Literal["call", "put"] | None = None
    averaged_settlement: Annotated[bool, Strict()] = Field(
        default=False,
        description="Options: the delivery price is the average over the last 30 minutes, in which the position fades.",
    )

    @model_validator(mode="after")
    def _complete(self) -> InstrumentIn:
        if self.kind == "option" and (self.strike is None or self.expiry is None or self.right is None):
            raise PydanticCustomError("option_terms", "kind option needs strike, expiry and right")
        if self.kind == "quanto" and (self.settle_currency is None or self.quantity_unit in ("base", "quote")):
            text = "kind quanto needs settle_currency, with its rate in fx[], and quantities in contracts"
            raise PydanticCustomError("quanto_terms", text)
        floors = [tier.floor for tier in self.margin_tiers]
        if floors and (floors[0] != 0 or floors != sorted(set(floors))):
            raise PydanticCustomError("margin_tiers", "margin_tiers must start at floor 0 and rise")
        return self


Greek = Annotated[Number, Field(ge=-1e15, le=1e15)]


class GreeksIn(Model):
    """Greeks of the whole position, brought by the client."""

    delta: Greek = Field(description="Base units of the underlying.")
    gamma: Greek = Field(default=0.0, description="Change of delta per unit of price.")
    vega: Greek = Field(default=0.0, description="Account currency per volatility point.")
    theta: Greek = Field(default=0.0, description="Account currency per day.")


class PositionIn(Model):
    """One position line. A row is unique by (symbol, venue, account_id, position_side)."""

    symbol: Symbol
    quantity: PlainDecimal = Field(description="Signed: negative is short.")
    quantity_unit: Literal["base", "contracts", "quote"] | None = None
    mark_price: PositiveDecimal | None = None
    entry_price: PositiveDecimal | None = Field(None, description="Recorded with the request; no size depends on it.")
    venue: Name | None = None
    account_id: Name | None = None
    position_side: Literal["net", "long", "short"] | None = None
    margin_mode: Literal["cross", "isolated"] = "cross"
    isolated_margin: PositiveDecimal | None = Field(
        None, description="Margin of an isolated position, in the account currency."
    )
    open_buys: NonNegativeDecimal = Field(default=Decimal(0), description="Remaining size of open buy orders.")
    open_sells: NonNegativeDecimal = Field(default=Decimal(0), description="Remaining size of open sell orders.")
    implied_volatility: Annotated[Number, Field(gt=0, le=10)] | None = Field(
        None, description="Options: annual, fraction; default: that of `option_quotes`."
    )
    forward_price: PositiveDecimal | None = Field(
        None,
        description="Options: forward of the expiry; default: of `option_quotes`, else the mark of the underlying.",
    )
    greeks: GreeksIn | None = None
    initial_margin: NonNegativeDecimal | None = Field(
        None, description="Margin as the venue states it, where we do not model it."
    )
    maintenance_margin: NonNegativeDecimal | None = None

    @model_validator(mode="after")
    def _isolated(self) -> PositionIn:
        if (self.margin_mode == "isolated") != (self.isolated_margin is not None):
            raise PydanticCustomError(
                "isolated_margin", "isolated_margin belongs to margin_mode 'isolated', and is required there"
            )
        if (self.position_side == "long" and self.quantity < 0) or (
            self.position_side == "short" and self.quantity > 0
        ):
            raise PydanticCustomError(
                "position_side", "quantity is signed: position_side 'short' goes with a quantity <= 0, 'long' with >= 0"
            )
        return self


class SeriesIn(Model):
    """Price series: `close` with `end`, or `ohlcv` as ccxt returns it.

    A column beside `close` has one value or null for each close. Whether a value makes sense for its bar is judged bar
    by bar; a bar whose range does not is read as its close alone.
    """

    symbol: Symbol
    interval: Interval
    end: Time | None = Field(None, description="Close time of the last complete bar; goes with `close`.")
    close: PriceList | None = None
    open: Column | None = Field(None, description="Goes with high, low and close.")
    high: Column | None = Field(None, description="Goes with open, low and close.")
    low: Column | None = Field(None, description="Goes with open, high and close.")
    volume: Annotated[list[float], _figures("volume"), _COLUMN_SCHEMA] | None = Field(
        None, description="0: nothing was traded, the close is not news. Goes with close."
    )
    realized_variance: Annotated[list[float], _figures("realized_variance"), _COLUMN_SCHEMA] | None = Field(
        None, description="Sum of the squared log returns of shorter bars within each bar."
    )
    implied_volatility: Annotated[list[float], _figures("implied_volatility"), _COLUMN_SCHEMA] | None = Field(
        None, description="Quoted at the close of the bar [annual, fraction]."
    )
    ohlcv: BarList | None = Field(
        None,
        description="Rows [timestamp_ms, open, high, low, close, volume], labelled by the open of the bar; "
        "a last bar unfinished at as_of is dropped.",
    )
    drivers: Annotated[dict[DriverName, DriverValues], Field(max_length=MOST_DRIVERS)] | None = Field(
        None,
        description="Values of the drivers that the estimator names, one or null for each bar. Each must be known at "
        "the close of its bar, when it was published counts, and acts on the next bar; null is neutral.",
    )
    calendar: Literal["24/7", "XNYS", "XNAS", "XLON", "FX"] | CalendarIn | None = Field(
        None, description="Default 24/7, listed as an assumption."
    )

    @model_validator(mode="after")
    def _one_form(self) -> SeriesIn:
        if (self.close is None) == (self.ohlcv is None):
            raise PydanticCustomError("series_form", "give either close (with end) or ohlcv, not both")
        if (self.close is None) != (self.end is None):
            raise PydanticCustomError(
                "series_end", "end is the close time of the last complete bar: it goes with close, and not with ohlcv"
            )
        if (self.open is None) != (self.high is None) or (self.high is None) != (self.low is None):
            raise PydanticCustomError("series_form", "open, high and low go together: give all three or none")
        self._one_length()
        return self

    def _one_length(self) -> None:
        bars = len(self.close or self.ohlcv or ())
        for name in BAR_COLUMNS:
            column = getattr(self, name)
            if column is not None and self.ohlcv is not None and name in OHLCV_COLUMNS:
                raise PydanticCustomError("series_form", "ohlcv holds {name}: do not send it twice", {"name": name})
            if column is not None and len(column) != bars:
                text = "{name} must have as many values as there are bars ({bars}), found {found}"
                raise PydanticCustomError("series_length", text, {"name": name, "bars": bars, "found": len(column)})
        for name, values in (self.drivers or {}).items():
            if len(values) != bars:
                text = "drivers.{name} must have as many values as there are bars ({bars}), found {found}"
                raise PydanticCustomError("series_length", text, {"name": name, "bars": bars, "found": len(values)})


class MarkIn(Model):
    """Mark price of a symbol."""

    symbol: Symbol
    price: PositiveDecimal
    as_of: Time | None = None


class FxIn(Model):
    """Conversion rate."""

    currency: Currency
    rate: PositiveDecimal = Field(description="Account currency per unit of `currency`.")


class ForecastIn(Model):
    """Forecast of one trading rule."""

    rule: Name
    forecast: Annotated[Number, Field(ge=-100, le=100)] = Field(description="10 is average strength; capped at ±20.")
    weight: Annotated[Number, Field(ge=0, le=1_000_000)] = Field(default=1.0, description="Relative to the others.")


class SignalIn(Model):
    """View on a symbol: `direction` in [-1, 1] or `forecast` on the ±20 scale (forecast / 10 = direction)."""

    symbol: Symbol
    direction: Annotated[Number, Field(ge=-1, le=1)] | None = None
    forecast: Annotated[Number, Field(ge=-20, le=20)] | None = None
    forecasts: Annotated[list[ForecastIn], Field(min_length=1, max_length=50, fail_fast=True)] | None = Field(
        None, description="Forecasts of several rules, combined into one by their weights."
    )
    forecast_diversification: Annotated[Number, Field(ge=1, le=2.5)] = Field(
        default=1.0, description="Multiplies the combined forecast before its cap; 1: the rules say the same."
    )
    confidence: Annotated[Number, Field(ge=0, le=1)] = Field(default=1.0, description="Multiplies the direction.")
    as_of: Time | None = None
    half_life: Interval | None = Field(
        None, description="The direction halves each half_life; after three it has expired."
    )
    entry_price: PositiveDecimal | None = Field(
        None, description="Planned entry, for sizes by the distance to a stop; default: the mark."
    )
    stop_price: PositiveDecimal | None = Field(None, description="Where the position is given up.")
    average_true_range: PositiveDecimal | None = Field(
        None, description="In the quote currency; default: Wilder's, of the series' last 20 ranges and before."
    )
    expected_return: Annotated[Number, Field(ge=-10, le=10)] | None = Field(
        None, description="Annual, simple, in excess of financing and after costs: 0.10 is 10 %."
    )
    win_probability: Annotated[Number, Field(ge=0, le=1)] | None = Field(
        None, description="Share of `trades` closed trades that won; goes with win_loss_ratio and trades."
    )
    win_loss_ratio: Annotated[Number, Field(gt=0, le=1000)] | None = Field(None, description="Mean win over mean loss.")
    trades: Annotated[int, Field(ge=1, le=10_000_000, strict=True)] | None = None
    venue: Name | None = None
    account_id: Name | None = None

    @model_validator(mode="after")
    def _one_view(self) -> SignalIn:
        if sum(view is not None for view in (self.direction, self.forecast, self.forecasts)) != 1:
            raise PydanticCustomError(
                "signal_form", "send either direction (-1 to 1) or forecast (-20 to 20), not both; or forecasts, alone"
            )
        if self.forecasts is not None and not any(item.weight > 0 for item in self.forecasts):
            raise PydanticCustomError("inconsistent", "forecasts need at least one weight above 0")
        statistics = (self.win_probability, self.win_loss_ratio, self.trades)
        if any(item is None for item in statistics) and any(item is not None for item in statistics):
            raise PydanticCustomError("inconsistent", "win_probability, win_loss_ratio and trades go together")
        return self
