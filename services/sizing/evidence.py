"""What sizing methods may ask for besides volatility: figures per row, absent where nobody gave them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.core.explain import Bools, Floats

BASIC = frozenset({"price", "volatility"})
"""Requirements that every row is judged by before anything is asked of a method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Figures per row, in row order; NaN (in lists: None) where unknown.

    Parameters
    ----------
    price : (n,) array
        Mark [quote currency per base unit].
    contract_multiplier : (n,) array
        Base units a contract; quote value a contract where `inverse`.
    inverse : (n,) bool array
        Contracts whose profit is paid in the base coin: ``M (1/S₀ − 1/S₁)`` a contract.
    fx : (n,) array
        Account currency per unit of quote currency.
    entry_price, stop_price, average_true_range : (n,) arrays
        [quote currency]
    expected_return : (n,) array
        Annual, simple, in excess of financing and after costs.
    win_probability, win_loss_ratio, trades : (n,) arrays
        Record of closed trades.
    returns : tuple of (k,) arrays or None
        Simple returns of each row's market a bar, oldest first; None without a posted series.
    standardized : tuple of (k,) arrays or None
        Returns over the volatility forecast for their bar, oldest first.
    periods_per_year : (n,) array
        Bars a year of each row's market.
    initial_margin_long, initial_margin_short : (n,) arrays
        Initial margin rates [fraction of notional].
    delta : (n,) array
        Of one contract [base units]; of a row that is no option its base units.
    underlying : tuple of str
        What a row's price depends on: rows of one underlying are legs of one exposure.
    venue : tuple of str or None
        Where a row is held.
    spot : (n,) bool array
        Owned assets: bought with cash, no margin.
    option : (n,) bool array
        Options.
    last_close_at : tuple of datetime or None
        Close of the newest bar behind each row; empty: unknown.
    return_times : tuple of (k,) arrays or None
        Close of the bar of each of `returns` [s since 1970], where bars are missing in between; empty: none is.
    long_run : (n,) array, optional
        Long-run volatility of each row [annual].
    committed_margin : float
        Initial margin of what cannot be resized, and equity that does not count for margin [account currency].
    distance_long, distance_short : (n,) arrays, optional
        Notional over free equity that keeps the liquidation price at the distance of the policy; inf: no limit.
    coin_numeraire : (n,) bool array, optional
        Rows whose base coin is the account currency: their `fx` is one over the price, and moves with it.
    """

    price: Floats
    contract_multiplier: Floats
    inverse: Bools
    fx: Floats
    entry_price: Floats
    stop_price: Floats
    average_true_range: Floats
    expected_return: Floats
    win_probability: Floats
    win_loss_ratio: Floats
    trades: Floats
    returns: tuple[Floats | None, ...]
    standardized: tuple[Floats | None, ...]
    periods_per_year: Floats
    initial_margin_long: Floats
    initial_margin_short: Floats
    delta: Floats
    underlying: tuple[str, ...]
    venue: tuple[str | None, ...]
    spot: Bools
    option: Bools
    last_close_at: tuple[datetime | None, ...] = ()
    return_times: tuple[Floats | None, ...] = ()
    long_run: Floats | None = None
    committed_margin: float = 0.0
    distance_long: Floats | None = None
    distance_short: Floats | None = None
    coin_numeraire: Bools | None = None


Known = Callable[[Evidence], Bools]


def _listed(lists: tuple[Floats | None, ...]) -> Bools:
    return np.array([item is not None and item.size > 0 for item in lists], dtype=bool)


REQUIREMENTS: dict[str, tuple[Known, str]] = {
    "average_true_range": (
        lambda evidence: np.isfinite(evidence.average_true_range),
        "a series with open, high and low, or signals[].average_true_range",
    ),
    "stop_price": (lambda evidence: np.isfinite(evidence.stop_price), "signals[].stop_price"),
    "expected_return": (lambda evidence: np.isfinite(evidence.expected_return), "signals[].expected_return"),
    "win_statistics": (
        lambda evidence: np.isfinite(evidence.win_probability + evidence.win_loss_ratio + evidence.trades),
        "signals[].win_probability, win_loss_ratio and trades",
    ),
    "returns": (lambda evidence: _listed(evidence.returns), "a posted series for this market"),
    "observations": (
        lambda evidence: _listed(evidence.returns),
        "a posted series for this market, or sizing.observations: what expected_return was estimated from "
        "(or set sizing.shrink to false)",
    ),
    "standardized": (
        lambda evidence: _listed(evidence.standardized),
        "a posted series or a cached state with standardised returns",
    ),
}
"""Requirement to (which rows have it, how to send it)."""


def lacking(requires: frozenset[str], evidence: Evidence, rows: Bools) -> dict[int, str]:
    """Rows among `rows` without a required figure, and what to send."""
    found: dict[int, str] = {}
    for name in sorted(requires - BASIC):
        known, remedy = REQUIREMENTS[name]
        for index in np.flatnonzero(rows & ~known(evidence)).tolist():
            found.setdefault(index, f"the sizing method needs {name}: send {remedy}")
    return found
