"""Margin of many accounts of linear positions at once, and the order in which they are to be liquidated."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.margin.assembly import MarginRates
from services.margin.registry import MarginPolicy
from services.margin.size_addons import UNKNOWN_MARKET, MarketSize

_BLOCK = 1_024
"""Accounts at once: their margins stay in the cache."""


class AccountStatus(StrEnum):
    """Where an account stands."""

    OK = "ok"
    BELOW_INITIAL = "below_initial"
    BELOW_MAINTENANCE = "below_maintenance"
    DEFICIT = "deficit"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class BatchHealth:
    """Per account: maintenance over equity, and `status`.

    `ratio` is infinite where equity is not positive and a position is held, 0 without positions, NaN where unknown.
    `queue` holds the places of accounts below maintenance, the least healthy first.
    """

    ratio: Floats
    status: NDArray[Any]
    queue: NDArray[np.int64]


def batch_margins(
    contracts: ArrayLike,
    notional_per_contract: ArrayLike,
    rates: MarginRates,
    policy: MarginPolicy,
    market: MarketSize = UNKNOWN_MARKET,
) -> tuple[Floats, Floats]:
    """Initial and maintenance margin of each account: the sum of its positions' under one policy.

    Parameters
    ----------
    contracts : (a, u) array
        Signed positions of each account in each market.
    notional_per_contract : (u,) array
        V [account currency]; NaN where a market is not known.
    rates : MarginRates
        Of each market.
    policy : MarginPolicy
    market : MarketSize
        Of each market, for add-ons that read it.

    Returns
    -------
    tuple of (a,) arrays
        [account currency]; NaN for an account that holds what is not known.

    Raises
    ------
    InvalidInput
        If the shapes differ.

    Notes
    -----
    No netting between markets: see `linear_scenario_margins` for that. Cost O(a·u).

    Examples
    --------
    >>> policy = MarginPolicy()
    >>> initial, maintenance = batch_margins([[2.0], [0.0]], [100.0], policy.rates([0.8]), policy)
    >>> initial.round(4).tolist(), maintenance.round(4).tolist()
    ([30.7983, 0.0], [18.479, 0.0])
    """
    held, value = np.asarray(contracts, dtype=np.float64), np.asarray(notional_per_contract, dtype=np.float64)
    if held.ndim != 2 or value.shape != held.shape[1:]:
        raise InvalidInput("contracts", "must be (accounts, markets), with a notional for each market", held.shape)
    initial, maintenance = np.empty(held.shape[0]), np.empty(held.shape[0])
    for first in range(0, held.shape[0], _BLOCK):
        asked = policy.requirement(held[first : first + _BLOCK], value, rates, market=market)
        initial[first : first + _BLOCK] = asked.initial.sum(axis=1)
        maintenance[first : first + _BLOCK] = asked.maintenance.sum(axis=1)
    return initial, maintenance


def account_health(equity: ArrayLike, initial: ArrayLike, maintenance: ArrayLike) -> BatchHealth:
    """Status of accounts, and the liquidation queue.

    Parameters
    ----------
    equity, initial, maintenance : (a,) arrays
        [account currency]; NaN in any of them is unknown, and never healthy.

    Notes
    -----
    Below maintenance: equity does not exceed it. The queue is ordered by maintenance over equity, largest first;
    without equity that is infinite, and the larger shortfall comes first. Equal accounts keep their order. Accounts of
    unknown margin are not in it: nobody is liquidated on what is not known.

    Examples
    --------
    >>> found = account_health([100.0, 40.0, -5.0, 70.0], [60.0] * 4, [50.0] * 4)
    >>> found.status.tolist(), found.queue.tolist()
    (['ok', 'below_maintenance', 'below_maintenance', 'ok'], [2, 1])
    """
    own, start, keep = (np.asarray(values, dtype=np.float64) for values in (equity, initial, maintenance))
    unknown = np.isnan(own) | np.isnan(start) | np.isnan(keep)
    solvent = own > 0.0
    ratio = np.where(solvent, keep / np.where(solvent, own, 1.0), np.where(keep > 0.0, np.inf, 0.0))
    short = (keep > 0.0) & (own <= keep)
    status = np.select(
        [unknown, short, own < 0.0, own < start],
        [AccountStatus.UNKNOWN, AccountStatus.BELOW_MAINTENANCE, AccountStatus.DEFICIT, AccountStatus.BELOW_INITIAL],
        AccountStatus.OK,
    )
    places = np.flatnonzero(short & ~unknown)
    order = np.lexsort((places, (own - keep)[places], -ratio[places]))
    return BatchHealth(np.where(unknown, np.nan, ratio), status, places[order])
