"""Wire models of `POST /v1/collateral:allocate`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator
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
from models.api.strict import StrictScalars
from services.margin.allocation_terms import AllocationPolicy

MAX_VENUES = 12
MAX_ROUTES = 60
MAX_BALANCES = 100
Seconds = Annotated[Number, Field(ge=0, le=30 * 86_400)]
Probability = Annotated[Number, Field(ge=0, lt=1)]


class CollateralAccountIn(Model):
    """One account at a venue; amounts in the account currency."""

    venue: Symbol
    equity: PlainDecimal = Field(description="After haircuts, without what is in transit to it.")
    maintenance_margin: NonNegativeDecimal
    loss_per_sigma: NonNegativeDecimal = Field(
        description="Loss of its positions in a joint move of one standard deviation over horizon_seconds."
    )
    horizon_seconds: Annotated[Number, Field(gt=0, le=365 * 86_400)] = 86_400.0
    liquidation_cost: NonNegativeDecimal | None = Field(None, description="Default: the maintenance margin.")
    in_transit: NonNegativeDecimal = Field(
        default=Decimal(0), description="On its way there already. It counts nowhere until it is in equity."
    )


class CollateralAssetIn(Model):
    """What is moved."""

    asset: Currency
    price: PositiveDecimal = Field(description="In the account currency.")
    unit: PositiveDecimal = Field(default=Decimal("0.000001"), description="Smallest amount that can be sent.")


class CollateralBalanceIn(Model):
    """What an account holds, or may receive, of an asset."""

    venue: Symbol
    asset: Currency
    withdrawable: NonNegativeDecimal = Field(default=Decimal(0), description="In units of the asset.")
    haircut: Annotated[Number, Field(ge=0, le=1)] = 0.0


class CollateralRouteIn(Model):
    """A way from one account to another; both need a row in balances for the asset."""

    source: Symbol
    destination: Symbol
    asset: Currency
    fee_fixed: NonNegativeDecimal = Field(default=Decimal(0), description="In units of the asset.")
    fee_proportional: NonNegativeDecimal = Field(
        default=Decimal(0), description="Share of what is sent, below 1; fees are taken from what arrives."
    )
    minimum: NonNegativeDecimal = Field(default=Decimal(0), description="Smallest transfer, in units of the asset.")
    latency_seconds: Seconds = 0.0
    finality_seconds: Seconds = Field(default=0.0, description="After that, until the destination counts it.")
    failure_probability: Probability = 0.0

    @model_validator(mode="after")
    def _sound(self) -> CollateralRouteIn:
        if self.fee_proportional >= 1:
            raise PydanticCustomError("less_than", "fee_proportional must be below 1")
        if self.source == self.destination:
            raise PydanticCustomError("inconsistent", "source and destination must differ")
        return self


class PooledIn(Model):
    """The same positions in one account."""

    maintenance_margin: NonNegativeDecimal
    loss_per_sigma: NonNegativeDecimal


class AllocateRequest(Model):
    """Accounts, what they hold, and how it can be moved."""

    as_of: Time | None = Field(None, description="Of the figures; default: the time of receipt.")
    client_reference: Name | None = None
    venues: Annotated[list[CollateralAccountIn], Field(min_length=1, max_length=MAX_VENUES, fail_fast=True)]
    assets: Annotated[list[CollateralAssetIn], Field(max_length=20, fail_fast=True)] = []
    balances: Annotated[list[CollateralBalanceIn], Field(max_length=MAX_BALANCES, fail_fast=True)] = []
    routes: Annotated[list[CollateralRouteIn], Field(max_length=MAX_ROUTES, fail_fast=True)] = []
    pooled: PooledIn | None = Field(None, description="Adds what cross margin would be worth.")
    policy: Annotated[AllocationPolicy, StrictScalars()] = AllocationPolicy()


class MoveOut(Model):
    """One transfer, in units of the asset: sent = fee + arrives."""

    source: str
    destination: str
    asset: str
    sent: DecimalText
    fee: DecimalText
    arrives: DecimalText
    seconds: Number = Field(description="Until the destination counts it.")


class CollateralAccountOut(Model):
    """One account before, while transfers travel, and once they are confirmed; safety in standard deviations."""

    venue: str
    equity_before: DecimalText
    equity_in_transit: DecimalText
    equity_after: DecimalText
    safety_before: Number | None = Field(description="null without loss_per_sigma.")
    safety_in_transit: Number | None
    safety_after: Number | None
    reduction: Number = Field(description="Share of its positions to close; 0 unless status is reduce.")
    worth_of_equity: Number | None = Field(description="What a unit more would add to the least safety.")


class BalanceWorthOut(Model):
    """Shadow price of a balance."""

    venue: str
    asset: str
    worth: Number = Field(description="What a unit more to withdraw would add to the least safety.")


class NotMovedOut(Model):
    """A destination to which nothing is sent after all."""

    venue: str
    reason: Literal["gain_too_small", "does_not_pay"]


class PoolingOut(Model):
    """One account instead of many."""

    safety: Number | None
    maintenance_saved: DecimalText
    loss_per_sigma_saved: DecimalText


class AllocateAnswer(Model):
    """A plan of transfers; they are yours to make."""

    evaluation_id: str
    client_reference: str | None = None
    as_of: Time
    received_at: Time
    status: Literal["transfer", "keep", "reduce"] = Field(
        description="keep: nothing is worth moving; reduce: all funds together do not suffice, so close positions."
    )
    safety_before: Number | None = Field(description="Of the least safe account.")
    safety_after: Number | None
    safety_attainable: Number | None = Field(description="If moving were free, instant and certain.")
    binding: str | None = Field(description="The least safe account after the plan.")
    moves: list[MoveOut]
    venues: list[CollateralAccountOut]
    balances: list[BalanceWorthOut]
    not_moved: list[NotMovedOut]
    expected_cost: DecimalText = Field(description="Fees, failures and time, in the account currency.")
    expected_loss_averted: DecimalText = Field(description="Of liquidations, in the account currency.")
    optimal: bool = Field(description="False: the search was cut short; the plan is sound but may not be the best.")
    pooling: PoolingOut | None
    units: dict[str, str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    audit: AuditOut
