"""What goes in and out of an aggregation: observations, rates, the state that travels, and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.core.errors import InvalidInput
from services.guards.outcome import OracleReason, OracleStatus, SourceReason
from services.guards.staleness import PriceUse


def _check_heartbeat(seconds: float) -> None:
    if not 0.0 < seconds < float("inf"):
        raise InvalidInput("heartbeat_seconds", "must be > 0 and finite", seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleObservation:
    """What one source says a thing costs.

    Parameters
    ----------
    source : str
        Who says so.
    price : float
        In `currency`; whatever was sent: one that is not finite and positive is rejected, not an error.
    as_of : datetime
        When the price was made, aware.
    heartbeat_seconds : float
        Longest time between two prices of this source [s].
    upstream : str, optional
        Where the price is made; sources that share it count once. By default the source itself.
    currency : str
        Quote currency.
    confidence : float
        Half width of the source's own interval of confidence [price].
    deviation : float, optional
        Move that makes the source publish [fraction]: it may differ by as much from others that are right. By default
        the policy's.
    signer : str, optional
        Fingerprint of the key of a **valid** signature from an allow-listed key.
    fault : SourceReason, optional
        Found wrong before it came here: its signature.
    """

    source: str
    price: float
    as_of: datetime
    heartbeat_seconds: float
    upstream: str | None = None
    currency: str = "USD"
    confidence: float = 0.0
    deviation: float | None = None
    signer: str | None = None
    fault: SourceReason | None = None

    def __post_init__(self) -> None:
        _check_heartbeat(self.heartbeat_seconds)
        if self.deviation is not None and not 0.0 <= self.deviation < 1.0:
            raise InvalidInput("deviation", "must be >= 0 and < 1", self.deviation)

    @property
    def origin(self) -> str:
        """Upstream, or the source itself."""
        return self.source if self.upstream is None else self.upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionRate:
    """What one unit of a quote currency costs in the currency of the answer.

    Parameters
    ----------
    currency : str
        The quote currency.
    rate : float
        Whatever was sent; one that is not finite and positive is not used.
    as_of : datetime
        Aware.
    heartbeat_seconds : float
        As of an observation [s].
    confidence : float
        Half width [rate].
    peg : float, optional
        What a unit promises to be worth; None for a currency that floats.
    """

    currency: str
    rate: float
    as_of: datetime
    heartbeat_seconds: float
    confidence: float = 0.0
    peg: float | None = 1.0

    def __post_init__(self) -> None:
        _check_heartbeat(self.heartbeat_seconds)
        if self.peg is not None and not 0.0 < self.peg < float("inf"):
            raise InvalidInput("peg", "must be > 0 and finite", self.peg)


@dataclass(frozen=True, slots=True)
class PendingPrice:
    """A price after a jump, and when it was first seen."""

    price: float
    as_of: datetime


@dataclass(frozen=True, slots=True)
class OracleState:
    """What the next aggregation needs to know of this one: the last good price, and a jump that waits for a witness."""

    price: float
    confidence: float
    as_of: datetime
    pending: PendingPrice | None = None


@dataclass(frozen=True, slots=True)
class AcceptedSource:
    """A source that counts; `price` and `confidence` are converted."""

    source: str
    upstream: str
    currency: str
    price: float
    confidence: float
    age_seconds: float
    signer: str | None


@dataclass(frozen=True, slots=True)
class RejectedSource:
    """A source that does not count, and why."""

    source: str
    reason: SourceReason
    detail: str


@dataclass(frozen=True, slots=True)
class CurrencyGroup:
    """The sources of one quote currency.

    `rate` is the one used, `implied_rate` what the group's prices say it is, given those in the currency of the
    answer; None where unknown. `reason` says why the group was set aside.
    """

    currency: str
    voices: int
    rate: float | None
    implied_rate: float | None
    reason: SourceReason | None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with an aggregate; `blocking`: no increase at all."""

    reason: OracleReason
    detail: str
    blocking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One price out of many, and what it is good for.

    Parameters
    ----------
    price, confidence : float, optional
        Median, and half width of what it may be off by [price]; None where refused.
    long_price, short_price : float, optional
        What to value longs and shorts at: the low and the high end of what the price may be.
    multiplier : float
        On increases, from 0 (reduce only) to 1.
    dispersion : float, optional
        (highest − lowest) / median of the accepted.
    age_seconds : float, optional
        Age that a quorum of the accepted is not above.
    voices, signers : int
        Independent sources accepted, and distinct keys that signed them.
    findings : tuple of Finding
        All that is wrong, the gravest first.
    allowed : tuple of PriceUse
        What the price may be used for.
    state : OracleState, optional
        To be sent as `previous` with the next call; None before the first good price.
    """

    status: OracleStatus
    price: float | None
    confidence: float | None
    long_price: float | None
    short_price: float | None
    multiplier: float
    dispersion: float | None
    age_seconds: float | None
    voices: int
    signers: int
    findings: tuple[Finding, ...]
    allowed: tuple[PriceUse, ...]
    accepted: tuple[AcceptedSource, ...]
    rejected: tuple[RejectedSource, ...]
    currencies: tuple[CurrencyGroup, ...]
    state: OracleState | None

    @property
    def reason(self) -> OracleReason:
        """The gravest finding, or `none`."""
        return self.findings[0].reason if self.findings else OracleReason.NONE

    @property
    def detail(self) -> str:
        """The gravest finding in words; empty without any."""
        return self.findings[0].detail if self.findings else ""
