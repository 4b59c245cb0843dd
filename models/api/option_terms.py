"""What every request about options says of one contract, and how the units of an answer are written down."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from pydantic_core import PydanticCustomError

from models.api.base import Model, Number, PositiveDecimal, Symbol, Time
from services.core.annualization import SECONDS_PER_YEAR

ImpliedVolatility = Annotated[Number, Field(gt=0, le=10)]
"""Annual, as a fraction: 0.6 is 60 %."""


def few_expiries(expiries: Collection[object], limit: int) -> None:
    """Refuse more expiries than a fit, whose work grows with their square and more, can be asked for."""
    if len(expiries) > limit:
        text = "quotes may be of {limit} expiries, these are of {expiries}"
        raise PydanticCustomError("too_many_expiries", text, {"limit": limit, "expiries": len(expiries)})


class OptionTerms(Model):
    """One European option."""

    symbol: Symbol | None = Field(None, description="Echoed.")
    strike: PositiveDecimal
    expiry: Time
    right: Literal["call", "put"]
    forward: PositiveDecimal = Field(description="Forward or future of the same expiry, in quote per base.")
    discount: Annotated[Number, Field(gt=0, le=2)] = Field(
        default=1.0, description="Discount factor to expiry; above 1 for a negative rate."
    )
    settlement: Literal["linear", "inverse"] = Field(
        default="linear", description="inverse: premium and pay-off are paid in base (coin-settled)."
    )

    @property
    def sign(self) -> int:
        """+1 call, -1 put."""
        return 1 if self.right == "call" else -1

    def years(self, as_of: datetime) -> float:
        """Time to expiry [years of 365 days], negative once expired."""
        return (self.expiry - as_of).total_seconds() / SECONDS_PER_YEAR
