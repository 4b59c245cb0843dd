"""Positions of a book beside options: linear, inverse and spot, and those that bring figures of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.options.portfolio_greeks import LegGreeks, OptionLeg


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearLeg:
    """A position without curvature in its own settlement currency.

    Parameters
    ----------
    kind : {"spot", "linear", "inverse"}
        Spot and linear: ``P&L = Q (F1 − F0)`` in quote. Inverse: ``P&L = N (1/F0 − 1/F1)`` in base.
    quantity, multiplier : float
        Signed contracts; base units of a contract, for inverse its quote value.
    price : float
        Mark [quote per base].
    time_to_expiry : float, optional
        Of a dated future [years]; None for a perpetual or spot.
    """

    kind: Literal["spot", "linear", "inverse"]
    quantity: float
    multiplier: float
    price: float
    time_to_expiry: float | None = None

    def __post_init__(self) -> None:
        if not (0.0 < self.price < np.inf):
            raise InvalidInput("price", "must be finite and > 0", self.price)
        if not np.isfinite(self.quantity * self.multiplier):
            raise InvalidInput("quantity", "times multiplier must be finite", self.quantity)

    @property
    def base(self) -> float:
        """Delta [base units]: ``q M``, and ``q M / F`` for inverse."""
        size = self.quantity * self.multiplier
        return size / self.price if self.kind == "inverse" else size

    @property
    def greeks(self) -> LegGreeks:
        """Delta, and for spot the value; a future is worth nothing between two settlements."""
        value = self.base * self.price if self.kind == "spot" else 0.0
        return LegGreeks(delta=self.base, delta_black=self.base, value=value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenarios:
    """Profit and loss of a whole position in scenarios, as somebody else revalued it.

    Parameters
    ----------
    spot_shocks : (s,) array
        Relative moves of the price [fraction].
    volatility_shocks : (v,) array
        Relative moves of implied volatility [fraction].
    pnl : (s, v) array
        [quote].
    days_forward : float, optional
        Days that pass in them; None where it makes no difference.
    """

    spot_shocks: Floats
    volatility_shocks: Floats
    pnl: Floats
    days_forward: float | None = 0.0

    def __post_init__(self) -> None:
        shape = (self.spot_shocks.size, self.volatility_shocks.size)
        if self.pnl.shape != shape:
            raise InvalidInput("pnl", f"must have one row for each spot shock and one column for each volatility shock "
                               f"{shape}", self.pnl.shape)  # fmt: skip
        if not np.isfinite(self.pnl).all():
            raise InvalidInput("pnl", "must be finite", "another number")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLeg:
    """A position that brings its own Greeks, and perhaps its own scenarios.

    Parameters
    ----------
    greeks : LegGreeks
        Of the whole position; what is not known stays 0.
    price : float
        Price of the underlying that they refer to [quote per base].
    volatility : float, optional
        Implied volatility that vega refers to [annual]; without it a vega has no relative shock.
    time_to_expiry : float, optional
        [years]; without it volatility shocks are those of 30 days and longer.
    valued : bool
        Whether `greeks.value` is known; without it a change of value cannot be explained.
    scenarios : Scenarios, optional
        Taken as they are at the nodes that are asked for, and never interpolated.
    """

    greeks: LegGreeks
    price: float
    volatility: float | None = None
    time_to_expiry: float | None = None
    valued: bool = True
    scenarios: Scenarios | None = None

    def __post_init__(self) -> None:
        if not (0.0 < self.price < np.inf):
            raise InvalidInput("price", "must be finite and > 0", self.price)


Leg = OptionLeg | LinearLeg | OwnLeg


def price_of(leg: Leg) -> float:
    """Price that a leg refers to: its forward, or its mark [quote per base]."""
    return leg.forward if isinstance(leg, OptionLeg) else leg.price
