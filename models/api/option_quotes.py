"""Wire models of option quotes: what is sent of a chain, and what is answered about its smiles."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from models.api.base import DecimalText, Model, NonNegativeDecimal, Number, PositiveDecimal, Symbol, Time
from models.api.option_terms import ImpliedVolatility, few_expiries
from models.api.strict import StrictScalars
from services.core.tagged import Tagged
from services.options.surface_registry import SurfaceMethod
from services.options.surfaces.joint_svi import JointSvi

MAX_QUOTES, MAX_EXPIRIES = 5_000, 64
"""Of one chain; a fit takes about 4 ms for each expiry."""
SurfaceMethodIn = Annotated[SurfaceMethod, Tagged(), StrictScalars()]


class OptionQuoteIn(Model):
    """Quote of one option; a side that nobody quotes is left out, null or 0."""

    expiry: Time
    strike: PositiveDecimal
    right: Literal["call", "put"]
    forward: PositiveDecimal | None = Field(
        None,
        description="Future or forward of the same expiry when the quote was taken. Left out: that of the other quotes "
        "of the expiry, or, if none has one, put-call parity.",
    )
    bid: NonNegativeDecimal | None = None
    ask: NonNegativeDecimal | None = None
    mark: NonNegativeDecimal | None = Field(None, description="Fitted where it lies between bid and ask, or is alone.")
    implied_volatility: ImpliedVolatility | None = Field(
        None, description="Fitted as it is; prices then only bound it."
    )
    as_of: Time | None = Field(None, description="When the quote was taken; default: as_of of the request.")


class QuotedChainIn(Model):
    """Quotes of one underlying, and how they become a surface."""

    quotes: Annotated[list[OptionQuoteIn], Field(min_length=1, max_length=MAX_QUOTES, fail_fast=True)] = Field(
        description=f"Of at most {MAX_EXPIRIES} expiries."
    )
    price_unit: Literal["quote", "base"] = Field(
        default="quote", description="Of bid, ask and mark; base: coin, as Deribit quotes."
    )
    surface: SurfaceMethodIn = Field(default=JointSvi(), description="How the smiles are fitted.")
    least_days: Annotated[Number, Field(ge=0, le=365)] = Field(
        default=1.0, description="Nearer expiries are not fitted: the next one is scaled."
    )
    discount: Annotated[Number, Field(gt=0, le=2)] | None = Field(
        None,
        description="Discount factor to every expiry; default: 1, or what parity says where forwards are inferred.",
    )

    @model_validator(mode="after")
    def _expiries(self) -> QuotedChainIn:
        few_expiries({row.expiry for row in self.quotes}, MAX_EXPIRIES)
        return self


class OptionChainIn(QuotedChainIn):
    """Quotes of one underlying of an evaluation: its options take from them what they do not bring."""

    underlying: Symbol = Field(description="`underlying` of the options in instruments[]; else their base_currency.")
    max_age_seconds: Annotated[Number, Field(gt=0, le=604_800)] = Field(
        default=3600.0, description="Older quotes are dropped, and confidence falls to 0 at this age."
    )
    skew_stickiness: Annotated[Number, Field(ge=-2, le=2)] = Field(
        default=0.0,
        description="c in delta - c * vega * skew / forward: 0 the smile stays at its strikes, 1 it moves with the "
        "price, -1 about as a local volatility does.",
    )


class RawSviOut(Model):
    """Total variance ``w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2))`` over ``k = ln(strike / forward)``."""

    a: Number
    b: Number
    rho: Number
    m: Number
    sigma: Number


class JumpWingsOut(Model):
    """The same smile in jump wings; see Gatheral and Jacquier (2014)."""

    atm_variance: Number
    atm_skew: Number
    put_slope: Number
    call_slope: Number
    least_variance: Number


class SurfaceSliceOut(Model):
    """Smile of one expiry."""

    expiry: Time
    years: Number = Field(description="To expiry, of 365 days.")
    forward: DecimalText
    forward_source: Literal["given", "parity"]
    method_used: Literal["svi", "ssvi", "essvi", "flat"] = Field(
        description="svi falls back to ssvi with 3 or 4 strikes, to flat with 1 or 2."
    )
    parameters: RawSviOut
    jump_wings: JumpWingsOut
    atm_volatility: Number
    skew: Number = Field(description="Of volatility by k, at the forward.")
    rr25: Number | None = Field(description="Volatility of the 25-delta call less that of the put.")
    bf25: Number | None = Field(description="Mean of both less atm_volatility.")
    model_free_volatility: Number
    rmse: Number = Field(description="Root mean square of fitted less quoted volatility.")
    inside_bid_ask: Number | None = Field(description="Part of the two-sided quotes that hold the fit.")
    strikes: int
    lowest_strike: DecimalText
    highest_strike: DecimalText
    age_seconds: Number
    confidence: Number = Field(description="min(1, strikes / 10), times 1 - age / max_age_seconds where that is given.")
    reasons: list[Literal["few_strikes", "forward_inferred", "old_quotes", "one_sided_only"]] = Field(
        description="Why confidence is low, or a fallback was used."
    )


class DroppedQuoteOut(Model):
    """A quote that is not used."""

    index: int = Field(description="In quotes[].")
    reason: str


class OptionVolatilityOut(Model):
    """What the Greeks of one option row are computed with, and where it came from."""

    symbol: str
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None
    expiry: Time
    source: Literal["position", "surface", "greeks", "none"] = Field(
        description="position: its own implied_volatility; greeks: it brings its Greeks; none: its Greeks are unknown."
    )
    detail: str | None = Field(None, description="Why the surface gave none.")
    volatility: Number | None = Field(description="Annual, fraction.")
    forward: DecimalText | None
    forward_source: Literal["position", "quotes", "parity", "interpolated", "underlying"] | None = Field(
        description="quotes: listed for its expiry; interpolated: between or beyond the expiries of the surface; "
        "underlying: its mark or close."
    )
    log_moneyness: Number | None = Field(None, description="ln(strike / forward of the surface).")
    skew: Number | None = Field(None, description="Slope of volatility by log-moneyness at its strike.")
    confidence: Number | None = Field(None, description="Of the smiles around its expiry, the lower one.")
    age_seconds: Number | None = Field(None, description="Mean age of their quotes, the older one.")
    extrapolated: bool | None = Field(None, description="Beyond the quoted strikes or expiries.")


class OptionSurfaceOut(Model):
    """What became of one block of `option_quotes`."""

    underlying: str
    status: Literal["ok", "refused", "unused"] = Field(
        description="unused: no option of the request needs it, so that it was not fitted."
    )
    detail: str | None
    method: str
    slices: list[SurfaceSliceOut] = Field(description="Ascending in expiry.")
    dropped: list[DroppedQuoteOut] = Field(description="Quotes that are not used, less those that were not needed.")
    not_needed: int = Field(description="Quotes in the money whose twin out of the money was sent.")
    reason_texts: dict[str, str] = Field(description="What the reasons in dropped mean.")
