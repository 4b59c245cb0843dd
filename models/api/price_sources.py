"""Prices of many sources on the wire: what each says, and what is made of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field, StringConstraints

from models.api.base import (
    Currency,
    DecimalText,
    Model,
    NonNegativeDecimal,
    Number,
    PlainDecimal,
    PositiveDecimal,
    Symbol,
    Time,
)
from services.guards.outcome import OracleReason, OracleStatus, SourceReason
from services.guards.staleness import PriceUse

MAX_SOURCES = 50
MAX_ORACLE_OBSERVATIONS = 4_000
MAX_RATES = 50
MAX_KEYS = 50
YEAR_SECONDS = 31_536_000

Source = Symbol
PublicKey = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9a-f]{64}$")]
"""Ed25519 public key: 32 bytes as lower-case hexadecimal digits."""
SignatureText = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9a-f]{128}$")]
Heartbeat = Annotated[Number, Field(gt=0, le=YEAR_SECONDS)]


class SignatureIn(Model):
    """Ed25519 signature of one price. docs/guards.md has the exact bytes and a program that signs them."""

    key: PublicKey = Field(description="Public key: 64 lower-case hexadecimal digits.")
    signature: SignatureText = Field(description="128 lower-case hexadecimal digits.")


class ObservationIn(Model):
    """What one source says. A price that cannot be used is rejected with a reason; it fails nothing else."""

    source: Source = Field(description="Who says so. Named twice: only the newest counts.")
    price: PlainDecimal = Field(description="As a string where it is signed: the digits are part of the message.")
    as_of: Time = Field(description="When the price was made.")
    heartbeat_seconds: Heartbeat = Field(
        description="Longest time between two prices of this source. It is stale after one and a half."
    )
    upstream: Source | None = Field(
        None, description="Where the price is made: sources that share it count once. Default: the source."
    )
    currency: Currency | None = Field(None, description="Quote currency; default: that of the policy.")
    confidence: PlainDecimal = Field(
        Decimal(0), description="Half width of the source's own interval of confidence [price]."
    )
    deviation: Annotated[Number, Field(ge=0, lt=1)] | None = Field(
        None, description="Move that makes the source publish [fraction]: it is no outlier within it."
    )
    signature: SignatureIn | None = None


class PendingIn(Model):
    """A price after a jump."""

    price: PositiveDecimal
    as_of: Time = Field(description="When it was first seen.")


class OracleStateIO(Model):
    """What one call tells the next: `state` of an answer is `previous` of the next request."""

    price: PositiveDecimal = Field(description="Last good price.")
    confidence: NonNegativeDecimal
    as_of: Time
    pending: PendingIn | None = Field(None, description="A jump that waits for confirmation.")


class RateIn(Model):
    """What one unit of a quote currency costs in the policy's currency; several of one: their median."""

    currency: Currency
    rate: PlainDecimal
    as_of: Time
    heartbeat_seconds: Heartbeat
    source: Source | None = None
    confidence: PlainDecimal = Field(Decimal(0), description="Half width [rate].")
    peg: PositiveDecimal | None = Field(
        Decimal(1), description="What a unit promises to be worth; null for a currency that floats."
    )


class OracleIn(Model):
    """Sources of one symbol."""

    symbol: Symbol
    observations: Annotated[list[ObservationIn], Field(max_length=MAX_SOURCES, fail_fast=True)]
    previous: OracleStateIO | None = Field(None, description="`state` of the last answer for this symbol.")
    volatility: Annotated[Number, Field(gt=0, le=50)] | None = Field(
        None, description="Annual, as a fraction: how far it may move without confirmation."
    )
    average_price: PositiveDecimal | None = Field(None, description="Time-weighted average price to compare with.")


class AcceptedOut(Model):
    """A source that counts."""

    source: str
    upstream: str
    currency: str
    price: DecimalText = Field(description="In the policy's currency.")
    confidence: DecimalText = Field(description="With that of the rate.")
    age_seconds: Number = Field(description="With that of the rate.")
    signer: str | None = Field(description="Fingerprint of the key that signed it.")


class RejectedOut(Model):
    """A source that does not count."""

    source: str
    reason: SourceReason
    detail: str


class CurrencyOut(Model):
    """Sources of one quote currency."""

    currency: str
    voices: int
    rate: Number | None = Field(description="Used for conversion.")
    implied_rate: Number | None = Field(description="What its prices say the rate is; null without prices to compare.")
    reason: SourceReason | None = Field(description="Why the group was set aside.")


class FindingOut(Model):
    """Something that is wrong."""

    reason: OracleReason
    detail: str
    blocking: bool = Field(description="Whether it blocks increases.")


class OracleOut(Model):
    """Price of one symbol, and what it is good for."""

    symbol: str
    status: OracleStatus = Field(
        description="ok; close_only: not to open on; fallback: the last good price stands in; refused: no price."
    )
    reason: OracleReason = Field(description="The gravest finding.")
    detail: str
    price: DecimalText | None = Field(description="null where refused: never read it as zero.")
    confidence: DecimalText | None = Field(description="Half width of what the price may be off by.")
    long_price: DecimalText | None = Field(description="To value longs at.")
    short_price: DecimalText | None = Field(description="To value shorts at.")
    currency: str
    multiplier: Number = Field(description="On increases: 0 is reduce-only, 1 is no restriction.")
    allowed: list[PriceUse] = Field(description="What the price may be used for.")
    dispersion: Number | None = Field(description="(highest - lowest) / median of the accepted.")
    age_seconds: Number | None = Field(description="Age that a quorum of the accepted is not above.")
    quorum: int = Field(description="Independent sources that must agree.")
    voices: int = Field(description="Independent sources that do.")
    signers: int = Field(description="Distinct keys that signed them.")
    accepted: list[AcceptedOut]
    rejected: list[RejectedOut]
    currencies: list[CurrencyOut]
    findings: list[FindingOut] = Field(description="All that is wrong, the gravest first.")
    state: OracleStateIO | None = Field(
        description="Send it as `previous` next time; null before the first good price."
    )
