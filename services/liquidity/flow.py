"""Order flow and funding: imbalance, carry, how unusual it is, and a bounded multiplier on increases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from numpy.typing import ArrayLike

from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.core.instrument import QuantityUnit
from services.liquidity.book import OrderBook
from services.liquidity.depth import Side, positive

LEAST_HISTORY = 20
"""Observations below which a z-score or percentile says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What is known of the flow in one market; None where it is not.

    Parameters
    ----------
    as_of : datetime
        When it was so.
    unit : QuantityUnit
        Of volume, open interest and liquidations.
    order_flow_imbalance : float, optional
        In [-1, 1], > 0 where buying prevails.
    funding_rate : float, optional
        Paid by longs to shorts each `funding_interval_seconds` [fraction of notional].
    next_funding_at : datetime, optional
        When it is paid next.
    funding_spread : float, optional
        Carry here minus carry on another venue [annual].
    average_daily_volume, open_interest, long_liquidations, short_liquidations : float, optional
        In `unit`; liquidations over `liquidation_seconds`.
    """

    as_of: datetime
    unit: QuantityUnit
    order_flow_imbalance: float | None = None
    funding_rate: float | None = None
    funding_interval_seconds: float | None = None
    next_funding_at: datetime | None = None
    funding_spread: float | None = None
    average_daily_volume: float | None = None
    open_interest: float | None = None
    long_liquidations: float | None = None
    short_liquidations: float | None = None
    liquidation_seconds: float | None = None

    @property
    def funding_carry(self) -> float | None:
        """Funding that a long pays [annual fraction]."""
        if self.funding_rate is None or self.funding_interval_seconds is None:
            return None
        return funding_carry(self.funding_rate, self.funding_interval_seconds)


def order_flow_imbalance(
    bid_price: ArrayLike, bid_size: ArrayLike, ask_price: ArrayLike, ask_size: ArrayLike
) -> tuple[float, float]:
    r"""Order-flow imbalance of consecutive best quotes: its sum [contracts], and over all flow, in [-1, 1].

    ``e_n = 1{P^b_n >= P^b_{n−1}} q^b_n − 1{P^b_n <= P^b_{n−1}} q^b_{n−1} − 1{P^a_n <= P^a_{n−1}} q^a_n
    + 1{P^a_n >= P^a_{n−1}} q^a_{n−1}``; OFI = Σ e_n. The second figure is ``Σ e_n / Σ (|bid part| + |ask part|)``, 0
    where no quote changed.

    Parameters
    ----------
    bid_price, bid_size, ask_price, ask_size : (n,) arrays
        Best quotes in order of time, n >= 2, prices and sizes > 0.

    Raises
    ------
    InvalidInput
        For fewer than two quotes, columns of different lengths, or numbers that are not finite and > 0.

    Notes
    -----
    Price moves by about OFI / (2 depth) (their eq. 4); the relation is measured over seconds to minutes, so that an
    imbalance older than that says little.

    References
    ----------
    Cont, Kukanov, Stoikov (2014), The Price Impact of Order Book Events, J. Financial Econometrics 12(1), §2.1.

    Examples
    --------
    >>> order_flow_imbalance([100.0, 100.0], [5.0, 8.0], [101.0, 101.0], [4.0, 3.0])
    (4.0, 1.0)
    """
    bid, bids, ask, asks = _quotes(bid_price, bid_size, ask_price, ask_size)
    demand = np.where(bid[1:] >= bid[:-1], bids[1:], 0.0) - np.where(bid[1:] <= bid[:-1], bids[:-1], 0.0)
    supply = np.where(ask[1:] <= ask[:-1], asks[1:], 0.0) - np.where(ask[1:] >= ask[:-1], asks[:-1], 0.0)
    flow, gross = float((demand - supply).sum()), float((np.abs(demand) + np.abs(supply)).sum())
    return flow, max(min(flow / gross, 1.0), -1.0) if gross else 0.0


def book_imbalance(book: OrderBook, distance: float) -> float | None:
    """Depth imbalance ``(D_bid − D_ask) / (D_bid + D_ask)`` within a distance of the mid, in [-1, 1].

    None where the book has no mid or no order within that distance: unknown is not balanced.

    Examples
    --------
    >>> book_imbalance(OrderBook(bids=np.array([[99.0, 3.0]]), asks=np.array([[101.0, 1.0]])), 0.02)
    0.5
    """
    bid, ask = book.depth_within(Side.SELL, distance), book.depth_within(Side.BUY, distance)
    return (bid - ask) / (bid + ask) if bid + ask > 0.0 else None


def funding_carry(rate: float, interval_seconds: float) -> float:
    """Funding of a year at the present rate, not compounded [fraction of notional]; a long pays it where > 0.

    Examples
    --------
    >>> round(funding_carry(0.0001, 28_800), 9)
    0.1095
    """
    if not np.isfinite(rate):
        raise InvalidInput("funding_rate", "must be finite", rate)
    return rate * SECONDS_PER_YEAR / positive("funding_interval_seconds", interval_seconds)


def z_score(value: float, history: ArrayLike) -> float | None:
    """Distance of a value from the mean of a history [standard deviations, of n − 1].

    None for fewer than 20 values, or a history that does not vary.
    """
    past = _history(value, history)
    deviation = float(past.std(ddof=1)) if past.size >= LEAST_HISTORY else 0.0
    mean = float(past.mean()) if past.size else 0.0
    # rounding of the mean is no variation
    return (
        (value - mean) / deviation if deviation > 1e-12 * max(abs(mean), float(np.abs(past).max(initial=0.0))) else None
    )


def percentile(value: float, history: ArrayLike) -> float | None:
    """Share of a history below a value, ties counted half, in [0, 1]; None for fewer than 20 values.

    Examples
    --------
    >>> percentile(9.5, np.arange(20.0))
    0.5
    """
    past = _history(value, history)
    if past.size < LEAST_HISTORY:
        return None
    return float(np.count_nonzero(past < value) + 0.5 * np.count_nonzero(past == value)) / past.size


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowMultipliers:
    """Multiplier of each row, and which of the two figures was known.

    Parameters
    ----------
    value : (n,) array
        In [floor, 1]; the floor where nothing is known.
    order_flow_known, funding_known : (n,) bool arrays
        Where False, that figure did not count.
    """

    value: Floats
    order_flow_known: Bools
    funding_known: Bools

    @property
    def known(self) -> Bools:
        """Rows with at least one figure."""
        return np.asarray(self.order_flow_known | self.funding_known)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRule:
    r"""Multiplier that adverse flow and dear funding lower, and nothing raises above 1.

    With the direction d of the position, the imbalance f and the carry c (> 0: longs pay)::

        a_f = clip((−d f − f₀) / (1 − f₀), 0, 1)
        a_c = clip((d c − c₀) / (c₁ − c₀), 0, 1)
        m   = 1 − (1 − floor) · max(a_f, a_c)

    Parameters
    ----------
    floor : float
        Least multiplier.
    tolerated_imbalance : float
        f₀, adverse imbalance that does nothing yet.
    tolerated_carry, dear_carry : float
        c₀ and c₁, the annual carry up to which funding does nothing, and from which it does all it can.

    Notes
    -----
    It is linear between its ends, so that it never jumps; the worse of the two counts, as overlays take the least of
    what they are given. The carry defaults come from the daily mean funding of BTCUSDT on Binance 2019-09 to 2024-12
    (1,940 days): its median is 0.1095, the venue's own interest, its 99 % quantile 1.21. What the
    imbalance does to returns at the horizon of a sizing decision is not measured here.
    """

    floor: Annotated[float, Ge(0.5), Le(1)] = 0.5
    tolerated_imbalance: Annotated[float, Ge(0), Lt(1)] = 0.2
    tolerated_carry: Annotated[float, Ge(0), Le(10)] = 0.11
    dear_carry: Annotated[float, Gt(0), Le(100)] = 1.2

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if not self.dear_carry > self.tolerated_carry:
            raise InvalidInput("dear_carry", f"must be > tolerated_carry ({self.tolerated_carry:g})", self.dear_carry)

    def multipliers(self, direction: Floats, order_flow_imbalance: Floats, carry: Floats) -> FlowMultipliers:
        """Multiplier of each row.

        Parameters
        ----------
        direction : (n,) array
            Wanted size or direction; only its sign counts, and 0 is left alone.
        order_flow_imbalance : (n,) array
            In [-1, 1]; NaN where unknown.
        carry : (n,) array
            Annual; NaN where unknown.

        Examples
        --------
        >>> rule = FlowRule()
        >>> rule.multipliers(np.array([1.0, -1.0]), np.array([-0.6, -0.6]), np.full(2, np.nan)).value.tolist()
        [0.75, 1.0]
        """
        sign = np.sign(direction)
        against = np.nan_to_num(-sign * order_flow_imbalance, nan=0.0)
        dear = np.nan_to_num(sign * carry, nan=0.0)
        adverse_flow = np.clip((against - self.tolerated_imbalance) / (1.0 - self.tolerated_imbalance), 0.0, 1.0)
        adverse_carry = np.clip((dear - self.tolerated_carry) / (self.dear_carry - self.tolerated_carry), 0.0, 1.0)
        value = 1.0 - (1.0 - self.floor) * np.maximum(adverse_flow, adverse_carry)
        flow_known, carry_known = ~np.isnan(order_flow_imbalance), ~np.isnan(carry)
        return FlowMultipliers(
            value=np.where(flow_known | carry_known, value, self.floor),
            order_flow_known=flow_known,
            funding_known=carry_known,
        )


def _quotes(*columns: ArrayLike) -> tuple[Floats, Floats, Floats, Floats]:
    bid, bids, ask, asks = (np.asarray(column, dtype=np.float64) for column in columns)
    if bid.ndim != 1 or bid.size < 2 or not bid.shape == bids.shape == ask.shape == asks.shape:
        raise InvalidInput("quotes", "must be four columns of one length, at least 2", (bid.shape, ask.shape))
    table = np.array([bid, bids, ask, asks])
    legal = np.isfinite(table) & (table > 0.0)
    if not legal.all():
        raise InvalidInput("quotes", "must be finite and > 0", float(table[~legal][0]))
    return bid, bids, ask, asks


def _history(value: float, history: ArrayLike) -> Floats:
    past = np.asarray(history, dtype=np.float64)
    if not (np.isfinite(value) and np.isfinite(past).all()):
        raise InvalidInput("history", "and the value must be finite", value)
    return past
