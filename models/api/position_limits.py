"""Wire models of `POST /v1/margin:max-position` and `POST /v1/orders:check`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import DecimalText, Model, NonNegativeDecimal, Number, PlainDecimal, PositiveDecimal, Symbol, Time
from models.api.evaluation import Assumption, WarningOut
from models.api.execution import MarketAnswer, MarketRequest, MarketVolatilityOut
from models.api.liquidity import BookIn, FlowIn
from models.api.policy import VolatilityMarginIn
from services.margin.registry import STUDENT

MAX_OTHERS = 500
CapName = Literal["margin", "distance", "tier", "liquidity", "venue", "user"]


class OtherPositionIn(Model):
    """Another position of the account, margined under the same policy, or as its venue states it."""

    symbol: Symbol
    kind: Literal["linear", "inverse"] = "linear"
    quantity: PlainDecimal = Field(description="Contracts, signed.")
    contract_multiplier: PositiveDecimal = Field(
        default=Decimal(1), description="Base units per contract; for inverse its value in the account currency."
    )
    mark_price: PositiveDecimal | None = Field(None, description="In the account currency.")
    volatility: Annotated[Number, Field(gt=0, le=10)] | None = Field(None, description="Annual, as a fraction.")
    open_buys: NonNegativeDecimal = Field(default=Decimal(0), description="Remaining size of open buys [contracts].")
    open_sells: NonNegativeDecimal = Field(default=Decimal(0), description="Remaining size of open sells [contracts].")
    initial_margin: NonNegativeDecimal | None = Field(
        None, description="As the venue states it; goes with maintenance_margin, and mark_price and volatility do not."
    )
    maintenance_margin: NonNegativeDecimal | None = None

    @model_validator(mode="after")
    def _one_form(self) -> OtherPositionIn:
        stated = self.initial_margin is not None and self.maintenance_margin is not None
        modelled = self.mark_price is not None and self.volatility is not None
        if (self.initial_margin is None) != (self.maintenance_margin is None) or stated == modelled:
            text = (
                "give either mark_price and volatility, or initial_margin and maintenance_margin as the venue has them"
            )
            raise PydanticCustomError("position_form", text)
        return self


class MarginAccountIn(Model):
    """Account behind the position; every amount in the quote currency of the instrument."""

    equity: PlainDecimal = Field(description="Mark to market, with the unrealised profit of this position too.")
    other_initial_margin: NonNegativeDecimal = Field(
        default=Decimal(0), description="Of everything that is not in `positions`, nor the market of the request."
    )
    other_maintenance_margin: NonNegativeDecimal = Field(default=Decimal(0), description="As other_initial_margin.")
    collateral: Literal["quote", "base"] | None = Field(
        None,
        description="What the equity is held in: base moves with the price. Default: base for inverse, else quote; "
        "listed as an assumption.",
    )
    positions: Annotated[list[OtherPositionIn], Field(max_length=MAX_OTHERS, fail_fast=True)] = Field(
        default_factory=list, description="Other positions of the account, whose margin is added to the two above."
    )


class PositionCapsIn(Model):
    """What bounds a position besides its margin."""

    max_utilisation: Annotated[Number, Field(gt=0, le=1)] = Field(
        default=0.8, description="Initial margin of the account over its equity."
    )
    min_distance_sigma: Annotated[Number, Field(gt=0, le=20)] | None = Field(
        None, description="Least distance to liquidation, in standard deviations over the horizon."
    )
    horizon_days: Annotated[Number, Field(gt=0, le=365)] = Field(default=1.0, description="Of min_distance_sigma.")
    max_tier: Annotated[int, Field(ge=1, le=50, strict=True)] | None = Field(
        None, description="Last row of instrument.margin_tiers that may be used, from 1."
    )
    max_quantity: NonNegativeDecimal | None = Field(
        None, description="Largest position that you allow, in quantity_unit."
    )
    max_slippage: Annotated[Number, Field(gt=0, lt=1)] | None = Field(
        None, description="Goes with book: the position can be closed there at an average this close to the mark."
    )


class PositionRequest(MarketRequest):
    """One market, the account, and what bounds a position."""

    account: MarginAccountIn
    position: PlainDecimal = Field(
        default=Decimal(0),
        description="Held now, signed, in quantity_unit. Open orders in this market count only if you add them.",
    )
    margin: VolatilityMarginIn = Field(
        default=STUDENT, description="Margin model and the rules around it, as in a policy; no returns are read here."
    )
    caps: PositionCapsIn = PositionCapsIn()
    book: BookIn | None = Field(None, description="Order book of the symbol, for the liquidity cap.")
    flow: FlowIn | None = Field(
        None, description="Open interest and volume of the symbol, for a size_addon that reads them."
    )

    @model_validator(mode="after")
    def _bounded(self) -> PositionRequest:
        if (self.book is None) != (self.caps.max_slippage is None):
            raise PydanticCustomError("inconsistent", "book and caps.max_slippage go together")
        if self.book is not None and (self.book.symbol != self.symbol or self.book.bids is None):
            raise PydanticCustomError("inconsistent", "book must be of the symbol of the request, with bids and asks")
        if self.flow is not None and self.flow.symbol != self.symbol:
            raise PydanticCustomError("inconsistent", "flow must be of the symbol of the request")
        return self


class MaxPositionRequest(PositionRequest):
    """How large a long and a short may be; nothing is stored."""


class OrderCheckRequest(PositionRequest):
    """An order before it is sent."""

    quantity: PlainDecimal = Field(description="Of the order, signed: negative sells. In quantity_unit.")


class CapOut(Model):
    """One cap."""

    cap: CapName = Field(description="liquidity: the book; venue: max_quantity of the instrument; user: caps.")
    quantity: DecimalText | None = Field(description="Largest position; null: this cap allows any.")
    contracts: DecimalText | None


class LargestOut(Model):
    """Largest position of one side."""

    quantity: DecimalText = Field(description="Unsigned, in quantity_unit.")
    contracts: DecimalText = Field(description="The same in contracts: whole lots.")
    notional: DecimalText
    initial_margin: DecimalText = Field(description="Of that position.")
    maintenance_margin: DecimalText
    binding: list[CapName] = Field(description="Caps that set it: one lot more breaks them.")
    caps: list[CapOut]
    headroom: DecimalText = Field(
        description="Largest order of this side [quantity_unit]; negative: what has to be traded the other way."
    )


class MaxPositionAnswer(Model):
    """Largest long and short."""

    symbol: Symbol
    venue: str | None = None
    as_of: Time
    status: Literal["ok", "refused"]
    reason: str
    detail: str | None = Field(description="Why it is refused.")
    long: LargestOut | None = Field(description="null where refused.")
    short: LargestOut | None = Field(description="null where refused.")
    reduce_only: bool = Field(
        description="Nothing may be added: no margin is left, or the position is beyond its largest size."
    )
    margin_budget: DecimalText | None = Field(description="max_utilisation * equity less other initial margin, >= 0.")
    other_initial_margin: DecimalText | None = Field(description="Of everything else, `account.positions` included.")
    other_maintenance_margin: DecimalText | None
    method_used: str | None = Field(description="Where the margin rate comes from.")
    mark_price: DecimalText
    quantity_unit: Literal["base", "contracts", "quote"]
    currency: str | None = Field(description="Of all amounts: the quote currency; null where nothing says it.")
    volatility: MarketVolatilityOut | None
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class AfterFillOut(Model):
    """Account once what is accepted is filled; null where it cannot be computed."""

    position: DecimalText = Field(description="Signed, in quantity_unit.")
    initial_margin: DecimalText | None = Field(description="Of the account.")
    maintenance_margin: DecimalText | None = Field(description="Of the account.")
    utilisation: Number | None = Field(description="Initial margin over equity.")
    margin_ratio: Number | None = Field(description="Maintenance margin over equity: liquidation at 1.")


class OrderCheckAnswer(MarketAnswer):
    """Verdict on an order."""

    verdict: Literal["accept", "resize", "reject"] = Field(
        description="resize: send `quantity` instead. What only shrinks a position is always accepted."
    )
    side: Literal["buy", "sell"]
    quantity: DecimalText = Field(description="What may be traded, signed, in quantity_unit; 0 where rejected.")
    contracts: DecimalText = Field(description="The same in contracts.")
    reduces: bool = Field(description="The order only shrinks the position.")
    binding: list[CapName] = Field(description="Caps that cut the order.")
    caps: list[CapOut] = Field(description="Largest position on the side of the order, by cap; empty where unknown.")
    after: AfterFillOut
    method_used: str | None = Field(description="Where the margin rate comes from.")
