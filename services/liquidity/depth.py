"""What the liquidity of a market answers, whatever it is made of: a book, a summary of one, a pool."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Floats


class Side(IntEnum):
    """Side of a trade; its sign is the sign of the traded quantity."""

    BUY = 1
    SELL = -1

    @classmethod
    def of(cls, trade: float) -> Side:
        """Side of a signed trade; 0 counts as a buy.

        Examples
        --------
        >>> Side.of(-3.0).name
        'SELL'
        """
        return cls.BUY if trade >= 0.0 else cls.SELL


class DepthState(StrEnum):
    """Whether a market can be entered and left again. Only in `TWO_SIDED` may anything be increased."""

    TWO_SIDED = "two_sided"
    NO_BIDS = "no_bids"
    NO_ASKS = "no_asks"
    EMPTY = "empty"
    CROSSED = "crossed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """What trades of given sizes would get, one element per size.

    Parameters
    ----------
    side : Side
        Side of the trades.
    reference : float
        Price that slippage is measured against [quote].
    filled : array
        Part of each size that the visible liquidity bears [contracts]; less than asked for where it ends.
    average_price : array
        Volume-weighted average price, fees of the venue's formula included (pools) [quote]; for size 0 its limit, the
        price of the first unit.
    worst_price : array
        Price of the last unit [quote]: level reached in a book, price left behind in a pool.
    """

    side: Side
    reference: float
    filled: Floats
    average_price: Floats
    worst_price: Floats

    @property
    def slippage(self) -> Floats:
        """Loss of the average price against the reference [fraction, > 0 is a loss]."""
        return np.asarray(self.side * (self.average_price / self.reference - 1.0))

    @property
    def price_impact(self) -> Floats:
        """Distance of the worst price from the reference [fraction, > 0 is adverse]."""
        return np.asarray(self.side * (self.worst_price / self.reference - 1.0))


class Depth(Protocol):
    """Interface of `OrderBook`, `DepthSummary`, `ConstantProductPool` and `ConcentratedPool`.

    Quantities are contracts of the row that trades there. Every answer is finite and >= 0.
    """

    @property
    def state(self) -> DepthState:
        """Whether both sides are there."""
        ...

    @property
    def mid(self) -> float | None:
        """Price between the sides [quote]; None where a side is missing."""
        ...

    @property
    def half_spread(self) -> float | None:
        """Slippage of the first unit [fraction of mid]; None where a side is missing."""
        ...

    def standing(self, minimum_age_seconds: float) -> Depth:
        """The part of it that has stood for so long."""
        ...

    def largest_within_slippage(self, side: Side, limit: float, *, reference: float | None = None) -> float:
        """Largest quantity whose average price is within `limit` of the mid, or of `reference`."""
        ...

    def depth_within(self, side: Side, distance: float, *, reference: float | None = None) -> float:
        """Quantity offered to that side of trade within a relative distance of the mid, or of `reference`."""
        ...


def quantities(value: ArrayLike) -> Floats:
    """Array of finite sizes >= 0, or `InvalidInput`."""
    array = np.asarray(value, dtype=np.float64)
    legal = np.isfinite(array) & (array >= 0.0)
    if not legal.all():
        raise InvalidInput("quantity", "must be finite and >= 0", float(array[~legal].flat[0]))
    return array


def not_negative(name: str, value: float) -> float:
    """A finite number >= 0, or `InvalidInput`."""
    if not (0.0 <= value < np.inf):
        raise InvalidInput(name, "must be finite and >= 0", value)
    return value


def positive(name: str, value: float) -> float:
    """A finite number > 0, or `InvalidInput`."""
    if not (0.0 < value < np.inf):
        raise InvalidInput(name, "must be finite and > 0", value)
    return value


def fraction(name: str, value: float) -> float:
    """A number in [0, 1), or `InvalidInput`."""
    if not (0.0 <= value < 1.0):
        raise InvalidInput(name, "must be in [0, 1)", value, "fractions, not percent: 0.003 is 0.3 %")
    return value
