"""What executed orders cost against the price that they were decided at, and how well they were followed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

BASIS_POINTS = 1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """An order and what was filled of it.

    Parameters
    ----------
    side : int
        +1 a buy, -1 a sell.
    ordered, filled : float
        Quantities in the unit of the order; `filled` holds what was traded to the side of the order, in time or late.
    late, wrong_side : float
        Parts that were filled after the order had expired, and to the other side (not in `filled`).
    decision_price : float, optional
        Mark that the decision was made at [quote]; without it there is no shortfall.
    average_price : float
        Quantity-weighted mean of the fills [quote].
    arrival_price : float, optional
        Mid when the order reached the venue [quote]; None where a fill does not say it.
    half_spread : float, optional
        Half the quoted spread then [fraction of the price].
    fee_rate : float, optional
        Fee over notional, negative where paid back.
    predicted_fee, predicted_spread, predicted_impact : float, optional
        What the decision expected of the whole order [fraction]; None where it did not say.
    daily_volatility : float, optional
        At the decision.
    impact_scale : float, optional
        ``σ √(Q / V)`` of what was filled [fraction], V a day's volume.
    """

    side: int
    ordered: float
    filled: float
    late: float = 0.0
    wrong_side: float = 0.0
    decision_price: float | None
    average_price: float
    arrival_price: float | None = None
    half_spread: float | None = None
    fee_rate: float | None = None
    predicted_fee: float | None = None
    predicted_spread: float | None = None
    predicted_impact: float | None = None
    daily_volatility: float | None = None
    impact_scale: float | None = None

    def _move(self, start: float | None, end: float | None) -> float | None:
        """Loss of a price that goes from one to the other [fraction of the decision price]; > 0 is a cost."""
        if start is None or end is None or self.decision_price is None:
            return None
        return self.side * (end - start) / self.decision_price

    @property
    def price_shortfall(self) -> float | None:
        """``s (p̄ − p₀) / p₀``: loss against the decision price, fees apart."""
        return self._move(self.decision_price, self.average_price)

    @property
    def delay(self) -> float | None:
        """``s (p_arrival − p₀) / p₀``: what the price moved before the order was there."""
        return self._move(self.decision_price, self.arrival_price)

    @property
    def impact(self) -> float | None:
        """``s (p̄ − p_arrival) / p₀ − h``: what is left of the price after delay and half spread."""
        move = self._move(self.arrival_price, self.average_price)
        return None if move is None or self.half_spread is None else move - self.half_spread

    @property
    def own_move(self) -> float | None:
        """What is regressed on the impact scale: the move from arrival, or from the decision where arrival is not
        known, less half the spread (the predicted one where the quoted one is not known).
        """
        start = self.decision_price if self.arrival_price is None else self.arrival_price
        half_spread = self.half_spread if self.half_spread is not None else self.predicted_spread or 0.0
        move = self._move(start, self.average_price)
        return None if move is None else move - half_spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Means over orders, weighted by what was filled [basis points of the decision price].

    Each part is the mean over the orders of which it is known, None where it is of none; `parts_known` is how many of
    `orders` have delay, spread and impact. Predicted figures are those of the decisions, of the orders that have them.
    """

    orders: int
    price: float
    delay: float | None
    spread: float | None
    impact: float | None
    fee: float | None
    predicted_spread: float | None
    predicted_impact: float | None
    predicted_fee: float | None
    parts_known: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Adherence:
    """How orders were followed: shares of the ordered quantity, each order weighing the same.

    Parameters
    ----------
    orders : int
        With fills.
    filled : float
        Mean over orders of ``min(filled / ordered, 1)``.
    late : float
        Mean share that was filled after the order had expired.
    overfilled, wrong_side : int
        Orders of which more was filled than ordered, or something to the other side.
    """

    orders: int
    filled: float
    late: float
    overfilled: int
    wrong_side: int


def shortfall_of(executions: Sequence[Execution]) -> Shortfall | None:
    """Implementation shortfall of orders of one market; None without a fill.

    ``s (p̄ − p₀) / p₀ = delay + spread + impact`` (Perold 1988; the split at arrival is that of Kissell & Glantz 2003).

    Notes
    -----
    Quantities must be of one unit. What was not filled has no cost here: its opportunity cost depends on when it would
    have been filled. Cost: O(orders).

    References
    ----------
    Perold (1988), The implementation shortfall: paper versus reality, J. Portfolio Management 14(3); Kissell, Glantz
    (2003), Optimal Trading Strategies, ch. 1.

    Examples
    --------
    >>> bought = Execution(side=1, ordered=2.0, filled=2.0, decision_price=100.0, average_price=100.5,
    ...     arrival_price=100.2, half_spread=0.001, fee_rate=0.0005)
    >>> found = shortfall_of([bought])
    >>> [round(part, 9) for part in (found.price, found.delay, found.spread, found.impact, found.fee)]
    [50.0, 20.0, 10.0, 20.0, 5.0]
    """
    traded = [item for item in executions if item.filled > 0.0 and item.decision_price is not None]
    price = _mean([(item.filled, item.price_shortfall) for item in traded])
    if price is None:
        return None
    return Shortfall(
        orders=len(traded),
        price=price,
        delay=_mean([(item.filled, item.delay) for item in traded]),
        spread=_mean([(item.filled, item.half_spread) for item in traded]),
        impact=_mean([(item.filled, item.impact) for item in traded]),
        fee=_mean([(item.filled, item.fee_rate) for item in traded]),
        predicted_spread=_mean([(item.filled, item.predicted_spread) for item in traded]),
        predicted_impact=_mean([(item.filled, item.predicted_impact) for item in traded]),
        predicted_fee=_mean([(item.filled, item.predicted_fee) for item in traded]),
        parts_known=sum(item.impact is not None for item in traded),
    )


def adherence_of(executions: Sequence[Execution]) -> Adherence | None:
    """How orders were followed; None without one.

    Examples
    --------
    >>> orders = [Execution(side=1, ordered=2.0, filled=filled, late=late, decision_price=1.0, average_price=1.0)
    ...     for filled, late in ((2.0, 0.0), (1.0, 1.0), (3.0, 0.0))]
    >>> found = adherence_of(orders)
    >>> found.filled, round(found.late, 3), found.overfilled
    (0.8333333333333334, 0.167, 1)
    """
    if not executions:
        return None
    count = len(executions)
    return Adherence(
        orders=count,
        filled=math.fsum(min(item.filled / item.ordered, 1.0) for item in executions) / count,
        late=math.fsum(min(item.late / item.ordered, 1.0) for item in executions) / count,
        overfilled=sum(item.filled > item.ordered * (1.0 + 1e-9) for item in executions),
        wrong_side=sum(item.wrong_side > 0.0 for item in executions),
    )


def _mean(weighted: Sequence[tuple[float, float | None]]) -> float | None:
    known = [(weight, value) for weight, value in weighted if value is not None]
    if not known:
        return None
    total = math.fsum(weight for weight, _ in known)
    return BASIS_POINTS * math.fsum(weight * value for weight, value in known) / total
