"""Wire models of `POST /v1/margin:waterfall`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import (
    Currency,
    DecimalText,
    Model,
    Name,
    NonNegativeDecimal,
    Number,
    PlainDecimal,
    PositiveDecimal,
    Symbol,
    Time,
)
from models.api.evaluation import Assumption, AuditOut, WarningOut

MAX_COUNTERPARTIES = 2_000
MAX_MEMBERS = 1_000
MAX_COVER_SCENARIOS = 100
Rate = Annotated[Number, Field(gt=0, lt=1)]
Share = Annotated[Number, Field(ge=0, lt=1)]


class LiquidatedIn(Model):
    """The account, and the position of it that is liquidated; amounts in `currency`."""

    quantity: PlainDecimal = Field(description="Signed base units, not 0.")
    equity: PlainDecimal = Field(description="Of the whole account at the mark; may be negative.")
    maintenance_rate: Rate = Field(description="Of the position, a fraction of its notional.")
    other_maintenance_margin: NonNegativeDecimal = Field(
        default=Decimal(0), description="Of the account's other positions."
    )


class LiquidationRulesIn(Model):
    """How it is liquidated."""

    slippage: Share | None = Field(
        None, description="Of a slice against the mark, a fraction. Default: slices fill at the worst price allowed."
    )
    slice_fraction: Annotated[Number, Field(ge=0.01, le=1)] = Field(
        default=0.1, description="A slice is the larger of this share of the position and `slice_notional`."
    )
    slice_notional: NonNegativeDecimal = Decimal(100_000)
    restore_to: Annotated[Number, Field(ge=1, le=10)] = Field(
        default=1.1, description="Equity over maintenance at which selling ends."
    )
    fee_rate: Share = Field(
        default=0.005, description="Of a slice's notional to the fund, while its price is better than bankruptcy."
    )
    bankruptcy_adjustment: Annotated[Number, Field(ge=1, le=10)] = Field(
        default=1.0, description="How soon the worst price that is allowed is reached."
    )
    spread_to_maintenance: Annotated[Number, Field(gt=0, le=10)] = Field(
        default=1.5, description="Its widest distance from the mark, over maintenance margin."
    )
    price_cap: Share = Field(
        default=0.05, description="Largest distance of the price of deleveraging from the mark, a fraction."
    )


class CounterpartyIn(Model):
    """A position that may be deleveraged."""

    account: Name = Field(description="Unique.")
    quantity: PlainDecimal
    entry_price: PositiveDecimal
    equity: PlainDecimal = Field(description="Of the account, at the mark.")
    maintenance_rate: Share = 0.0


class PoolIn(Model):
    """A pool that pays traders' profits: deleveraging of it starts and stops by hysteresis."""

    profit_share: Annotated[Number, Field(ge=0, le=100)] = Field(description="Traders' profits over the pool's value.")
    active: Annotated[bool, Strict()] = Field(description="Whether deleveraging was on before.")
    start: Annotated[Number, Field(gt=0, le=1)] = 0.85
    stop: Annotated[Number, Field(gt=0, le=1)] = 0.77


class MemberIn(Model):
    """A member of the fund."""

    member: Name = Field(description="Unique.")
    losses: Annotated[list[PlainDecimal], Field(min_length=1, max_length=MAX_COVER_SCENARIOS, fail_fast=True)] = Field(
        description="Beyond its own collateral, one for each scenario; a gain is negative."
    )


class WaterfallRequest(Model):
    """A liquidation to be played through; its answer is recorded."""

    client_reference: Name | None = None
    as_of: Time | None = Field(None, description="Time of the figures; default: the time of receipt.")
    symbol: Symbol
    currency: Currency = Field(default="USD", description="Of every amount; echoed.")
    mark_price: PositiveDecimal
    account: LiquidatedIn
    rules: LiquidationRulesIn = LiquidationRulesIn()
    insurance_fund: NonNegativeDecimal = Decimal(0)
    counterparties: Annotated[list[CounterpartyIn], Field(max_length=MAX_COUNTERPARTIES, fail_fast=True)] = Field(
        default_factory=list
    )
    pool: PoolIn | None = None
    members: Annotated[list[MemberIn], Field(max_length=MAX_MEMBERS, fail_fast=True)] = Field(
        default_factory=list, description="Whose defaults the fund is held against."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for where, names in (
            ("counterparties", [item.account for item in self.counterparties]),
            ("members", [item.member for item in self.members]),
        ):
            if len(set(names)) != len(names):
                raise PydanticCustomError("duplicate", "{where} must be unique", {"where": where})
        if len({len(item.losses) for item in self.members}) > 1:
            raise PydanticCustomError("columns", "members must have one loss for each scenario")
        return self


class SliceOut(Model):
    """One sale of a part, and the account after it."""

    side: Literal["buy", "sell"]
    quantity: DecimalText
    worst_price: DecimalText = Field(description="Worst at which it may fill.")
    bankruptcy_price: DecimalText
    price: DecimalText
    to_fund: DecimalText = Field(description="Fee, or what the fund paid (< 0).")
    equity: DecimalText
    maintenance_margin: DecimalText


class DeleveragedOut(Model):
    """A position that is closed in whole or in part."""

    account: str
    quantity: DecimalText = Field(description="Base units, unsigned.")
    cost: DecimalText = Field(description="Against the mark; a gain is negative.")


class SkippedOut(Model):
    """A position that is passed over."""

    account: str
    reason: Literal["same_side", "under_maintenance", "no_profit_left", "would_fall_under_maintenance"]


class DeleveragingOut(Model):
    """Positions of others that close what could not be sold."""

    price: DecimalText = Field(description="The bankruptcy price, at most `price_cap` from the mark.")
    filled: list[DeleveragedOut] = Field(description="By rank: profit times leverage, the largest first.")
    skipped: list[SkippedOut]
    uncovered: DecimalText = Field(description="Base units that nobody takes: they stay open.")


class ScenarioCoverOut(Model):
    """The fund against the defaults of its largest members in one scenario."""

    scenario: int
    cover_1: Number | None = Field(description="Fund over the largest loss; null: nobody loses.")
    cover_2: Number | None = Field(description="Fund over the two largest together; null: nobody loses.")
    members: int = Field(description="How many of the largest the fund bears in full.")


class CoverOut(Model):
    """The fund before the liquidation, by scenario."""

    worst: ScenarioCoverOut = Field(description="Of the least cover 2.")
    passed: bool = Field(description="Whether the two largest are covered in every scenario.")
    scenarios: list[ScenarioCoverOut]


class WaterfallAnswer(Model):
    """What the liquidation does, in the order of who bears it."""

    evaluation_id: str
    client_reference: str | None = None
    as_of: Time
    received_at: Time
    symbol: Symbol
    currency: str
    units: dict[str, str]
    status: Literal["healthy", "restored", "closed", "deleveraged", "uncovered", "unsold"] = Field(
        description="healthy: equity exceeds maintenance, nothing is done. restored, closed: by selling. deleveraged: "
        "others took the rest. uncovered: some of it stays open. unsold: above maintenance again but not restored in "
        "full, and no price is allowed."
    )
    ended: Literal["healthy", "restored", "closed", "not_fillable", "fund_exhausted"] = Field(
        description="Why selling ended."
    )
    maintenance_margin: DecimalText = Field(description="Of the account before anything is done.")
    bankruptcy_price: DecimalText = Field(description="Closing there leaves the account its share of nothing.")
    worst_price: DecimalText = Field(description="Worst at which a first slice may fill.")
    quantity_needed: DecimalText = Field(description="Base units whose sale restores margin at the first price.")
    slices: list[SliceOut]
    deleveraging: DeleveragingOut | None
    insurance_fund_before: DecimalText
    insurance_fund_after: DecimalText
    socialised: DecimalText = Field(description="Loss that neither the fund nor a counterparty bears.")
    equity: DecimalText = Field(description="Of the account at the end.")
    quantity: DecimalText = Field(description="Left of the position, signed.")
    pool_deleveraging: bool | None = Field(description="Whether deleveraging of the pool is on; null: no pool.")
    cover: CoverOut | None = Field(description="null: no members.")
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    audit: AuditOut
