"""Wire models of what an account holds, pledges and owes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import (
    Currency,
    Model,
    Name,
    NonNegativeDecimal,
    Number,
    PlainDecimal,
    PositiveDecimal,
    Symbol,
    Time,
)


class BalanceIn(Model):
    """What the haircut of a balance is made of: `policy.collateral` reads it, and without that nothing does."""

    asset: Currency
    price: PositiveDecimal | None = Field(
        None, description="In the account currency; default: 1 for the account currency itself, else of a row."
    )
    asset_class: Literal["cash", "stable", "major", "other"] | None = Field(
        None,
        description="Sets the least haircut. Default: cash for the account currency, major for BTC, ETH, else other.",
    )
    volatility: Annotated[Number, Field(ge=0, le=50)] | None = Field(
        None, description="Annual, fraction. Default: of `market`; without either a balance gives no credit."
    )
    market: Symbol | None = Field(
        None, description="Series, or cached state, of the volatility; default: that of a position in the coin."
    )
    venue: Name | None = Field(None, description="Where it lies; default: the venue in the worst distress.")
    as_of: Time | None = Field(None, description="Of the price; default: that of the request, an assumption.")
    heartbeat_seconds: Annotated[Number, Field(gt=0, le=31_536_000)] | None = Field(
        None, description="How often the source of the price speaks. An older price is stale; default: never."
    )
    peg_price: NonNegativeDecimal | None = Field(
        None, description="Price in units of its peg. Default: for asset_class stable its price, an assumption."
    )
    spread: Annotated[Number, Field(ge=0, le=2)] = Field(default=0.0, description="Bid-ask, fraction of the price.")
    average_daily_volume: NonNegativeDecimal | None = Field(
        None, description="In the account currency; default: no add-on for size, an assumption."
    )
    deposits: NonNegativeDecimal | None = Field(
        None, description="Of the asset at its venue, in its units; default: the amount itself. Goes with deposit_cap."
    )
    deposit_cap: PositiveDecimal | None = Field(
        None, description="Deposits beyond it scale the weight for initial margin down, to cap / deposits."
    )
    wrong_way_correlation: Annotated[Number, Field(ge=-1, le=1)] | None = Field(
        None, description="With the profit of the positions; default: measured, or 1 where it cannot be."
    )

    @model_validator(mode="after")
    def _cap(self) -> BalanceIn:
        if self.deposits is not None and self.deposit_cap is None:
            raise PydanticCustomError("inconsistent", "deposits goes with deposit_cap")
        return self


class CollateralIn(BalanceIn):
    """Balance of one asset held as collateral."""

    amount: PlainDecimal = Field(
        description="Of a coin in which options are settled: the equity in that coin, marks of options included, as "
        "venues report it. Their hedge delta has its premium taken off, and a bare balance would not put it back."
    )


class PledgedIn(BalanceIn):
    """What a loan pledges."""

    amount: NonNegativeDecimal


class OwedIn(Model):
    """What a loan owes."""

    asset: Currency
    amount: NonNegativeDecimal
    price: PositiveDecimal | None = Field(
        None, description="In the account currency; default: 1 for the account currency itself, else of a row."
    )


class AccountLoanIn(Model):
    """A loan or collateralised debt position, whose value is part of `account.equity`; in no other list."""

    name: Name | None = Field(None, description="For your own reading.")
    collateral: PledgedIn
    debt: OwedIn
    liquidation_threshold: Annotated[Number, Field(gt=0, le=1)] = Field(
        description="Share of the collateral at which the debt is called."
    )
    maximum_loan_to_value: Annotated[Number, Field(ge=0, le=1)] | None = Field(
        None, description="Share up to which more can be borrowed; default 0, an assumption: no initial margin of it."
    )
    borrow_rate: Annotated[Number, Field(ge=-1, le=100)] = Field(
        default=0.0, description="On the debt, annual, continuously compounded."
    )
    supply_rate: Annotated[Number, Field(ge=-1, le=100)] = Field(default=0.0, description="On the collateral.")
    margin: Literal["cross", "isolated"] = Field(
        default="isolated",
        description="cross: it shares the margin of the account; isolated: what it is worth backs nothing else.",
    )

    @model_validator(mode="after")
    def _terms(self) -> AccountLoanIn:
        if self.maximum_loan_to_value is not None and self.maximum_loan_to_value > self.liquidation_threshold:
            raise PydanticCustomError("inconsistent", "maximum_loan_to_value must be <= liquidation_threshold")
        return self
