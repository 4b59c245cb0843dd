"""Wire models of `POST /v1/margin:batch`: accounts as columns."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import (
    NAME_PATTERN,
    Currency,
    Model,
    Name,
    NonNegativeDecimal,
    Number,
    PositiveDecimal,
    Symbol,
    Time,
)
from models.api.evaluation import Assumption, WarningOut
from models.api.policy import VolatilityMarginIn
from services.margin.registry import STUDENT

MAX_ACCOUNTS = 20_000
MAX_MARKETS = 200
MAX_QUEUE = 1_000
LARGEST = 1e15
_LENGTH = f"must be a list of 1 to {MAX_ACCOUNTS} values, one for each account"
_NUMBERS = frozenset({float, int})


def _column(value: Any) -> list[float]:
    """One figure for each account; what is no number within 1e15 is NaN, which is an outcome of its account."""
    if type(value) is not list or not 1 <= len(value) <= MAX_ACCOUNTS:
        raise PydanticCustomError("column", _LENGTH)
    if _NUMBERS.issuperset(map(type, value)) and -LARGEST <= min(value) and max(value) <= LARGEST:
        return value
    return [item if type(item) in _NUMBERS and abs(item) <= LARGEST else math.nan for item in value]


_COLUMN_SCHEMA: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_ACCOUNTS,
    "items": {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST},
}
AccountColumn = Annotated[list[float], PlainValidator(_column), WithJsonSchema(_COLUMN_SCHEMA)]
AccountName = Annotated[str, Field(pattern=NAME_PATTERN, strict=True)]


class BatchMarketIn(Model):
    """A market that accounts hold positions in."""

    symbol: Symbol
    kind: Literal["linear", "inverse"] = "linear"
    contract_multiplier: PositiveDecimal = Field(
        default=Decimal(1), description="Base units per contract; for inverse its value in the account currency."
    )
    mark_price: PositiveDecimal | None = Field(
        None, description="In the account currency; null: accounts with a position in it are `unknown`."
    )
    volatility: Annotated[Number, Field(gt=0, le=10)] | None = Field(
        None,
        description="Annual, as a fraction; null: accounts with a position in it are `unknown`, unless the preset does "
        "without.",
    )
    max_leverage: Annotated[Number, Field(gt=0, le=1000)] | None = Field(
        None, description="Of the venue; its inverse is a floor of the rate. Without a preset."
    )
    open_interest: NonNegativeDecimal | None = Field(
        None, description="Of the market [contracts], for a size_addon that reads it."
    )
    average_daily_volume: NonNegativeDecimal | None = Field(
        None, description="Of the market [contracts a day], for a size_addon that reads it."
    )
    netting_offset: Annotated[Number, Field(ge=0, le=1)] = Field(
        default=0.0, description="With a preset: share of a profit that pays for losses in other markets."
    )


class BatchHeadIn(Model):
    """What holds for all accounts: the first line of a request in lines."""

    as_of: Time | None = Field(None, description="Echoed; default: the time of receipt.")
    currency: Currency | None = Field(None, description="Of every amount; echoed.")
    markets: Annotated[list[BatchMarketIn], Field(min_length=1, max_length=MAX_MARKETS, fail_fast=True)]
    preset: Literal["derive_pmrm2", "span16", "regime"] | None = Field(
        None, description="Portfolio margin by scenarios, as POST /v1/margin:scenario; default: `margin`, unnetted."
    )
    margin: VolatilityMarginIn = Field(
        default=STUDENT,
        description="Margin model and the rules around it, without a preset; no returns are read here.",
    )
    queue_limit: Annotated[int, Field(ge=0, le=MAX_QUEUE, strict=True)] = Field(
        default=100, description="Accounts of the liquidation queue that are listed."
    )

    @model_validator(mode="after")
    def _unique_markets(self) -> Self:
        if len({market.symbol for market in self.markets}) != len(self.markets):
            raise PydanticCustomError("duplicate", "markets must be unique")
        return self


class BatchNamesIn(Model):
    """Accounts of a batch."""

    accounts: Annotated[list[AccountName], Field(min_length=1, max_length=MAX_ACCOUNTS, fail_fast=True)] = Field(
        description="Names, unique; every column has one value for each of them."
    )

    @model_validator(mode="after")
    def _unique_accounts(self) -> Self:
        if len(set(self.accounts)) != len(self.accounts):
            raise PydanticCustomError("duplicate", "accounts must be unique")
        return self


class MarginBatchRequest(BatchNamesIn, BatchHeadIn):
    """Accounts with linear positions, as columns; nothing is stored."""

    equity: AccountColumn = Field(description="Mark to market. What is no number makes its account `unknown`.")
    quantities: Annotated[list[AccountColumn], Field(min_length=1, max_length=MAX_MARKETS, fail_fast=True)] = Field(
        description="One column for each market, in their order: signed contracts of each account, 0 for none. What is "
        "no number makes its account `unknown`."
    )

    @model_validator(mode="after")
    def _one_shape(self) -> MarginBatchRequest:
        count = len(self.accounts)
        if len(self.quantities) != len(self.markets):
            text = "quantities must have one column for each of {markets} markets, found {found}"
            raise PydanticCustomError("columns", text, {"markets": len(self.markets), "found": len(self.quantities)})
        for name, columns in (("equity", [self.equity]), ("quantities", self.quantities)):
            for place, column in enumerate(columns):
                if len(column) != count:
                    text = "column {place} of {name} must have one value for each of {count} accounts, found {found}"
                    told = {"place": place, "name": name, "count": count, "found": len(column)}
                    raise PydanticCustomError("columns", text, told)
        return self


class RefusedLineOut(Model):
    """A line that is no account."""

    line: int = Field(description="Counted from 1, the head included.")
    code: Literal[
        "malformed_json",
        "duplicate_key",
        "body_too_large",
        "not_an_account",
        "unknown_market",
        "duplicate_account",
        "too_many_accounts",
    ]
    detail: str


class QueuedOut(Model):
    """An account below maintenance."""

    account: Name
    index: int = Field(description="Place in the columns, or among the accepted lines.")
    equity: Number
    maintenance_margin: Number
    ratio: Number | None = Field(description="Maintenance over equity; null: no equity is left.")
    shortfall: Number = Field(description="Maintenance less equity, >= 0.")


class UnknownOut(Model):
    """An account whose margin is not known."""

    account: Name
    index: int
    reason: Literal["unusable_data", "price_required", "volatility_unavailable"]
    detail: str


class BatchCountsOut(Model):
    """Accounts by status."""

    ok: int
    below_initial: int
    below_maintenance: int
    deficit: int
    unknown: int


class MarginBatchAnswer(Model):
    """Margins as columns, in the order of `accounts`."""

    as_of: Time
    currency: str | None
    method: str = Field(description="The preset, or the margin model.")
    units: dict[str, str]
    initial_margin: list[Number | None] = Field(description="null where unknown.")
    maintenance_margin: list[Number | None] = Field(description="null where unknown.")
    ratio: list[Number | None] = Field(
        description="Maintenance over equity: liquidation at 1. null where unknown or no equity is left."
    )
    status: list[Literal["ok", "below_initial", "below_maintenance", "deficit", "unknown"]] = Field(
        description="deficit: equity below 0 and no position. unknown is not ok."
    )
    counts: BatchCountsOut
    queue: list[QueuedOut] = Field(description="Accounts below maintenance, the least healthy first.")
    unknown: list[UnknownOut] = Field(description="The first 1,000 accounts whose margin is not known, and why.")
    accounts: list[Name] | None = Field(None, description="In the order of the columns; of a request in lines.")
    refused: list[RefusedLineOut] | None = Field(None, description="Lines that are no accounts; of a request in lines.")
    assumptions: list[Assumption]
    warnings: list[WarningOut]
