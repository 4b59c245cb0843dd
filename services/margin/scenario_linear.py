"""Scenario margin of many accounts that hold only linear positions: one matrix product instead of a book each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.margin.scenario_preset import ScenarioPreset
from services.margin.scenario_rows import scenario_rows
from services.options.checks import finite

_BLOCK = 1_024
"""Accounts at once: their scenarios stay in the cache."""


@dataclass(frozen=True, slots=True)
class LinearMargins:
    """Per account [quote]: requirements >= 0, and the worst scenario's profit and loss <= 0."""

    initial: Floats
    maintenance: Floats
    worst: Floats


def linear_moves(preset: ScenarioPreset, volatilities: Sequence[float | None]) -> Floats:
    """(s, u) damped moves of linear positions, by scenario and underlying.

    Parameters
    ----------
    preset : ScenarioPreset
    volatilities : sequence of float or None
        Of each underlying [annual fraction]; used where the price range follows it.
    """
    ranges = [preset.range_of(f"underlyings.{place}", sigma) for place, sigma in enumerate(volatilities)]
    return np.stack([scenario_rows(preset, one).linear_move for one in ranges], axis=1)


def linear_scenario_margins(
    notionals: ArrayLike, moves: ArrayLike, preset: ScenarioPreset, *, offsets: ArrayLike = 0.0
) -> LinearMargins:
    """Margin of accounts with perpetuals only, as `scenario_margin` gives it for each of them.

    Parameters
    ----------
    notionals : (a, u) array
        Signed position of each account in each underlying [quote].
    moves : (s, u) array
        See `linear_moves`.
    preset : ScenarioPreset
        Its factors and its charges on perpetuals; nothing else of it applies.
    offsets : (u,) array
        Share of a profit that may pay for losses in other underlyings, as `UnderlyingBook.netting_offset`.

    Returns
    -------
    LinearMargins

    Raises
    ------
    InvalidInput
        If a number is not finite, an offset lies outside [0, 1], the shapes differ, or the preset has a roll shock or
        a least delta charge.

    Notes
    -----
    Mark prices stand for spot, a stablecoin for its peg and confidences for 1. Scenarios that differ in volatility only
    are one. With offsets below 1 longs and shorts are separate columns, which keeps netting a product. Cost O(a·u·s).

    Examples
    --------
    >>> from services.margin.scenario_presets import DERIVE_PMRM2
    >>> moves = linear_moves(DERIVE_PMRM2, [None])
    >>> found = linear_scenario_margins([[100.0], [-100.0], [0.0]], moves, DERIVE_PMRM2)
    >>> found.initial.round(10).tolist(), found.maintenance.round(10).tolist()
    ([22.0, 22.0, 0.0], [17.4, 17.4, 0.0])
    """
    held, by_scenario = finite("notionals", notionals), finite("moves", moves)
    if held.ndim != 2 or by_scenario.ndim != 2 or held.shape[1] != by_scenario.shape[1]:
        raise InvalidInput("notionals", "must be (accounts, underlyings), moves (scenarios, underlyings)", held.shape)
    if preset.roll is not None or preset.minimum_delta is not None:
        raise InvalidInput("preset", "must have neither a roll shock nor a least delta charge", preset.name)
    share = np.broadcast_to(finite("offsets", offsets), held.shape[1:])
    if np.any((share < 0.0) | (share > 1.0)):
        raise InvalidInput("offsets", "must lie in [0, 1]", share.tolist())
    # A single underlying has nobody to net with: its profits stay whole.
    whole = held.shape[1] == 1 or bool((share == 1.0).all())
    weights = np.unique(by_scenario, axis=0)
    if not whole:
        weights = np.hstack([_taken(weights, share), -_taken(-weights, share)])
    rules, worst, size = preset.contingencies, np.empty(held.shape[0]), np.empty(held.shape[0])
    for first in range(0, held.shape[0], _BLOCK):
        block = held[first : first + _BLOCK]
        columns = block if whole else np.hstack([np.maximum(block, 0.0), np.minimum(block, 0.0)])
        worst[first : first + _BLOCK] = (weights @ columns.T).min(axis=0)
        size[first : first + _BLOCK] = np.abs(block).sum(axis=1)
    loss = np.maximum(-worst, 0.0)
    standing = rules.perpetual_maintenance * size
    initial = loss * preset.initial_factor + rules.perpetual_initial * size + standing
    maintenance = (
        loss * preset.maintenance_factor + standing
        if preset.maintenance_of_initial is None
        else preset.maintenance_of_initial * initial
    )
    return LinearMargins(initial, maintenance, -loss)


def _taken(gain: Floats, share: Floats) -> Floats:
    return np.where(gain > 0.0, gain * share, gain)
