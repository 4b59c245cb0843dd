"""Wire models of `POST /v1/options:implied-volatility`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.api.base import DecimalText, Model, Number, PlainDecimal, Time
from models.api.evaluation import Assumption, WarningOut
from models.api.option_greeks import MAX_CONTRACTS, OptionRequestOptions, OptionStatus
from models.api.option_terms import OptionTerms

InversionReason = Literal[
    "none", "below_intrinsic", "no_time_value", "above_maximum", "bad_input", "expired", "above_limit"
]
QuoteReasonText = Literal["missing", "one_sided", "crossed", "zero_bid", "price_and_quote"]


class QuotedContract(OptionTerms):
    """One option and its price, or its quote."""

    price: PlainDecimal | None = Field(None, description="One price; then without bid, ask and mark.")
    bid: PlainDecimal | None = None
    ask: PlainDecimal | None = None
    mark: PlainDecimal | None = Field(None, description="Of the venue; used if it lies within bid and ask.")
    price_unit: Literal["quote", "base"] | None = Field(
        None, description="Of all four prices; default: base where inverse, else quote; assumed for inverse."
    )


class ImpliedVolatilityRequest(Model):
    """Prices to invert; nothing is stored."""

    contracts: Annotated[list[QuotedContract], Field(min_length=1, max_length=MAX_CONTRACTS, fail_fast=True)]
    as_of: Time | None = Field(
        None, description="Times to expiry count from it; default: the time of receipt, listed as an assumption."
    )
    options: OptionRequestOptions = OptionRequestOptions()


class SideVolatility(Model):
    """Volatility of one price of a quote."""

    implied_volatility: Number | None = Field(description="0 for a price at or below intrinsic value.")
    reason: InversionReason


class ImpliedVolatilityRow(Model):
    """One option, in the order of the request."""

    symbol: str | None
    status: OptionStatus = Field(description="degenerate: the price is the intrinsic value, and the volatility 0.")
    reason: InversionReason | QuoteReasonText
    detail: str | None
    implied_volatility: Number | None = Field(description="Annual, as a fraction; null where expired or refused.")
    source: Literal["price", "mark", "mid"] | None = Field(description="Which price it comes from.")
    price_used: DecimalText | None = Field(description="That price in quote, whatever unit it was sent in.")
    bid: SideVolatility | None
    ask: SideVolatility | None
    mark: SideVolatility | None
    time_to_expiry: Number = Field(description="Years of 365 days; negative once expired.")
    log_moneyness: Number = Field(description="ln(strike / forward).")


class ImpliedVolatilityAnswer(Model):
    """Volatilities of the posted prices."""

    as_of: Time
    contracts: list[ImpliedVolatilityRow]
    units: dict[str, str] = Field(description="Unit of every figure.")
    assumptions: list[Assumption]
    warnings: list[WarningOut]
