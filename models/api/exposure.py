"""Greeks of a book on the wire, wherever they are answered."""

from __future__ import annotations

from pydantic import Field

from models.api.base import Model, Number


class ExposureOut(Model):
    """Greeks of some positions. `_coin` counts base units, `_usd` and what is without a suffix the quote currency.

    null: not known, or not to be added up over underlyings.
    """

    delta_coin: Number | None = Field(
        description="What a hedge must offset: Black delta, less the mark in coin of coin-settled options."
    )
    delta_usd: Number | None = Field(description="Each position's delta at its own price.")
    delta_black: Number | None = Field(description="Black delta, before the premium adjustment [base units].")
    gamma_1pct_coin: Number | None = Field(description="Change of the Black delta when the price moves 1 %.")
    gamma_1pct_usd: Number | None = Field(description="The same at each position's price.")
    vega_per_point: Number | None = Field(description="Per volatility point (0.01).")
    vega_30d_per_point: Number | None = Field(description="Each position times √(30 / days to expiry), days >= 1.")
    theta_per_day: Number | None = Field(description="Per calendar day.")
    vanna_per_point: Number | None = Field(description="Change of the Black delta per point [base units].")
    volga_per_point: Number | None = Field(description="Change of vega_per_point per point.")
    charm_per_day: Number | None = Field(description="Change of the Black delta per day [base units].")
    skew_delta: Number | None = Field(
        description="What `stickiness` of the smile adds to delta [base units]: in none of the deltas of a price "
        "ladder; in delta_coin and delta_usd of an evaluation, where `skew_stickiness` asks for it."
    )
    value: Number | None = Field(description="Market value; a future has none.")
    value_coin: Number | None
    vega_per_point_coin: Number | None
    theta_per_day_coin: Number | None


class UnderlyingGreeksOut(Model):
    """One underlying of an evaluated book, at its targets before hedges; `greeks` in the account currency."""

    underlying: str
    complete: bool = Field(description="False: the delta of `unknown` positions is not known, and not in the sums.")
    unknown: list[str]
    collateral: Number = Field(description="Coin, in base units, counted once.")
    net_delta_coin: Number | None = Field(description="Exposure of an account counted in coin [base units].")
    net_delta_usd_view: Number | None = Field(
        description="Exposure of an account counted in money, with the collateral: what a hedge is decided on."
    )
    greeks: ExposureOut
