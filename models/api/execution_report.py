"""Wire models of executions: fills reported back, how orders were followed, and what they cost."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import DecimalText, Model, Name, NonNegativeDecimal, Number, PositiveDecimal, Time
from models.api.evaluation import AuditOut

MAX_FILLS = 1_000
TradeId = Annotated[str, Strict(), Field(pattern=r"^[!-~]{1,64}$")]
OrderId = Annotated[str, Strict(), Field(pattern=r"^[!-~]{1,64}$")]
Coefficient = Annotated[Number, Field(gt=0, le=10)]


class FeedbackIn(Model):
    """What executions change in later evaluations of the portfolio."""

    impact: Annotated[bool, Strict()] = Field(
        default=False,
        description="Use the impact coefficient fitted to its executions where it is above that of the policy.",
    )
    may_loosen: Annotated[bool, Strict()] = Field(
        default=False, description="Use it also where it is below: caps that impact bounds may then grow."
    )

    @model_validator(mode="after")
    def _together(self) -> FeedbackIn:
        if self.may_loosen and not self.impact:
            raise PydanticCustomError("inconsistent", "may_loosen goes with impact: true")
        return self


class FittedImpactIn(Model):
    """Impact coefficient fitted to the executions of a portfolio, as an evaluation used it."""

    coefficient: Coefficient
    venues: list[str] = Field(description="Venues whose fits it is the largest of; empty for those without a name.")
    orders: Annotated[int, Field(ge=1, strict=True)]
    may_loosen: Annotated[bool, Strict()]


class FillIn(Model):
    """One trade of one order."""

    venue: Name | None = None
    trade_id: TradeId = Field(description="Unique at the venue: a trade that was reported before counts once.")
    client_order_id: OrderId = Field(description="That of the order, as the evaluation gave it.")
    side: Literal["buy", "sell"]
    quantity: PositiveDecimal = Field(description="In `quantity_unit` of the order.")
    price: PositiveDecimal
    fee_rate: Annotated[Number, Field(gt=-0.1, lt=0.1)] | None = Field(
        None, description="Fee over notional: 0.0005 is 5 basis points; negative where paid back."
    )
    liquidity: Literal["maker", "taker"] | None = None
    executed_at: Time
    arrival_price: PositiveDecimal | None = Field(None, description="Mid when the order reached the venue.")
    spread: NonNegativeDecimal | None = Field(None, description="Best ask minus best bid then.")


class ExecutionsRequest(Model):
    """Fills of a live portfolio."""

    fills: Annotated[list[FillIn], Field(min_length=1, max_length=MAX_FILLS, fail_fast=True)]


class FillOut(Model):
    """What became of a fill."""

    venue: str | None
    trade_id: str
    outcome: Literal["matched", "unknown", "duplicate", "conflict"] = Field(
        description="unknown: no order of this id was found. duplicate: it was reported before. conflict: it was, with "
        "other content; what was first counts. Only matched ones count now."
    )


class MatchedOrderOut(Model):
    """An order that fills were matched to, as its decision made it."""

    client_order_id: str
    evaluation_id: str
    symbol: str
    venue: str | None
    side: Literal["buy", "sell"]
    quantity: DecimalText
    quantity_unit: str
    valid_until: Time
    decision_price: DecimalText | None = Field(description="Mark of the decision; null in the compact view.")
    predicted_fee: float | None = Field(description="Over notional, as are the next two.")
    predicted_spread: float | None
    predicted_impact: float | None = Field(description="null where no volume was known.")
    daily_volatility: float | None
    impact_scale: float | None = Field(description="σ √(Q / V) of the whole order; null where it is not known.")
    impact_coefficient: float | None = Field(description="Of the policy of the decision.")


class ExecutionsTaken(Model):
    """What became of the fills of a call, in their order."""

    portfolio_id: str
    fills: list[FillOut]
    counts: dict[Literal["matched", "unknown", "duplicate", "conflict"], int]
    orders: list[MatchedOrderOut] = Field(description="Orders of the matched fills.")
    event_id: str
    audit: AuditOut


class AdherenceOut(Model):
    """How orders were followed; each weighs the same."""

    orders: int = Field(description="With fills.")
    filled: float = Field(description="Mean share of the ordered quantity that was filled, at most 1 each.")
    late: float = Field(description="Mean share filled after the order had expired.")
    overfilled: int = Field(description="Orders of which more was filled than ordered.")
    wrong_side: int = Field(description="Orders with fills to the other side.")


class ShortfallOut(Model):
    """Mean cost against the decision price, weighted by what was filled [basis points]."""

    orders: int
    price: float = Field(description="delay + spread + impact, where they are known.")
    delay: float | None = Field(description="From decision to arrival; null where no fill says arrival_price.")
    spread: float | None = Field(description="Half the quoted spread at arrival.")
    impact: float | None = Field(description="From arrival, half the spread apart.")
    fee: float | None
    predicted_spread: float | None
    predicted_impact: float | None
    predicted_fee: float | None
    parts_known: int = Field(description="Orders of which delay, spread and impact are known.")


class MarketExecutionsOut(Model):
    """Orders of one market."""

    symbol: str
    venue: str | None
    adherence: AdherenceOut
    shortfall: ShortfallOut | None


class ImpactFitOut(Model):
    """Coefficient of the square-root law that the orders at one venue show."""

    venue: str | None
    orders: int
    estimate: float = Field(description="Of the regression alone.")
    standard_error: float
    prior: float = Field(description="Coefficient of the policy of the last order.")
    coefficient: float = Field(description="Shrunk towards the prior.")
    interval: list[float] = Field(description="95 %.")


class ExecutionsAnswer(Model):
    """Executions of a live portfolio."""

    portfolio_id: str
    fills: int = Field(description="Matched ones that are counted.")
    orders: int = Field(description="Orders with fills.")
    orders_made: int | None = Field(description="Orders that mode auto ever made; null where it was never on.")
    first_executed_at: Time | None
    last_executed_at: Time | None
    adherence: AdherenceOut | None
    markets: list[MarketExecutionsOut]
    impact: list[ImpactFitOut] = Field(description="Venues with 30 usable orders.")
    feedback: FittedImpactIn | None = Field(description="What evaluations are given now; null where nothing.")
