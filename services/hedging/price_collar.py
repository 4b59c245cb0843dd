"""The worst price that a slice should take: what the market may move in its time, its own impact, and a tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Le

from services.core.annualization import SECONDS_PER_DAY
from services.core.decimals import to_tick
from services.core.errors import InvalidInput
from services.hedging.execution import Execution
from services.liquidity.depth import Side, not_negative, positive
from services.liquidity.impact import square_root_impact

SECONDS_PER_YEAR = 365.0 * SECONDS_PER_DAY
WIDEST = 100.0
"""Largest log distance that is a price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceCollar:
    """How far from the mark a slice may trade.

    Parameters
    ----------
    sigmas : float
        Standard deviations of the price over the time of the slice that are accepted.
    tolerance : float
        Accepted besides: half the spread, noise of the mark [fraction].

    Notes
    -----
    A slice whose price runs away by more is not filled: two standard deviations are passed against the order in one
    of 44 slices at their end, and in about one of 22 at some time before. The defaults are policy.

    Examples
    --------
    >>> round(PriceCollar(sigmas=2.0, tolerance=0.001).width(volatility=0.6, seconds=3_600.0, impact=0.0005), 6)
    0.014321
    """

    sigmas: Annotated[float, Ge(0), Le(10)] = 2.0
    tolerance: Annotated[float, Ge(0), Le(0.5)] = 0.001

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        not_negative("sigmas", self.sigmas)
        not_negative("tolerance", self.tolerance)

    def width(self, *, volatility: float, seconds: float, impact: float) -> float:
        r"""Log distance from the mark, ``z σ √(τ / year) + impact + tolerance``.

        Parameters
        ----------
        volatility : float
            σ >= 0, annual [fraction].
        seconds : float
            τ >= 0, time of the slice [s].
        impact : float
            >= 0, of the slice itself [fraction of the mark].

        Raises
        ------
        InvalidInput
            For a distance beyond `WIDEST`, which no price has.
        """
        years = not_negative("seconds", seconds) / SECONDS_PER_YEAR
        spread = self.sigmas * not_negative("volatility", volatility) * math.sqrt(years)
        width = spread + not_negative("impact", impact) + self.tolerance
        if width > WIDEST:
            raise InvalidInput(
                "impact", f"must leave a worst price within a factor of e^{WIDEST:g} of the mark", impact
            )
        return width


def worst_price(mark: Decimal, side: Side, width: float, tick: Decimal | None) -> Decimal:
    """``S exp(± width)``, rounded to the tick toward the mark; at least the first tick that is not better than it.

    Rounding toward the mark accepts less than what was allowed, never more. Only where no tick lies between the mark
    and that price, the first one beyond is taken, since an order at a price better than the mark would not trade.

    Examples
    --------
    >>> worst_price(Decimal("7993.5"), Side.BUY, 0.01, Decimal("0.5"))
    Decimal('8073.5')
    >>> worst_price(Decimal("7993.5"), Side.SELL, 0.01, Decimal("0.5"))
    Decimal('7914.0')
    >>> worst_price(Decimal("100.2"), Side.BUY, 0.0001, Decimal("0.5"))
    Decimal('100.5')
    """
    if not_negative("width", width) > WIDEST:
        raise InvalidInput("width", f"must be at most {WIDEST:g}", width)
    bound = positive("mark", float(mark)) * math.exp(side * width)
    buys = side is Side.BUY
    inward = to_tick(bound, tick, up=not buys)
    outward = mark if tick is None else to_tick(float(mark), tick, up=buys)
    return max(inward, outward) if buys else max(min(inward, outward), tick or inward)


def slice_impact(execution: Execution, quantity: float, seconds: float | None) -> float | None:
    """Impact of one slice [fraction of the mark]: of the linear model where known, else of the square root; else None.

    Parameters
    ----------
    quantity : float
        Of the slice [base units].
    seconds : float, optional
        Its time; the linear model needs it.
    """
    linear, volume, sigma = execution.impact, execution.average_daily_volume, execution.volatility
    if linear is not None and seconds:
        temporary = linear.temporary * quantity * SECONDS_PER_DAY / seconds
        return (linear.fixed + temporary + linear.permanent * quantity) / execution.price
    if volume is None or sigma is None:
        return None
    daily = sigma / math.sqrt(365.0)
    return float(square_root_impact(quantity, average_daily_volume=volume, daily_volatility=daily))
