"""Wire models of `POST /v1/options:greeks`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from models.api.base import DecimalText, Model, Number, PlainDecimal, PositiveDecimal, Time
from models.api.evaluation import Assumption, WarningOut
from models.api.option_terms import OptionTerms

MAX_CONTRACTS = 5_000
OptionStatus = Literal["ok", "expired", "degenerate", "refused"]


class OptionRequestOptions(Model):
    """How silence is read."""

    strict: Annotated[bool, Strict()] = Field(
        default=False, description="Refuse the request where an assumption would be needed."
    )


class GreeksContract(OptionTerms):
    """One option and its volatility."""

    implied_volatility: Annotated[Number, Field(ge=0, le=10)] | None = Field(
        None, description="Annual, as a fraction: 0.6 is 60 %. Without it the row is refused; 0 gives the limits."
    )
    base_discount: Annotated[Number, Field(gt=0, le=2)] | None = Field(
        None, description="Discount factor of the base currency, for the two spot conventions; default 1, assumed."
    )
    averaged_settlement: Annotated[bool, Strict()] = Field(
        default=False,
        description="The delivery price is averaged over the last 30 minutes: figures fade with them.",
    )
    quantity: PlainDecimal | None = Field(None, description="Signed contracts: adds `position` to the row.")
    contract_multiplier: PositiveDecimal | None = Field(
        None, description="Base units per contract; default 1, assumed where a quantity is given."
    )


class GreeksRequest(Model):
    """Options to value; nothing is stored."""

    contracts: Annotated[list[GreeksContract], Field(min_length=1, max_length=MAX_CONTRACTS, fail_fast=True)]
    delta_convention: Literal["spot", "forward", "pa_spot", "pa_forward"] = Field(
        default="forward",
        description="Of `delta`, undiscounted as desks quote it: by the spot or the forward; pa_: less the premium, "
        "paid in base.",
    )
    as_of: Time | None = Field(
        None, description="Times to expiry count from it; default: the time of receipt, listed as an assumption."
    )
    options: OptionRequestOptions = OptionRequestOptions()


class OptionFigures(Model):
    """Greeks; the unit of each is in `units`. Null in a refused row, and where a number would not be finite."""

    price: DecimalText | None = Field(description="Black-76 value.")
    price_base: DecimalText | None = Field(description="The same in base, as inverse options are quoted; else null.")
    delta: Number | None = Field(description="In `delta_convention`.")
    delta_hedge: Number | None = Field(
        description="What a hedge must offset: the discounted delta by the forward, less price_base where inverse."
    )
    gamma: Number | None = Field(description="Second derivative by the forward.")
    gamma_1pct: Number | None = Field(description="Change of delta when the forward moves 1 %.")
    vega_per_point: Number | None = Field(description="Change of price per volatility point of 0.01.")
    theta_per_day: Number | None = Field(description="Derivative by calendar time at a fixed forward.")
    theta_1d: Number | None = Field(description="Price in a day, or at expiry if that is sooner, less the price now.")
    vanna_per_point: Number | None = Field(description="Change of delta per volatility point.")
    volga_per_point: Number | None = Field(description="Change of vega_per_point per volatility point.")
    charm_per_day: Number | None = Field(description="Change of delta per calendar day.")
    speed: Number | None = Field(description="Third derivative by the forward.")
    rho_per_percent: Number | None = Field(description="Change of price when the rate moves by 0.01, forward fixed.")


class OptionGreeksRow(OptionFigures):
    """One option, in the order of the request; figures of one long option on one unit of base."""

    symbol: str | None
    status: OptionStatus = Field(
        description="expired, degenerate (no volatility): price and delta are limits, the rest is 0."
    )
    reason: Literal["none", "expired", "zero_volatility", "volatility_required"]
    detail: str | None
    time_to_expiry: Number = Field(description="Years of 365 days; negative once expired.")
    settlement_factor: Number | None = Field(description="Share alive in the averaging window, in all figures already.")
    position: OptionFigures | None = Field(description="Figures of the whole position; null without a quantity.")


class GreeksAnswer(Model):
    """Greeks of the posted options."""

    as_of: Time
    delta_convention: str
    contracts: list[OptionGreeksRow]
    units: dict[str, str] = Field(description="Unit of every figure.")
    assumptions: list[Assumption]
    warnings: list[WarningOut]
