"""Tail loss of whole books over joint scenarios: what netting and correlation leave of the single margins."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.margin.filtered_returns import (
    FARTHEST_MOVE,
    Measure,
    Scaling,
    ewma_variances,
    scenario_returns,
    sums_over,
    tail_loss,
)

ACCOUNTS_AT_ONCE = 128
"""1 MB of a thousand scenarios each: the losses are still in the cache when their tail is taken."""


def joint_scenarios(
    returns: ArrayLike,
    *,
    decay: float = 0.97,
    scaling: Scaling = "half",
    lookback: int = 1000,
    bars: int = 1,
    horizon_bars: float = 1.0,
) -> Floats:
    r"""Simple returns of all assets in scenarios that happened to all of them in the same bar.

    Parameters
    ----------
    returns : (assets, n) array
        Log returns on one clock, oldest first, finite.
    decay, scaling, lookback
        As in `FilteredHistorical`; each asset is scaled by its own volatility.
    bars : int
        Consecutive returns that are added up, overlapping.
    horizon_bars : float
        Log returns are multiplied by the root of it; 1 where `bars` reaches the horizon.

    Returns
    -------
    (assets, scenarios) array

    Raises
    ------
    InvalidInput
        If a return is not finite or there are fewer than `bars`.

    Notes
    -----
    The dependence between assets is that of the days, extremes included; a shift of correlations since is not seen.

    References
    ----------
    Barone-Adesi, Giannopoulos & Vosper (1999), VaR without correlations, J. Futures Markets 19.

    Examples
    --------
    >>> joint_scenarios([[0.01, -0.02], [0.0, 0.03]], scaling="none").round(6).tolist()
    [[0.01005, -0.019801], [0.0, 0.030455]]
    """
    table = np.atleast_2d(np.asarray(returns, dtype=np.float64))
    if not np.isfinite(table).all():
        raise InvalidInput("returns", "must be finite", "NaN or infinity", "leave out bars that an asset does not have")
    if not 1 <= bars <= table.shape[1]:
        raise InvalidInput("bars", f"must lie within 1 and the number of returns ({table.shape[1]})", bars)
    reach = lookback + bars - 1
    volatilities = np.sqrt(np.array([ewma_variances(row, decay) for row in table]))
    scaled = scenario_returns(table[:, -reach:], volatilities[:, :-1][:, -reach:], volatilities[:, -1], scaling)
    moves = sums_over(scaled, bars) * np.sqrt(horizon_bars)
    found: Floats = np.expm1(np.clip(moves, -FARTHEST_MOVE, FARTHEST_MOVE))
    return found


def portfolio_shortfalls(
    exposures: ArrayLike, scenarios: ArrayLike, *, alpha: float = 0.975, measure: Measure = "expected_shortfall"
) -> Floats:
    r"""Tail loss of each book: of ``−Σ_j exposure_j · return_j`` over the scenarios.

    Parameters
    ----------
    exposures : (accounts, assets) array
        Signed notionals [account currency].
    scenarios : (assets, scenarios) array
        Simple returns, as of `joint_scenarios`.
    alpha, measure
        As in `FilteredHistorical`.

    Returns
    -------
    (accounts,) array
        [account currency]; negative where even the tail gains.

    Raises
    ------
    InvalidInput
        If shapes do not fit or a number is not finite: an unknown exposure is not zero.

    Notes
    -----
    Positions whose value is linear in the price; options need a revaluation in each scenario. Never above the sum of
    the single shortfalls (expected shortfall is subadditive; value at risk is not). A product of matrices and a partial
    sort: O(accounts · scenarios · assets).

    Examples
    --------
    >>> book, hedged = [1_000.0, 0.0], [1_000.0, -1_000.0]
    >>> portfolio_shortfalls([book, hedged], [[-0.1, 0.1], [-0.09, 0.1]], alpha=0.5).round(9).tolist()
    [100.0, 10.0]
    """
    held, moves = np.asarray(exposures, dtype=np.float64), np.asarray(scenarios, dtype=np.float64)
    if held.ndim != 2 or moves.ndim != 2 or held.shape[1] != moves.shape[0] or moves.shape[1] == 0:
        rule = "must be (accounts, assets), and scenarios (assets, scenarios)"
        raise InvalidInput("exposures", rule, f"{held.shape} and {moves.shape}")
    if not (np.isfinite(held).all() and np.isfinite(moves).all()):
        raise InvalidInput("exposures", "and scenarios must be finite", "NaN or infinity")
    found, room = np.empty(held.shape[0]), np.empty((min(ACCOUNTS_AT_ONCE, held.shape[0]), moves.shape[1]))
    for start in range(0, held.shape[0], ACCOUNTS_AT_ONCE):
        block = held[start : start + ACCOUNTS_AT_ONCE]
        # One piece of memory for all blocks: fresh megabytes cost more than the arithmetic.
        losses = np.matmul(-block, moves, out=room[: block.shape[0]])
        found[start : start + block.shape[0]] = tail_loss(losses, alpha, measure, overwrite=True)
    return found
