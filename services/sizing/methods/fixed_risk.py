"""Fixed risk to a stop: being stopped out loses a fraction of the capital, costs included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from services.core.explain import Bools, Floats
from services.sizing.columns import SizingColumns
from services.sizing.interface import Factor, RowByRow, evidence_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedRisk(RowByRow):
    r"""``n = E ρ / ((|P_e − P_s| + fees + slip) · M · fx)``: a stop-out costs ρ of the capital.

    Fees are charged on notional, at the entry and at the exit: ``fee · (P_e + max(P_e, P_s) + slip)``; slip is
    ``slippage · P_e``. An inverse contract loses ``M |1/P_e − 1/P_s|`` coins: in the account currency, with the coin
    valued at the stop, ``M · fx · |P_e − P_s| / P_e``. Where the account is kept in the coin itself, fx moves with the
    price, and the loss is that number of coins.

    Parameters
    ----------
    risk_fraction : float
        ρ, loss of a stop-out over the capital [fraction].
    fee : float
        Fee of one order [fraction of notional]; a stop takes liquidity.
    slippage : float
        How much worse than the stop the exit is filled [fraction of the entry price].
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    The entry is that of the signal, else the mark. A stop on the wrong side of the entry, or at it, is refused: that
    loss has no size. A stop is an order and no promise: a gap through it loses more, and the tighter the stop the more
    of that. Each row may lose ρ on its own; limits on leverage act afterwards, which tight stops run into.

    References
    ----------
    Vince (1990), Portfolio Management Formulas, ch. 2 (fixed fractional trading). Tharp (1998), Trade Your Way to
    Financial Freedom, ch. 12 (percent risk).
    """

    method: Literal["fixed_risk"] = "fixed_risk"
    risk_fraction: Annotated[float, Gt(0), Le(0.5)] = 0.01
    fee: Annotated[float, Ge(0), Lt(0.1)] = 0.0005
    slippage: Annotated[float, Ge(0), Lt(0.5)] = 0.0
    scope: Literal["book", "instrument"] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"price", "stop_price"})
    shares_capital: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def factors(self, columns: SizingColumns) -> Sequence[Factor]:
        """Risk, over the loss of a stop-out as a fraction of today's notional."""
        return (
            Factor("risk_fraction", self.risk_fraction, "sizing.risk_fraction"),
            Factor("stop_distance", 1.0 / self.loss(columns), "signals.stop_price"),
        )

    def loss(self, columns: SizingColumns) -> Floats:
        """Loss of a stop-out over the notional at the mark; NaN without a stop on the right side."""
        seen = evidence_of(columns)
        entry = entries(columns)
        stop = np.where(wrong_side(columns), np.nan, seen.stop_price)
        found = stop_loss(
            entry,
            stop,
            per_notional=np.where(seen.inverse, entry, seen.price),
            fee=self.fee,
            slippage=self.slippage,
        )
        coin = np.zeros(entry.shape, dtype=bool) if seen.coin_numeraire is None else seen.coin_numeraire
        found = np.where(coin, found * seen.price / stop, found)
        return np.where(found > 0.0, found, np.nan)

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """Rows whose stop is at the entry or on the side of the profit."""
        stop, entry = evidence_of(columns).stop_price, entries(columns)
        return {
            index: f"stop_price {stop[index]:g} of a {'long' if columns.direction[index] > 0 else 'short'} must be "
            f"{'below' if columns.direction[index] > 0 else 'above'} its entry {entry[index]:g}"
            for index in np.flatnonzero(rows & wrong_side(columns)).tolist()
        }


def entries(columns: SizingColumns) -> Floats:
    """Planned entry of each row, else its mark [quote currency]."""
    seen = evidence_of(columns)
    return np.where(np.isfinite(seen.entry_price), seen.entry_price, seen.price)


def wrong_side(columns: SizingColumns) -> Bools:
    """Rows whose stop is not on the losing side of the entry; a row without a direction is asked nothing."""
    distance = columns.direction * (entries(columns) - evidence_of(columns).stop_price)
    wrong: Bools = (columns.direction != 0.0) & (distance <= 0.0)
    return wrong


def stop_loss(entry: Floats, stop: Floats, *, per_notional: Floats, fee: float, slippage: float) -> Floats:
    r"""``(|P_e − P_s| + s + fee (P_e + max(P_e, P_s) + s)) / P`` with ``s = slippage · P_e``: loss over notional.

    Parameters
    ----------
    entry, stop : (n,) arrays
        P_e and P_s [quote currency].
    per_notional : (n,) array
        P, what a notional of 1 is at: the mark for linear contracts; the entry for inverse ones, whose notional is
        fixed.
    fee, slippage : float
        [fraction]

    Notes
    -----
    The exit of a long is charged as if made at the entry: a little too much, ``fee · (|P_e − P_s| + 2 s)`` at most.

    Examples
    --------
    >>> entry, stop = np.array([128.0]), np.array([96.0])
    >>> stop_loss(entry, stop, per_notional=entry, fee=0.0, slippage=0.0).tolist()
    [0.25]
    """
    slip = slippage * entry
    price = np.abs(entry - stop) + slip + fee * (entry + np.maximum(entry, stop) + slip)
    return np.asarray(price / per_notional, dtype=float)
