"""Rules of a reverse stress test from the wire, and its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.translate.answer import money, stat
from app.translate.notes import Notes
from models.api.reverse_stress import ReverseStressRequest
from models.api.scenario_margin import MarginOptionIn
from services.core.errors import InvalidInput
from services.margin.reverse_stress import Crossing, NearestMove, ReverseStress, Sides, StressRules
from services.margin.scenario_preset import ScenarioPreset

UNITS = {
    "money": "the quote currency, `currency`",
    "sigmas": "standard deviations of log moves over `horizon_days`",
    "move": "fraction of the price",
}


def rules_of(request: ReverseStressRequest, notes: Notes) -> StressRules:
    """Rules of a request.

    Raises
    ------
    InvalidInput
        If an underlying has no volatility, or the correlations are none.
    """
    volatilities = []
    for place, item in enumerate(request.underlyings):
        if item.volatility is None:
            raise InvalidInput(f"underlyings.{place}.volatility", "must be given: moves are counted in it", None)
        volatilities.append(item.volatility)
    if request.correlation is None and len(volatilities) > 1:
        notes.assume("/correlation", "none", "moves of several underlyings at once are not looked for")
    if "horizon_days" not in request.model_fields_set:
        notes.assume("/horizon_days", "1", "a standard deviation is that of a day")
    return StressRules(
        volatilities=tuple(volatilities),
        correlation=None if request.correlation is None else np.array(request.correlation, dtype=np.float64),
        horizon_days=request.horizon_days,
        max_sigmas=request.max_sigmas,
    )


def shifts_of(request: ReverseStressRequest, preset: ScenarioPreset, notes: Notes) -> list[float]:
    """Shifts of volatility that can change anything."""
    bends = preset.regime is not None or any(isinstance(item, MarginOptionIn) for item in request.positions)
    shifts = list(request.volatility_shifts) if bends else [0.0]
    if "volatility_shifts" not in request.model_fields_set or not bends:
        told = ", ".join(f"{shift:g}" for shift in shifts)
        notes.assume("/volatility_shifts", told, "moves of implied volatility that come with every move of prices")
    return shifts


def stress_blocks(request: ReverseStressRequest, found: Sequence[tuple[float, ReverseStress]]) -> dict[str, Any]:
    """Figures of an answer."""
    distances = [one.sigmas for _, stress in found for one in _crossings(stress)]
    return {
        "horizon_days": request.horizon_days,
        "max_sigmas": request.max_sigmas,
        "least_sigmas": stat(min(distances, default=None)),
        "shifts": [_shift(request, shift, stress) for shift, stress in found],
    }


def _crossings(stress: ReverseStress) -> list[Crossing]:
    found = [side for pair in (*stress.alone, *(stress.together or ())) for side in pair]
    found.append(None if stress.nearest is None else stress.nearest.crossing)
    return [one for one in found if one is not None]


def _shift(request: ReverseStressRequest, shift: float, stress: ReverseStress) -> dict[str, Any]:
    return {
        "volatility_shift": shift,
        "status": "liquidated" if stress.liquidated else "ok",
        "equity": money(stress.equity),
        "maintenance_margin": money(stress.maintenance),
        "alone": _sides(request, stress.alone),
        "together": None if stress.together is None else _sides(request, stress.together),
        "nearest": None if stress.nearest is None else _nearest(request, stress.nearest),
    }


def _sides(request: ReverseStressRequest, found: Sequence[Sides]) -> list[dict[str, Any]]:
    return [
        {"underlying": item.underlying, "down": _crossing(request, down), "up": _crossing(request, up)}
        for item, (down, up) in zip(request.underlyings, found, strict=True)
    ]


def _nearest(request: ReverseStressRequest, found: NearestMove) -> dict[str, Any]:
    return {
        "crossing": _crossing(request, found.crossing),
        "first_order_sigmas": stat(found.first_order),
        "rounds": found.rounds,
        "settled": found.settled,
    }


def _crossing(request: ReverseStressRequest, found: Crossing | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "sigmas": stat(found.sigmas),
        "moves": [
            {"underlying": item.underlying, "move": stat(move), "price": stat(float(item.spot) * (1.0 + move))}
            for item, move in zip(request.underlyings, found.moves.tolist(), strict=True)
            if move
        ],
        "equity": money(found.equity),
        "maintenance_margin": money(found.maintenance),
        "touch_probability": stat(found.touch_probability),
    }
