"""Conditions of the markets around the rows of a book, as overlays see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.core.explain import Floats
from services.liquidity.markets import MarketKey
from services.liquidity.trade_cap import RowLiquidity

Names = tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Conditions per row, in row order; NaN or None where unknown.

    Parameters
    ----------
    as_of : datetime
        Event time of the decision.
    bar_seconds : (n,) array
        Bar behind each row's volatility [s].
    data_age_seconds : (n,) array
        Age of the price that a row is sized with [s]; 0 where it is unknown because the client sent it as current.
    long_run_volatility : (n,) array
        Long-run volatility of each row's market [annual].
    signal_age_seconds, signal_confidence : (n,) arrays
        Of the signal of each row.
    venue, protocol : tuple of str or None
        Where each row is traded.
    venue_grade, protocol_grade : tuple of str or None
        A to E.
    venue_max_share, protocol_max_share : (n,) arrays
        Largest share of equity there, where one was given.
    distress, contagion_multiplier : (n,) arrays
        Of each row's venue, in [0, 1].
    latency_seconds : (n,) array
        From decision to finality [s]; inf where nothing gets through.
    halted : tuple of str
        Why nothing can be traded at a row's venue; empty where it can.
    event_starts, event_ends : (n, k) arrays
        Beginning and end of each scheduled event that moves a row [s after `as_of`]; NaN where it does not move it.
    shock_volatility : (n,) array
        Volatility of a rare bad time, as the client gave it [annual].
    volatility_path : tuple of (k,) arrays or None
        Volatility after each bar of a posted series, ten years at most, oldest first [annual].
    implied_volatility_velocity : (n,) array
        Change of the logarithm of implied volatility [per day].
    vega, gamma : (n,) arrays
        Of one contract: vega [account currency per volatility point], change of the delta exposure by a move of 1 %
        [account currency].
    margin_long, margin_short : (n,) arrays
        Initial margin rates [fraction of notional].
    order_flow_imbalance : (n,) array
        In [-1, 1], > 0 where buying prevails.
    flow_age_seconds : (n,) array
        Age of the order-flow imbalance [s].
    funding_carry : (n,) array
        Funding that a long pays [annual fraction]; NaN also where its rate is older than its interval.
    liquidity : tuple of RowLiquidity
        Depth and volume of each row's market, in contracts of the row.
    depth_market : tuple
        Market that depth and volume are of: rows of one market share them.
    oracle_multiplier : (n,) array
        Judgement on the price sources of a row, in [0, 1]; NaN: no oracle speaks of it.
    oracle_detail : tuple of str
        Why, one sentence a row.
    """

    as_of: datetime
    bar_seconds: Floats
    data_age_seconds: Floats
    long_run_volatility: Floats
    signal_age_seconds: Floats
    signal_confidence: Floats
    venue: Names
    protocol: Names
    venue_grade: Names
    protocol_grade: Names
    venue_max_share: Floats
    protocol_max_share: Floats
    distress: Floats
    contagion_multiplier: Floats
    latency_seconds: Floats
    halted: tuple[str, ...]
    event_starts: Floats
    event_ends: Floats
    shock_volatility: Floats
    volatility_path: tuple[Floats | None, ...]
    implied_volatility_velocity: Floats
    vega: Floats
    gamma: Floats
    margin_long: Floats
    margin_short: Floats
    order_flow_imbalance: Floats
    flow_age_seconds: Floats
    funding_carry: Floats
    liquidity: tuple[RowLiquidity, ...]
    depth_market: tuple[MarketKey | None, ...]
    oracle_multiplier: Floats
    oracle_detail: tuple[str, ...]

    @classmethod
    def unknown(cls, as_of: datetime, size: int) -> Conditions:
        """Conditions of `size` rows of which nothing is known."""
        nothing, nobody, silent = np.full(size, np.nan), (None,) * size, ("",) * size
        return cls(
            as_of=as_of,
            bar_seconds=nothing,
            data_age_seconds=np.zeros(size),
            long_run_volatility=nothing,
            signal_age_seconds=nothing,
            signal_confidence=nothing,
            venue=nobody,
            protocol=nobody,
            venue_grade=nobody,
            protocol_grade=nobody,
            venue_max_share=nothing,
            protocol_max_share=nothing,
            distress=nothing,
            contagion_multiplier=nothing,
            latency_seconds=nothing,
            halted=silent,
            event_starts=np.empty((size, 0)),
            event_ends=np.empty((size, 0)),
            shock_volatility=nothing,
            volatility_path=nobody,
            implied_volatility_velocity=nothing,
            vega=nothing,
            gamma=nothing,
            margin_long=nothing,
            margin_short=nothing,
            order_flow_imbalance=nothing,
            flow_age_seconds=nothing,
            funding_carry=nothing,
            liquidity=(RowLiquidity(),) * size,
            depth_market=nobody,
            oracle_multiplier=nothing,
            oracle_detail=silent,
        )
