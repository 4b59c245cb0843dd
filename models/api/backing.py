"""What an answer says of collateral, loans and the distress of venues."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.api.base import DecimalText, Model, Number

CreditReasonName = Literal[
    "owed",
    "volatility",
    "floor",
    "loan_terms",
    "whole",
    "stale_price",
    "price_required",
    "volatility_unavailable",
]


class HaircutPartsOut(Model):
    """What a haircut is made of: ``max(floor, tail + spread + size + peg) · wrong_way · contagion``, at most 1."""

    tail: Number | None = Field(description="k σ √(time to sell + age); null without a volatility.")
    spread: Number
    size: Number | None = Field(description="Impact of selling it; null where that has no end.")
    peg: Number
    floor: Number
    wrong_way: Number
    wrong_way_correlation: Number
    wrong_way_source: Literal["given", "measured", "worst", "no_positions", "not_looked_at"] = Field(
        description="worst: not known, so 1; not_looked_at: nothing is owed or held against it."
    )
    contagion: Number = Field(description="Multiplier of its venue.")
    stale: bool = Field(description="True: no credit for initial margin, and a multiple of the haircut otherwise.")


class CreditOut(Model):
    """What a balance counts as margin; null where a price lacks."""

    asset: str
    loan: str | None = Field(None, description="Present on what a loan in cross margin pledges or owes.")
    amount: DecimalText
    price: DecimalText | None
    value: DecimalText | None
    credit_initial: DecimalText | None
    credit_maintenance: DecimalText | None
    haircut_initial: Number
    haircut_maintenance: Number
    reason: CreditReasonName = Field(description="What set the haircut for maintenance margin.")
    volatility: Number | None = None
    parts: HaircutPartsOut | None = Field(None, description="Present where something is held.")


class LoanStandingOut(Model):
    """One loan by itself."""

    name: str
    margin: Literal["cross", "isolated"]
    reason: CreditReasonName | None = Field(None, description="price_required: nothing of it is known.")
    collateral: DecimalText | None = None
    debt: DecimalText | None = None
    equity: DecimalText | None = None
    loan_to_value: Number | None = Field(None, description="null for a debt that nothing backs.")
    health_factor: Number | None = Field(None, description="Below 1 it may be liquidated; null without debt.")
    borrowable: DecimalText | None = None
    liquidation_price: DecimalText | None = Field(
        None, description="Of the collateral, in the account currency, the price of the debt standing still."
    )
    seconds_to_liquidation: Number | None = Field(None, description="By interest alone; null where that never happens.")


class BackingOut(Model):
    """Equity that counts as margin, in the account currency, and where the rest of it went."""

    equity: DecimalText = Field(description="Mark to market, every balance at its value.")
    equity_initial: DecimalText = Field(description="Less haircuts for initial margin, and isolated loans.")
    equity_maintenance: DecimalText = Field(description="Less haircuts for maintenance margin, and isolated loans.")
    locked_in_loans: DecimalText = Field(description="Worth of isolated loans: it backs nothing else.")
    health_factor: Number | None = Field(description="Of all loans together; null without debt.")
    complete: bool = Field(description="False: a price lacks, and no position is increased.")
    trusted: bool = Field(
        description="False: a figure lacks or is stale. It gives less credit; nothing is flattened for it."
    )
    assets: list[CreditOut]
    loans: list[LoanStandingOut]
    units: dict[str, str]


class VenueTighteningOut(Model):
    """How far a venue is tightened."""

    venue: str
    multiplier: Number = Field(description="On margin rates and haircuts, at least 1.")
    previous: Number
    increase_multiplier: Number = Field(description="On increases: 1 / multiplier; 0 where nothing was ever known.")
    distress: Number | None = Field(description="In [0, 1]; null where nothing is known now: nothing is loosened.")
    given: Number | None = Field(description="`venues[].distress`.")
    coverage: Number | None = Field(description="Share of the weights of the metrics that are known.")
    scores: dict[str, Number]
