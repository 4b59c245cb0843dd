"""A chain of option quotes: as sent, and as what is left of it, with the fault of every quote that is not used."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from services.core.explain import Floats
from services.options.smiles import Smile


class QuoteFault(StrEnum):
    """Stable codes of what is wrong with a quote, in the order in which they are looked for."""

    EXPIRED = "expired"
    STALE = "stale"
    DUPLICATE = "duplicate"
    NO_PRICE = "no_price"
    NO_BID = "no_bid"
    NO_ASK = "no_ask"
    CROSSED = "crossed"
    FORWARD_UNKNOWN = "forward_unknown"
    TWIN_PREFERRED = "twin_preferred"
    BELOW_INTRINSIC = "below_intrinsic"
    ABOVE_MAXIMUM = "above_maximum"
    NO_TIME_VALUE = "no_time_value"
    VOLATILITY_OUT_OF_RANGE = "volatility_out_of_range"
    TOO_NEAR = "too_near"


FAULT_TEXT: dict[QuoteFault, str] = {
    QuoteFault.EXPIRED: "The option has expired.",
    QuoteFault.STALE: "The quote is older than max_age_seconds.",
    QuoteFault.DUPLICATE: "A newer quote of the same option was sent, or the same one twice: the newest counts, "
    "else the last.",
    QuoteFault.NO_PRICE: "Neither bid and ask, nor mark, nor implied volatility.",
    QuoteFault.NO_BID: "Nobody bids: the ask alone says only what the option is not worth.",
    QuoteFault.NO_ASK: "Nobody offers: the bid alone says only what the option is worth at least.",
    QuoteFault.CROSSED: "The bid lies above the ask.",
    QuoteFault.FORWARD_UNKNOWN: "No forward was sent for this expiry, and no strike has both call and put to infer it.",
    QuoteFault.TWIN_PREFERRED: "In the money, and the other option of the same strike, out of the money, was sent: no "
    "fault.",
    QuoteFault.BELOW_INTRINSIC: "The price is below the intrinsic value, which usually tells of a wrong forward.",
    QuoteFault.ABOVE_MAXIMUM: "The price is above what any volatility gives.",
    QuoteFault.NO_TIME_VALUE: "The price is all intrinsic value: no volatility can be read off it.",
    QuoteFault.VOLATILITY_OUT_OF_RANGE: "The implied volatility is below 0.01 % or above 1000 %.",
    QuoteFault.TOO_NEAR: "The expiry is nearer than least_days; the surface scales the next one instead.",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quotes:
    """Columns of a chain, NaN where a figure was not sent.

    Parameters
    ----------
    expiry : (n,) array
        [s since 1970, UTC].
    strike : (n,) array
        K > 0 [quote].
    right : (n,) array
        +1 call, -1 put.
    forward : (n,) array
        Future or forward of the same expiry when the quote was taken [quote].
    bid, ask, mark : (n,) arrays
        Prices, discounted, [quote] or, under `in_base`, [base].
    volatility : (n,) array
        Implied volatility, where the sender knows it [annual fraction].
    age_seconds : (n,) array
        [s]; NaN counts as 0.
    in_base : bool
        Whether prices are amounts of base (coin-settled).
    """

    expiry: Floats
    strike: Floats
    right: Floats
    forward: Floats
    bid: Floats
    ask: Floats
    mark: Floats
    volatility: Floats
    age_seconds: Floats
    in_base: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRules:
    """What a quote must keep to.

    Parameters
    ----------
    max_age_seconds : float, optional
        Older quotes are stale, and the freshness of an expiry falls to 0 at this age; None: age does not count.
    least_days : float
        Nearer expiries are not fitted [days].
    discount : float, optional
        Discount factor to every expiry; None: 1, or what parity says where the forward is inferred.
    """

    max_age_seconds: float | None = None
    least_days: float = 1.0
    discount: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExpiryQuotes:
    """Usable quotes of one expiry, ascending in strike.

    Parameters
    ----------
    expiry, time_to_expiry : float
        [s since 1970], [years].
    forward, discount : float
        F and df; F is the median of those sent.
    forward_source : str
        "given" or "parity".
    strike, log_moneyness : (n,) arrays
        K and ln(K/F), F of the quote itself.
    volatility, bid_volatility, ask_volatility : (n,) arrays
        To fit, and of both sides; both 0 and infinite where there is no bid and ask.
    places : (n,) int array
        Rows of `Quotes`.
    age_seconds, freshness : float
        Mean age, and ``1 − age / max_age`` or 1.
    """

    expiry: float
    time_to_expiry: float
    forward: float
    discount: float
    forward_source: str
    strike: Floats
    log_moneyness: Floats
    volatility: Floats
    bid_volatility: Floats
    ask_volatility: Floats
    places: NDArray[np.intp]
    age_seconds: float
    freshness: float

    @property
    def smile(self) -> Smile:
        """What is fitted."""
        spread = np.where(np.isfinite(self.ask_volatility), self.ask_volatility - self.bid_volatility, 0.0)
        return Smile(
            time_to_expiry=self.time_to_expiry,
            log_moneyness=self.log_moneyness,
            volatility=self.volatility,
            spread=spread,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chain:
    """Usable quotes by expiry, and the fault of every other quote.

    Parameters
    ----------
    as_of : float
        [s since 1970].
    expiries : tuple of ExpiryQuotes
        Ascending.
    faults : tuple
        Of each row of `Quotes`; None where it is used.
    """

    as_of: float
    expiries: tuple[ExpiryQuotes, ...]
    faults: tuple[QuoteFault | None, ...]
