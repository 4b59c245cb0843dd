"""Implied volatilities of quotes: bid, ask and mark, and the one to use, with the reason where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

from services.core.explain import Bools, Floats
from services.options.implied_volatility import Codes, ImpliedVolatilityStatus, implied_volatility


class QuoteReason(IntEnum):
    """Why a quote gives no volatility to use."""

    NONE = 0
    MISSING = 1
    ONE_SIDED = 2
    CROSSED = 3
    ZERO_BID = 4
    NOT_INVERTIBLE = 5


class QuoteSource(IntEnum):
    """Which price the volatility in use comes from."""

    NONE = 0
    MARK = 1
    MID = 2


@dataclass(frozen=True, slots=True)
class QuoteVolatilities:
    """Volatilities of each quote, all of one shape; 0 where there is none, never NaN.

    Parameters
    ----------
    bid, ask, mark : arrays
        Volatility of each price [annual fraction]. 0 for a bid below intrinsic value: no volatility is too low for it.
    bid_status, ask_status, mark_status : int8 arrays
        `ImpliedVolatilityStatus`; BAD_INPUT where the price is not quoted.
    used : array
        The volatility to work with [annual fraction].
    used_status : int8 array
        `ImpliedVolatilityStatus` of the price behind `used`.
    source : int8 array
        `QuoteSource` of `used`.
    reason : int8 array
        `QuoteReason`: NONE where `used` is a volatility.
    """

    bid: Floats
    ask: Floats
    mark: Floats
    bid_status: Codes
    ask_status: Codes
    mark_status: Codes
    used: Floats
    used_status: Codes
    source: Codes
    reason: Codes


def quote_volatilities(
    bid: ArrayLike,
    ask: ArrayLike,
    mark: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    right: ArrayLike,
    discount: ArrayLike = 1.0,
) -> QuoteVolatilities:
    """Volatility of bid, ask and mark, and of the mark if it lies within them, else of the mid price.

    Parameters
    ----------
    bid, ask, mark : array
        Prices of the option [quote]; NaN where not quoted.
    forward, strike, time_to_expiry, right, discount : array
        As in `implied_volatility`.

    Returns
    -------
    QuoteVolatilities
        Of the broadcast shape. No volatility is used, for the first reason that holds, where

        ==============  =======================================================================
        MISSING         There is neither bid, ask nor mark.
        ONE_SIDED       Only one of bid and ask: a mark beside it cannot be checked.
        CROSSED         The bid is above the ask.
        ZERO_BID        The bid is zero or below: nobody buys.
        NOT_INVERTIBLE  The price to use has no volatility; `used_status` says why.
        ==============  =======================================================================

    Notes
    -----
    A mark without bid and ask is used. A bid below intrinsic value does not drop the quote: its volatility is 0.

    Examples
    --------
    >>> found = quote_volatilities([9.5, 11.0, 9.5], [10.5, 10.0, 10.5], [10.1, 10.1, 12.0], 100, 100, 0.25, 1)
    >>> [QuoteReason(code).name for code in found.reason], [QuoteSource(code).name for code in found.source]
    (['NONE', 'CROSSED', 'NONE'], ['MARK', 'NONE', 'MID'])
    >>> found.used.round(4).tolist()
    [0.5077, 0.0, 0.5026]
    """
    terms = (forward, strike, time_to_expiry, right, discount)
    low, high, fair, *_ = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.float64) for value in (bid, ask, mark, *terms))
    )
    sided = np.isfinite(low) & np.isfinite(high)
    bare = np.isnan(low) & np.isnan(high) & np.isfinite(fair)
    marked = bare | (sided & (low <= fair) & (fair <= high))
    with np.errstate(invalid="ignore"):
        price = np.where(marked, fair, 0.5 * (low + high))
    found = implied_volatility(np.stack([low, high, fair, price]), *terms[:4], discount=discount)
    reason = _reason(low, high, fair, sided | bare)
    failed = (reason == QuoteReason.NONE) & (found.status[3] != ImpliedVolatilityStatus.OK)
    reason[failed] = QuoteReason.NOT_INVERTIBLE
    usable = reason == QuoteReason.NONE
    source = np.where(marked, QuoteSource.MARK, QuoteSource.MID) * usable
    return QuoteVolatilities(
        bid=found.volatility[0],
        ask=found.volatility[1],
        mark=found.volatility[2],
        bid_status=found.status[0],
        ask_status=found.status[1],
        mark_status=found.status[2],
        used=found.volatility[3] * usable,
        used_status=found.status[3],
        source=source.astype(np.int8),
        reason=reason,
    )


def _reason(bid: Floats, ask: Floats, mark: Floats, complete: Bools) -> Codes:
    """Reasons that the prices alone give; later lines overrule earlier ones."""
    reason = np.zeros(bid.shape, dtype=np.int8)
    reason[bid <= 0.0] = QuoteReason.ZERO_BID
    reason[bid > ask] = QuoteReason.CROSSED
    reason[~complete] = QuoteReason.ONE_SIDED
    reason[~(np.isfinite(bid) | np.isfinite(ask) | np.isfinite(mark))] = QuoteReason.MISSING
    return reason
