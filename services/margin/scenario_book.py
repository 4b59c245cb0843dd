"""What a scenario margin is computed of: feeds, columns of options and linear positions, collateral, by underlying."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.options.checks import finite, positive

MAX_UNDERLYINGS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryFeed:
    """Market of one expiry.

    Parameters
    ----------
    seconds : float
        To expiry [s]; zero or negative once it has passed: options are then worth their pay-off.
    forward : float
        [quote per base], > 0.
    rate : float
        Continuously compounded [per year]; a negative one counts as 0.
    confidence : float
        Least confidence of the feeds behind it, within [0, 1].
    name : str
        Of the expiry, for messages.
    """

    seconds: float
    forward: float
    rate: float = 0.0
    confidence: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        if not np.isfinite(self.seconds):
            raise InvalidInput("expiries.seconds", "must be finite", self.seconds)
        if not 0.0 < self.forward < np.inf:
            raise InvalidInput("expiries.forward", "must be finite and > 0", self.forward)
        if not np.isfinite(self.rate):
            raise InvalidInput("expiries.rate", "must be finite", self.rate)
        check_confidence("expiries.confidence", self.confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionColumns:
    """European options in one underlying, a row each.

    Parameters
    ----------
    seconds : (n,) array
        To expiry [s]; a feed of the same number of seconds prices it.
    strike : (n,) array
        [quote per base], > 0.
    right : (n,) array
        +1 call, -1 put.
    quantity : (n,) array
        Signed [base units].
    volatility : (n,) array
        Implied [annual fraction], >= 0; 0 gives the discounted pay-off.
    """

    seconds: Floats
    strike: Floats
    right: Floats
    quantity: Floats
    volatility: Floats

    def __post_init__(self) -> None:
        columns = [
            finite("options.seconds", self.seconds),
            positive("options.strike", self.strike),
            finite("options.right", self.right),
            finite("options.quantity", self.quantity),
            finite("options.volatility", self.volatility),
        ]
        if any(column.shape != columns[0].shape or column.ndim != 1 for column in columns):
            raise InvalidInput("options", "must be columns of one length", [column.shape for column in columns])
        if np.any(np.abs(columns[2]) != 1.0):
            raise InvalidInput("options.right", "must be +1 (call) or -1 (put)", columns[2].tolist())
        if np.any(columns[4] < 0.0):
            raise InvalidInput("options.volatility", "must be >= 0", float(columns[4].min()))

    @classmethod
    def empty(cls) -> OptionColumns:
        """No options."""
        return cls(**{name: np.zeros(0) for name in ("seconds", "strike", "right", "quantity", "volatility")})


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearColumns:
    """Perpetuals, futures and spot in one underlying, a row each.

    Parameters
    ----------
    base : (n,) array
        Signed position [base units]; for an inverse contract of N quote, N over the mark.
    price : (n,) array
        Mark [quote per base], > 0.
    seconds : (n,) array
        To expiry of a dated future [s]; infinite for perpetuals and spot.
    spot : (n,) bool array
        Spot is worth its price and pays no contingency for perpetuals.
    unrealized : float
        Profit of the derivatives that is not yet in cash [quote], funding due included.
    inverse : (n,) bool array, optional
        Contracts of a fixed quote value, whose base shrinks as the price rises; none by default.
    """

    base: Floats
    price: Floats
    seconds: Floats
    spot: Bools
    unrealized: float = 0.0
    inverse: Bools | None = None

    def __post_init__(self) -> None:
        finite("linear.base", self.base)
        positive("linear.price", self.price)
        if np.isnan(self.seconds).any():
            raise InvalidInput("linear.seconds", "must be a number or infinite", "NaN")
        if not self.base.shape == self.price.shape == self.seconds.shape == self.spot.shape:
            raise InvalidInput("linear", "must be columns of one length", self.base.shape)
        if self.inverse is not None and self.inverse.shape != self.base.shape:
            raise InvalidInput("linear.inverse", "must be a column of that length", self.inverse.shape)
        if not np.isfinite(self.unrealized):
            raise InvalidInput("linear.unrealized", "must be finite", self.unrealized)

    @classmethod
    def empty(cls) -> LinearColumns:
        """No linear positions."""
        return cls(base=np.zeros(0), price=np.zeros(0), seconds=np.zeros(0), spot=np.zeros(0, dtype=np.bool_))

    @classmethod
    def perpetual(cls, base: float, price: float, unrealized: float = 0.0) -> LinearColumns:
        """One perpetual."""
        return cls(
            base=np.array([base]),
            price=np.array([price]),
            seconds=np.array([np.inf]),
            spot=np.array([False]),
            unrealized=unrealized,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Collateral:
    """Coin that backs the account.

    Parameters
    ----------
    amount, price : float
        [base units] and [quote per base]; a negative amount is a debt, which has no haircut and no doubt.
    maintenance_haircut : float
        Within [0, 1].
    initial_haircut : float
        On top of the maintenance haircut.
    risk_cancelling : bool
        Whether its own change of value counts in the scenarios, as the underlying of the positions.
    confidence : float
        Of its price, within [0, 1].
    """

    amount: float
    price: float
    maintenance_haircut: float = 0.0
    initial_haircut: float = 0.0
    risk_cancelling: bool = False
    confidence: float = 1.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.amount):
            raise InvalidInput("collateral.amount", "must be finite", self.amount)
        if not 0.0 < self.price < np.inf:
            raise InvalidInput("collateral.price", "must be finite and > 0", self.price)
        both = self.maintenance_haircut + self.initial_haircut
        if not (self.maintenance_haircut >= 0.0 and self.initial_haircut >= 0.0 and both <= 1.0):
            raise InvalidInput("collateral.haircut", "must be >= 0, and at most 1 together", both)
        check_confidence("collateral.confidence", self.confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderlyingBook:
    """Everything in one underlying.

    Parameters
    ----------
    name : str
    spot : float
        Index price [quote per base], > 0.
    expiries : tuple of ExpiryFeed
        Markets of the options' expiries; without options none is needed.
    options : OptionColumns
    linear : LinearColumns
    collateral : tuple of Collateral
    volatility : float, optional
        Current volatility [annual fraction], for a price range that follows it.
    netting_offset : float
        Share of a profit of this underlying that may pay for losses of others in the same scenario, within [0, 1].
    spot_confidence, perpetual_confidence : float
        Of the feeds, within [0, 1].
    """

    name: str
    spot: float
    expiries: tuple[ExpiryFeed, ...] = ()
    options: OptionColumns = field(default_factory=OptionColumns.empty)
    linear: LinearColumns = field(default_factory=LinearColumns.empty)
    collateral: tuple[Collateral, ...] = ()
    volatility: float | None = None
    netting_offset: float = 0.0
    spot_confidence: float = 1.0
    perpetual_confidence: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.spot < np.inf:
            raise InvalidInput("spot", "must be finite and > 0", self.spot)
        if self.volatility is not None and not 0.0 < self.volatility < np.inf:
            raise InvalidInput("volatility", "must be finite and > 0", self.volatility)
        check_confidence("spot_confidence", self.spot_confidence)
        check_confidence("perpetual_confidence", self.perpetual_confidence)
        if not 0.0 <= self.netting_offset <= 1.0:
            raise InvalidInput("netting_offset", "must lie in [0, 1]", self.netting_offset)
        seconds = [feed.seconds for feed in self.expiries]
        if len(set(seconds)) != len(seconds):
            raise InvalidInput("expiries.seconds", "must hold every expiry once", seconds)

    def feed_of(self) -> tuple[tuple[ExpiryFeed, ...], np.ndarray[tuple[int], np.dtype[np.intp]]]:
        """Feeds by time to expiry, and the place in them of each option.

        Raises
        ------
        InvalidInput
            If an option's expiry has no feed.
        """
        feeds = tuple(sorted(self.expiries, key=lambda feed: feed.seconds))
        known = np.array([feed.seconds for feed in feeds], dtype=np.float64)
        place = np.searchsorted(known, self.options.seconds)
        missing = (
            np.ones(place.shape, dtype=np.bool_)
            if not feeds
            else known[np.minimum(place, known.size - 1)] != self.options.seconds
        )
        if missing.any():
            rule = f"of {self.name} must hold a feed for every option's expiry"
            raise InvalidInput("expiries", rule, f"no feed {float(self.options.seconds[missing][0]):g} s ahead")
        return feeds, place


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioBook:
    """An account.

    Parameters
    ----------
    underlyings : tuple of UnderlyingBook
    cash : float
        In the quote currency; negative where it is owed.
    stable_price : float
        Price of the stablecoin that the account is kept in, in the currency that it stands for: below the preset's
        threshold initial margin grows.
    """

    underlyings: tuple[UnderlyingBook, ...]
    cash: float = 0.0
    stable_price: float = 1.0

    def __post_init__(self) -> None:
        names = [book.name for book in self.underlyings]
        if len(set(names)) != len(names):
            raise InvalidInput("underlyings.name", "must be unique", names)
        if not 1 <= len(names) <= MAX_UNDERLYINGS:
            raise InvalidInput("underlyings", f"must hold 1 to {MAX_UNDERLYINGS}", len(names))
        if not np.isfinite(self.cash):
            raise InvalidInput("cash", "must be finite", self.cash)
        if not 0.0 < self.stable_price < np.inf:
            raise InvalidInput("stable_price", "must be finite and > 0", self.stable_price)


def check_confidence(name: str, value: float) -> None:
    """Refuse what is no confidence."""
    if not 0.0 <= value <= 1.0:
        raise InvalidInput(name, "must lie in [0, 1]", value)
