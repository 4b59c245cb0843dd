"""From series and cached states to volatility and correlation, per market key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from services.core.errors import Refusal
from services.core.explain import Floats
from services.engine.inputs import EvaluationInputs, RecordedCorrelation, SeriesInput, StateInput
from services.risk.clock import Ring, Uncorrelated, common_clock
from services.risk.estimate import estimate_correlation
from services.risk.methods.undiversified import Undiversified
from services.risk.registry import CorrelationMethod
from services.risk.stress import stress_correlation
from services.volatility.forecast import SeriesForecast, forecast_markets
from services.volatility.readout import VolatilityReadout
from services.volatility.registry import Estimator

REPAIRED, STRESSED = "_repaired", "_stressed"
"""Endings of the source of a correlation: pairs contradicted one another; stress is due."""


@dataclass(frozen=True, slots=True)
class Market:
    """What is known of each market: a readout or a refusal, and the correlation between those with a readout.

    `source` says where the correlation came from: the method (``…_repaired``, ``…_stressed`` where it is), ``single``
    or, without one, why volatilities add up. `stress` is the weight of that stress, which depends on the sides of the
    rows and is therefore not in the matrix yet. `standardized`: returns over their forecasts, of posted series alone.
    """

    readouts: dict[str, VolatilityReadout]
    refusals: dict[str, Refusal]
    keys: tuple[str, ...]
    correlation: Floats | None
    source: str
    stress: float = 0.0
    standardized: Mapping[str, Floats] = field(default_factory=dict)

    def row_correlation(self, market_keys: list[str], exposures: Floats) -> Floats | None:
        """Correlation between rows, stressed against the book of these signed exposures where stress is due."""
        matrix = self._between(market_keys)
        if matrix is None or not self.stress:
            return matrix
        net = dict.fromkeys(market_keys, 0.0)
        for key, exposure in zip(market_keys, exposures.tolist(), strict=True):
            net[key] += exposure
        return stress_correlation(matrix, self.stress, np.array([net[key] for key in market_keys]))

    def _between(self, market_keys: list[str]) -> Floats | None:
        """Rows of one market are perfectly correlated, unknown markets are uncorrelated with others."""
        if self.correlation is None:
            return None
        if not self.keys:
            return np.eye(len(market_keys))
        place = {key: index for index, key in enumerate(self.keys)}
        index = np.array([place.get(key, -1) for key in market_keys])
        known = index >= 0
        matrix: Floats = self.correlation[np.ix_(index, index)]
        if known.all():
            return matrix
        padded: Floats = np.where(known[:, None] & known[None, :], matrix, 0.0)
        np.fill_diagonal(padded, 1.0)
        return padded


def resolve_market(inputs: EvaluationInputs) -> Market:
    """Forecast every series, take every state, and correlate what has standardised returns on a common clock."""
    found: dict[str, VolatilityReadout | Refusal] = {}
    rings: dict[str, Ring] = {}
    standardized: dict[str, Floats] = {}
    for key, forecast in forecast_all(inputs.series, inputs.policy.estimator).items():
        if isinstance(forecast, Refusal):
            found[key] = forecast
        else:
            found[key] = forecast.readout
            rings[key] = ring_of(forecast)
            standardized[key] = forecast.standardized[np.isfinite(forecast.standardized)]
    for key, state in inputs.states.items():
        found[key] = state.readout
        if state.ring is not None:
            rings[key] = state.ring
    readouts = {key: value for key, value in found.items() if isinstance(value, VolatilityReadout)}
    refusals = {key: value for key, value in found.items() if isinstance(value, Refusal)}
    keys = tuple(readouts)
    if inputs.correlation is not None:
        recorded = inputs.correlation
    else:
        recorded = RecordedCorrelation(keys, *correlate(keys, rings, inputs.policy.correlation))
    stress = stress_due(recorded.source, inputs.policy.correlation)
    return Market(readouts, refusals, recorded.keys, recorded.matrix, recorded.source, stress, standardized)


def ring_of(forecast: SeriesForecast) -> Ring:
    """Standardised returns of a forecast, with their place in time."""
    clock = forecast.readout.clock
    closes = not clock.continuous
    return Ring(forecast.ring_at, clock.bar_seconds, forecast.standardized, forecast.consecutive, closes)


def correlate_states(states: Mapping[str, StateInput], method: CorrelationMethod) -> RecordedCorrelation:
    """Correlation of the markets of cached states; it depends on nothing else."""
    rings = {key: state.ring for key, state in states.items() if state.ring is not None}
    keys = tuple(key for key, state in states.items() if isinstance(state.readout, VolatilityReadout))
    return RecordedCorrelation(keys, *correlate(keys, rings, method))


def correlate(keys: tuple[str, ...], rings: dict[str, Ring], method: CorrelationMethod) -> tuple[Floats | None, str]:
    """Correlation of the markets and its source; None where there is no common clock of enough bars.

    Kept in single precision, so that a record of it takes half the room: the rounding of 6e-8 is a millionth of the
    sampling error of a correlation from 500 bars (0.04).
    """
    if len(keys) < 2:
        return np.ones((len(keys), len(keys))), "single"
    if isinstance(method, Undiversified):
        return None, "none: volatilities add up, as the policy says"
    if any(key not in rings for key in keys):
        return None, "none: a market has no standardised returns; volatilities add up"
    aligned = common_clock([rings[key] for key in keys], previous_tick=method.asynchronous != "none")
    found = aligned if isinstance(aligned, Uncorrelated) else estimate_correlation(aligned, method)
    if isinstance(found, Uncorrelated):
        names = ", ".join(keys[place] for place in found.markets[:3]) or "the markets"
        return None, f"none: {names}: {found.detail}; volatilities add up"
    matrix: Floats = found.matrix.astype(np.float32).astype(np.float64)
    return matrix, method.method + (REPAIRED if found.repaired else "") + (STRESSED if found.stress else "")


def stress_due(source: str, method: CorrelationMethod) -> float:
    """Weight of the stress that a source names: what is recorded says whether, the policy how much."""
    return method.stress_weight if source.endswith(STRESSED) and not isinstance(method, Undiversified) else 0.0


def forecast_all(series: Mapping[str, SeriesInput], estimator: Estimator) -> dict[str, SeriesForecast | Refusal]:
    """Forecast all series."""
    return dict(zip(series, forecast_markets(list(series.values()), estimator), strict=True))
