"""Wire models of `auto` mode: when a live portfolio acts, its budget of a day, and what is remembered of it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import (
    DecimalText,
    Interval,
    Model,
    Name,
    NonNegativeDecimal,
    Number,
    PositiveDecimal,
    Symbol,
    Time,
)
from models.api.market import MAX_SYMBOLS

MAX_SETTLEMENTS = 50
Move = Annotated[Number, Field(gt=0, le=10)]
TriggerName = Literal["schedule", "volatility", "drift", "collateral", "margin_ratio", "breaker"]
Count = Annotated[int, Field(ge=0, le=2**53 - 1, strict=True)]


class TriggersIn(Model):
    """What makes a decision one that is acted on. A trigger that is left out never fires."""

    volatility_move: Move | None = Field(
        None, description="Relative move of the volatility of any market since the last action: 0.25 is 25 %."
    )
    drift: Move | None = Field(None, description="Notional of what the decision would order, over the equity.")
    collateral_move: Move | None = Field(
        None, description="Relative move of the value of the collateral since the last action."
    )
    margin_ratio: Move | None = Field(
        None, description="Maintenance margin over the equity that backs it. Needs options.view full."
    )
    breaker: Annotated[bool, Strict()] = Field(
        default=False, description="A rise of the tier of the circuit breaker. Needs policy.breakers."
    )
    rearm: Annotated[Number, Field(gt=0, lt=1)] = Field(
        0.8,
        description="Share of the threshold of drift or margin_ratio below which it must fall before it fires again.",
    )

    @property
    def any(self) -> bool:
        """Whether one of them can fire."""
        return self.breaker or any(
            value is not None for value in (self.volatility_move, self.drift, self.collateral_move, self.margin_ratio)
        )


class SettlementIn(Model):
    """How orders on an on-chain venue are written: as EIP-712 typed data, for a wallet to sign."""

    venue: Name
    kind: Literal["eip712"]
    chain_id: Annotated[int, Field(ge=1, le=2**53 - 1, strict=True)]
    verifying_contract: Annotated[str, Strict(), Field(pattern=r"^0x[0-9a-fA-F]{40}$")] = Field(
        description="Contract that checks the signature."
    )
    name: Annotated[str, Strict(), Field(pattern=r"^[ -~]{1,64}$")] = Field(description="`name` of the domain.")
    version: Annotated[str, Strict(), Field(pattern=r"^[ -~]{1,16}$")] = Field(description="`version` of the domain.")
    quantity_decimals: Annotated[int, Field(ge=0, le=36, strict=True)] = Field(
        description="Quantities are whole numbers of 10^-quantity_decimals."
    )
    price_decimals: Annotated[int, Field(ge=0, le=36, strict=True)]


class AutoIn(Model):
    """Rules of `auto` mode. The service decides and writes intents; it never signs or sends one."""

    enabled: Annotated[bool, Strict()] = Field(
        default=True, description="false stops it: targets are told as before, and nothing is ordered."
    )
    max_orders_per_day: Annotated[int, Field(ge=1, le=100_000, strict=True)] = Field(
        description="Of a UTC day, reductions counted; beyond it only reductions are ordered."
    )
    max_notional_per_day: PositiveDecimal = Field(description="The same, in the account currency.")
    cooldown: Interval | None = Field(
        None,
        description="Least time between two decisions with orders; default PT1M. Reductions for margin_ratio and "
        "breaker do not wait.",
    )
    schedule: Interval | None = Field(None, description="Act at the latest so long after the last action.")
    triggers: TriggersIn = TriggersIn()
    settlements: Annotated[list[SettlementIn], Field(max_length=MAX_SETTLEMENTS, fail_fast=True)] = Field(
        default_factory=list, description="Venues on chain; orders on all others are ccxt parameters."
    )

    @model_validator(mode="after")
    def _acts(self) -> AutoIn:
        if self.schedule is None and not self.triggers.any:
            raise PydanticCustomError("inconsistent", "must have a schedule or a trigger: it would never act")
        venues = [item.venue for item in self.settlements]
        if twice := [venue for index, venue in enumerate(venues) if venue in venues[:index]]:
            text = "{field} holds {key} more than once: send one row for each"
            raise PydanticCustomError("duplicate_row", text, {"field": "settlements", "key": twice[0]})
        return self


class MarketVolatilityIn(Model):
    """Volatility of a market at the last action."""

    market: Symbol
    annual: Annotated[Number, Field(ge=0)]


class AutoMemoryIn(Model):
    """What `auto` mode remembers: the `memory` of the last decision, as it was."""

    acted_at: Time | None = Field(None, description="Last decision that was acted on; moves are measured from it.")
    emitted_at: Time | None = Field(None, description="Last decision with orders.")
    emitted_until: Time | None = Field(None, description="When they expire.")
    emitted_snapshot: str | None = Field(None, description="Snapshot that they were made of.")
    latched: list[TriggerName] = Field(description="Triggers that were acted on and have not fallen back.")
    volatility: Annotated[list[MarketVolatilityIn], Field(max_length=10 * MAX_SYMBOLS)]
    collateral: Annotated[Number, Field()] | None = None
    tier: Annotated[int, Field(ge=0, le=4, strict=True)]
    day: date | None = Field(None, description="UTC day that `orders` and `notional` are of.")
    orders: Count = Field(description="Ordered on that day, reductions counted.")
    notional: NonNegativeDecimal = Field(description="The same, in the account currency.")
    total_orders: Count = Field(description="Ordered ever.")


class AutoMemoryOut(AutoMemoryIn):
    """What `auto` mode remembers after a decision."""

    notional: DecimalText = Field(description="The same, in the account currency.")  # type: ignore[assignment]


class AutoOut(Model):
    """Whether a decision was acted on, and why."""

    enabled: bool
    acted: bool = Field(description="Whether it has orders.")
    triggers: list[TriggerName] = Field(description="Conditions that hold and were not acted on before.")
    only_reductions: str | None = Field(description="Why only reductions were allowed; null where anything was.")
    waiting_for: str | None = Field(description="Why triggers that fired are not acted on.")
    unknown: list[TriggerName] = Field(description="Triggers whose figure is not known: they cannot fire.")
    orders_left: int = Field(description="Of the day, for increases.")
    notional_left: DecimalText
    due_at: Time | None = Field(description="When it is decided again though nothing changes.")


class BundleOut(Model):
    """Intents that belong together: all of them in this order, or none."""

    bundle_id: str
    position: int = Field(description="From 0.")
    size: int
    atomic: Literal[True]


class CcxtOrderOut(Model):
    """Arguments of ccxt's `create_order`; decimal strings keep every digit."""

    symbol: str
    type: Literal["limit"]
    side: Literal["buy", "sell"]
    amount: DecimalText = Field(description="Contracts as the venue counts them; base units on spot.")
    price: DecimalText
    params: dict[str, str | bool]


class TypedDataFieldOut(Model):
    """One member of a struct."""

    name: str
    type: str


class TypedDataDomainOut(Model):
    """EIP-712 domain."""

    name: str
    version: str
    chain_id: int = Field(alias="chainId")
    verifying_contract: str = Field(alias="verifyingContract")


class TypedDataOut(Model):
    """What `eth_signTypedData_v4` takes. Whole numbers of the message are decimal strings."""

    types: dict[str, list[TypedDataFieldOut]]
    primary_type: Literal["Intent"] = Field(alias="primaryType")
    domain: TypedDataDomainOut
    message: dict[str, str | bool]


class IntentOut(Model):
    """One order, ready for its venue, unsigned and unsent."""

    client_order_id: str
    venue: str | None
    account_id: str | None
    nonce: DecimalText = Field(description="Whole number below 2^128, of the client order id: the same order has one.")
    valid_until: Time
    bundle: BundleOut
    ccxt: CcxtOrderOut | None = Field(None, description="On every venue but those in `settlements`.")
    eip712: TypedDataOut | None = Field(None, description="On the venues in `settlements`.")
