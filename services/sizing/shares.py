"""Shares of a composition: by inverse volatility, by symbol, and below a largest one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.sizing.columns import SizingColumns


def undiversified_shares(volatility: Floats, members: Bools, budgets: Floats | None = None) -> Floats:
    """Shares ``∝ b/σ``, Σ = 1 over `members`: the risk budget of a book whose volatilities add up.

    Parameters
    ----------
    volatility : (n,) array
        > 0 among the members.
    members : (n,) bool array
        At least one.
    budgets : (n,) array, optional
        b >= 0, not all 0 among the members; equal by default.

    Examples
    --------
    >>> undiversified_shares(np.array([0.2, 0.6, 0.2]), np.array([True, True, False])).tolist()
    [0.75, 0.25, 0.0]
    """
    wanted = np.ones(members.shape) if budgets is None else budgets
    inverse = np.where(members, wanted / np.where(members, volatility, 1.0), 0.0)
    shares: Floats = inverse / inverse.sum()
    return shares


def limit_shares(shares: Floats, limit: float) -> Floats:
    """Shares none of which exceeds a limit: what is cut is divided among the others in proportion (water-filling).

    ``min(limit, k · share)`` with the k that keeps the sum. Where limit × (number of shares > 0) is less than the
    sum there is no such k: every share is the limit, and the rest stays cash.

    Parameters
    ----------
    shares : (n,) array
        >= 0.
    limit : float
        > 0.

    Raises
    ------
    InvalidInput
        If a share is negative or not finite, or the limit is not positive.

    Notes
    -----
    A share of 0 stays 0. Each round caps at least one share more, so that there are at most n rounds of O(n).

    References
    ----------
    ffn ``limit_weights``, which raises where the limit cannot be kept; bt ``LimitWeights`` then asks for no weight.

    Examples
    --------
    >>> limit_shares(np.array([0.7, 0.2, 0.1]), 0.5).round(4).tolist()
    [0.5, 0.3333, 0.1667]
    >>> limit_shares(np.array([0.5, 0.25, 0.25]), 0.3).tolist()
    [0.3, 0.3, 0.3]
    """
    if not (np.isfinite(shares).all() and (shares >= 0.0).all()):
        raise InvalidInput("shares", "must be finite and >= 0", shares.tolist())
    if not limit > 0.0:
        raise InvalidInput("limit", "must be > 0", limit)
    capped, held, filled = shares > np.inf, shares > 0.0, shares
    while (filled > limit).any():
        capped = capped | (filled > limit)
        free = held & ~capped
        if not free.any():
            return np.where(held, limit, 0.0)
        left = float(shares.sum()) - limit * np.count_nonzero(capped)
        filled = np.where(capped, limit, shares * (left / float(shares[free].sum())))
    return filled


def by_symbol(entries: Sequence[tuple[str, float]], columns: SizingColumns) -> Floats:
    """Values of rows from values of symbols, in equal parts where a symbol has several rows; NaN where it is not named.

    The second row of an instrument that is held long and short has 0: it takes no share.
    """
    values = dict(entries)
    rows = list(zip(columns.symbols, columns.primary.tolist(), strict=True))
    counts = Counter(symbol for symbol, primary in rows if primary)
    return np.array(
        [
            0.0 if not primary else values[symbol] / counts[symbol] if symbol in values else np.nan
            for symbol, primary in rows
        ],
        dtype=float,
    )


def unnamed(values: Floats, columns: SizingColumns, rows: Bools, where: str) -> dict[int, str]:
    """Rows among `rows` whose symbol the policy does not name, and where to name it."""
    lacking = np.flatnonzero(rows & np.isnan(values)).tolist()
    return {index: f"{columns.symbols[index]} is not named in {where}" for index in lacking}


def check_symbols(parameter: str, symbols: Sequence[str]) -> None:
    """Refuse a symbol that is named twice.

    Raises
    ------
    InvalidInput
    """
    if twice := [symbol for symbol in symbols if symbols.count(symbol) > 1]:
        raise InvalidInput(parameter, "must name each symbol once", twice[0])
