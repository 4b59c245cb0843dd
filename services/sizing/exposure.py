"""Methods that set the gross exposure of a whole book: how it is shared among the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from services.core.explain import Bools, Floats, Trail
from services.sizing.columns import NO_RISK, SizingColumns
from services.sizing.interface import Factor, as_held


def held_notional(columns: SizingColumns, rows: Bools) -> Floats:
    """Signed notional of `rows` as held, coin collateral included [account currency]; 0 elsewhere."""
    return np.where(rows, (columns.current + columns.collateral) * columns.unit_value, 0.0)


def occupied(columns: SizingColumns, resized: Bools) -> float:
    """Gross exposure over equity of what the method does not size."""
    rest = columns.fixed_notional + np.abs(columns.collateral * columns.unit_value)
    return float(rest[~resized].sum()) / columns.equity


def unit_volatility(columns: SizingColumns, notional: Floats, resized: Bools) -> float:
    """Volatility of one unit of gross exposure, events included; at least that of any row that is not sized [annual].

    The rest of a book may be what brings it down: its most volatile row stands for it.
    """
    gross = float(np.abs(notional).sum())
    seen = columns.with_events()
    found = seen.portfolio_volatility(np.where(columns.known_risk, notional, 0.0) / gross) if gross > 0.0 else 0.0
    rest = ~resized & columns.known_risk & (columns.fixed_notional > 0.0)
    return max(found, float(seen.volatility[rest].max(initial=0.0)))


class BookExposure:
    """A method whose factors are the gross exposure of the book over equity.

    With signals, the n live rows have equal shares, each times its own |direction|; without, every row keeps its share
    of what is held. What is not sized counts: the sized rows get what is left.
    """

    __slots__ = ()
    uses_evidence: ClassVar[bool] = True
    tied: ClassVar[bool] = False

    def exposure(self, columns: SizingColumns, volatility: Floats) -> Sequence[Factor]:
        """Factors of the exposure of a book whose unit has `volatility`, one figure a row."""
        raise NotImplementedError

    def full_weight(self, columns: SizingColumns, count: int) -> Floats:
        """Weight of a row that is alone in the book, over `count`."""
        weight = np.full(columns.current.shape, 1.0 / count)
        for factor in self.exposure(columns, columns.event_volatility):
            weight = weight * factor.values
        return weight

    def size_instruments(self, columns: SizingColumns, resized: Bools) -> Trail:
        """Equal shares, each times its |direction|."""
        return self._shared(columns, resized, np.full(columns.current.shape, 1.0 / columns.live_count), "signals")

    def size_book(self, columns: SizingColumns, resized: Bools) -> Trail:
        """The book as it is composed, on the sides that are held."""
        held = np.abs(held_notional(columns, resized))
        gross = float(held.sum())
        share = held / gross if gross > NO_RISK * columns.equity else np.zeros(held.shape)
        return self._shared(as_held(columns, resized), resized, share, "positions")

    def _shared(self, columns: SizingColumns, resized: Bools, share: Floats, parameter: str) -> Trail:
        trail = Trail(np.where(resized, 0.0, columns.current))
        whole = np.sign(columns.direction) * columns.equity / columns.unit_value
        trail.apply("equity", np.where(resized, whole, trail.value), columns.equity_parameter)
        trail.multiply("direction", np.where(resized, np.abs(columns.direction), 1.0), "signals.direction")
        trail.multiply("share", np.where(resized, share, 1.0), parameter)
        notional = np.where(resized, trail.value * columns.unit_value, 0.0)
        volatility = np.full(share.shape, unit_volatility(columns, notional, resized))
        total = 1.0
        for factor in self.exposure(columns, volatility):
            trail.multiply(factor.stage, np.where(resized, factor.values, 1.0), factor.parameter)
            total = total * float(np.broadcast_to(factor.values, share.shape)[0]) if share.size else total
        wanted = float(np.abs(notional).sum()) / columns.equity * total
        room = max(total - occupied(columns, resized), 0.0)
        if wanted > room * (1.0 + NO_RISK):
            trail.multiply("rest_of_book", np.where(resized, room / wanted, 1.0), "positions")
        return trail

    def max_gross(self) -> float | None:
        """No limit of its own."""
        return None

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """No row is refused."""
        return {}
