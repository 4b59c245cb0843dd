"""Wire models of a scenario of price and volatility, explained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.api.base import Model, Number


class ScenarioExpiryOut(Model):
    """Options of one expiry in one scenario."""

    expiry: str
    pnl: Number


class UnderlyingScenarioOut(Model):
    """One underlying in one scenario; delta, gamma, vega, discount and residual add up to `pnl`."""

    underlying: str
    move: Number = Field(description="Of the price, a fraction.")
    damping: Number
    pnl: Number = Field(description="Before netting.")
    delta: Number = Field(description="Delta of today, linear positions and risk-cancelling collateral included.")
    gamma: Number
    vega: Number
    discount: Number = Field(description="Static discount: what a liquidation loses on long and on short options.")
    residual: Number = Field(description="What a second-order expansion does not see.")
    linear: Number = Field(description="Part of perpetuals, futures and spot.")
    collateral: Number = Field(description="Part of risk-cancelling collateral.")
    by_expiry: list[ScenarioExpiryOut] = Field(description="Part of the options.")


class WorstScenarioOut(Model):
    """One of the worst scenarios."""

    index: int = Field(description="Place in `scenario_pnl`.")
    volatility: Literal["none", "up", "down", "skew_linear", "skew_absolute"]
    pnl: Number = Field(description="Over all underlyings, netted.")
    netting: Number = Field(description="Profits that netting does not credit, <= 0.")
    underlyings: list[UnderlyingScenarioOut]
