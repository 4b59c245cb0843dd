"""State of venues, protocols, chains and volatility markets around a book, as the client knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from services.core.errors import InvalidInput

RiskGrade = Literal["A", "B", "C", "D", "E"]
"""Grade of a counterparty, from A (safest) to E."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueMetrics:
    """What is seen of one venue; None is unknown, and never taken for calm.

    Parameters
    ----------
    leverage_percentile : float
        Of open interest over market capitalisation in its own history, in [0, 1].
    funding_percentile : float
        Of the absolute funding rate in its own history, in [0, 1].
    basis_bps : float
        Distance of its price from the median of other venues [bp].
    depth_ratio : float
        Depth of the book over its 30-day median.
    withdrawal_share : float
        Net withdrawals of a day over reserves.
    peg_deviation : float
        Distance of its quote currency from the peg [fraction].
    error_rate : float
        Share of calls to its API that fail.
    """

    leverage_percentile: float | None = None
    funding_percentile: float | None = None
    basis_bps: float | None = None
    depth_ratio: float | None = None
    withdrawal_share: float | None = None
    peg_deviation: float | None = None
    error_rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueCondition:
    """A venue, what it runs on and how it fares; None where unknown.

    Parameters
    ----------
    protocol, chain : str, optional
        Protocol and chain that it runs on.
    risk_grade : {"A", "B", "C", "D", "E"}, optional
        Grade of the counterparty.
    max_share : float, optional
        Largest share of equity at risk there; wins over the share of its grade.
    distress : float, optional
        In [0, 1].
    contagion_multiplier : float, optional
        Multiplier on positions there that a contagion model gave, in [0, 1].
    latency_seconds : float, optional
        From decision to acceptance of an order [s].
    equity : float, optional
        Part of the account's equity that is held there [account currency].
    metrics : VenueMetrics, optional
        What is seen of it; a policy with contagion makes distress of them.
    """

    protocol: str | None = None
    chain: str | None = None
    risk_grade: RiskGrade | None = None
    max_share: float | None = None
    distress: float | None = None
    contagion_multiplier: float | None = None
    latency_seconds: float | None = None
    equity: float | None = None
    metrics: VenueMetrics | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolCondition:
    """A protocol: its grade, and the largest share of equity at risk in it."""

    risk_grade: RiskGrade | None = None
    max_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCondition:
    """A chain.

    Parameters
    ----------
    block_time_seconds : float
        > 0 [s].
    finality_seconds : float
        From inclusion to finality [s].
    congestion : float
        Probability that a transaction misses a block, in [0, 1]; 1: nothing gets in.
    sequencer_up : bool
        False: nothing is ordered at present.
    """

    block_time_seconds: float
    finality_seconds: float = 0.0
    congestion: float = 0.0
    sequencer_up: bool = True

    def __post_init__(self) -> None:
        if not self.block_time_seconds > 0.0:
            raise InvalidInput("block_time_seconds", "must be > 0", self.block_time_seconds)
        if not 0.0 <= self.congestion <= 1.0:
            raise InvalidInput("congestion", "must lie in [0, 1]", self.congestion)

    @property
    def confirmation_seconds(self) -> float:
        """Expected time from sending to finality, ``block time / (1 − congestion) + finality``; inf at congestion 1.

        The number of blocks until inclusion is geometric: each is missed with probability `congestion`, independently.

        Examples
        --------
        >>> ChainCondition(block_time_seconds=12.0, finality_seconds=768.0, congestion=0.5).confirmation_seconds
        792.0
        """
        if self.congestion >= 1.0:
            return float("inf")
        return self.block_time_seconds / (1.0 - self.congestion) + self.finality_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityView:
    """What a client knows of the volatility of one market.

    Parameters
    ----------
    shock_volatility : float, optional
        Volatility of a rare bad time [annual].
    implied_volatility_change : float, optional
        Change of the logarithm of implied volatility [per day].
    """

    shock_volatility: float | None = None
    implied_volatility_change: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketConditions:
    """All of them by name; volatility views by symbol of a row, a series or an underlying."""

    venues: Mapping[str, VenueCondition] = field(default_factory=dict)
    protocols: Mapping[str, ProtocolCondition] = field(default_factory=dict)
    chains: Mapping[str, ChainCondition] = field(default_factory=dict)
    volatilities: Mapping[str, VolatilityView] = field(default_factory=dict)
