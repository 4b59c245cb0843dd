"""Wire model of a scheduled event."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Model, Number, Symbol, Time

MAX_EVENTS = 100
YEAR_SECONDS = 31_536_000


class EventIn(Model):
    """Something dated that will move prices: a rate decision, an unlock, a listing, an election.

    It raises the volatility of the bar that it falls into, that of the next bar and of the horizon, and is never learnt
    from: what comes after it, the prices say.
    """

    symbol: Symbol | None = Field(
        None, description="Row, series or underlying that it moves; default: all of them, and together."
    )
    at: Time = Field(
        description="When it begins. One at the very close of a bar moves the bar after it. The next bar ends one bar "
        "after the last close, or with the bar under way at as_of; of markets that close, only weekends are left out."
    )
    volatility: Annotated[Number, Field(gt=0, le=10)] | None = Field(
        None, description="Extra volatility while it lasts [annual, fraction]: it adds volatility² × seconds / 1 year."
    )
    move: Annotated[Number, Field(gt=0, le=2)] | None = Field(
        None, description="Log return expected of it as a whole, of either sign (one standard deviation): 0.03 is 3 %."
    )
    seconds: Annotated[Number, Field(ge=0, le=YEAR_SECONDS)] = Field(
        default=0.0, description="How long it lasts; a bar counts the part of it that it contains. 0: all at once."
    )

    @model_validator(mode="after")
    def _one_size(self) -> EventIn:
        if (self.volatility is None) == (self.move is None):
            raise PydanticCustomError("event_form", "send either volatility (with seconds) or move, not both")
        if self.volatility is not None and self.seconds == 0.0:
            raise PydanticCustomError("event_form", "volatility goes with seconds > 0: of an instant, send the move")
        return self
