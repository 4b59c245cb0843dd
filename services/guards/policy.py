"""How many sources must agree, how closely, and what happens where they do not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Le

from services.core.errors import InvalidInput

_CURRENCY = re.compile(r"[A-Za-z0-9.]{1,16}\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class OraclePolicy:
    """Rules of an aggregation; every bound that is crossed blocks or shrinks increases, none ever raises a size.

    Parameters
    ----------
    currency : str
        Currency of the answer. Sources quoted in another one need a rate.
    quorum : int
        k: independent sources that must be accepted, before and after outliers are dropped.
    of : int
        n: upstreams that there are. More than n accepted block increases: an invented one would count toward k.
        Left out: whatever is sent.
    min_signers : int
        Distinct keys that must have signed what is accepted; 0 asks for no signature. From 2 on no key is trusted
        alone: each key is one voice, however many sources it signs.
    mad_multiple : float
        A voice further from the median than this many median absolute deviations is an outlier.
    default_deviation : float
        Distance from the median that is never an outlier, of a source that states no deviation of its own
        [fraction].
    max_confidence : float
        Confidence over price at which increases end; they shrink from half of it on [fraction].
    max_dispersion : float
        Largest (highest − lowest) / median of the accepted. Also the most that a source's own deviation excuses
        [fraction].
    max_depeg : float
        Largest distance of a stablecoin from its peg; beyond, its sources are set aside [fraction].
    max_rate_gap : float
        Largest difference between the rate sent and the rate that prices imply [fraction].
    max_jump : float
        Largest move from the last good price that needs no confirmation [log return].
    jump_sigmas : float
        The same in standard deviations since then, where the volatility is given; the smaller of both counts.
    max_twap_ratio : float
        Largest ratio of price and time-weighted average price, where one is given.
    max_fallback_seconds : float
        Age up to which the last good price stands in for a lost quorum [s].
    max_mark_gap : float
        Largest distance of a position's mark from the aggregate [fraction].

    References
    ----------
    Pyth, best practices for consumers (confidence intervals: long at μ − σ, short at μ + σ). Drift protocol-v2,
    `OracleGuardRails` (confidence 2 %, too volatile 5 times the average). Derive, spot feeds valid for 3 minutes.
    """

    currency: str = "USD"
    quorum: Annotated[int, Ge(1), Le(50)] = 3
    of: Annotated[int, Ge(1), Le(50)] | None = None
    min_signers: Annotated[int, Ge(0), Le(50)] = 0
    mad_multiple: Annotated[float, Ge(1), Le(100)] = 5.0
    default_deviation: Annotated[float, Ge(0), Le(0.1)] = 0.001
    max_confidence: Annotated[float, Gt(0), Le(0.5)] = 0.01
    max_dispersion: Annotated[float, Gt(0), Le(0.5)] = 0.02
    max_depeg: Annotated[float, Gt(0), Le(0.5)] = 0.02
    max_rate_gap: Annotated[float, Gt(0), Le(0.5)] = 0.005
    max_jump: Annotated[float, Gt(0), Le(1)] = 0.1
    jump_sigmas: Annotated[float, Gt(0), Le(100)] = 10.0
    max_twap_ratio: Annotated[float, Gt(1), Le(100)] = 5.0
    max_fallback_seconds: Annotated[float, Ge(0), Le(86_400)] = 180.0
    max_mark_gap: Annotated[float, Gt(0), Le(0.5)] = 0.05

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if self.of is not None and self.quorum > self.of:
            raise InvalidInput("quorum", f"must be <= of ({self.of})", self.quorum)
        if not _CURRENCY.match(self.currency):
            raise InvalidInput("currency", "must be 1 to 16 ASCII letters, digits or dots", self.currency)
