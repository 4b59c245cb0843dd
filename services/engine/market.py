"""From series and cached states to volatility and correlation, per market key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.explain import Floats
from services.engine.inputs import EvaluationInputs, RecordedCorrelation, SeriesInput, StateInput
from services.risk.clock import Ring, common_clock
from services.risk.methods.undiversified import Undiversified
from services.risk.registry import CorrelationMethod
from services.volatility.forecast import SeriesForecast, forecast_bars, forecast_panel
from services.volatility.readout import VolatilityReadout
from services.volatility.registry import Estimator


@dataclass(frozen=True, slots=True)
class Market:
    """What is known of each market: a readout or a refusal, and the correlation between those with a readout.

    `source` says where the correlation came from: ``dcc``, ``recorded``, ``single`` or, without one, why
    volatilities add up.
    """

    readouts: dict[str, VolatilityReadout]
    refusals: dict[str, Refusal]
    keys: tuple[str, ...]
    correlation: Floats | None
    source: str

    def row_correlation(self, market_keys: list[str]) -> Floats | None:
        """Correlation between rows; rows of one market are perfectly correlated, unknown markets are uncorrelated
        with others.
        """
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
    for key, forecast in forecast_all(inputs.series, inputs.policy.estimator).items():
        if isinstance(forecast, Refusal):
            found[key] = forecast
        else:
            found[key] = forecast.readout
            rings[key] = Ring(
                forecast.readout.last_close_at,
                forecast.readout.bar_seconds,
                forecast.standardized,
                forecast.consecutive,
            )
    for key, state in inputs.states.items():
        found[key] = state.readout
        if state.ring is not None:
            rings[key] = state.ring
    readouts = {key: value for key, value in found.items() if isinstance(value, VolatilityReadout)}
    refusals = {key: value for key, value in found.items() if isinstance(value, Refusal)}
    keys = tuple(readouts)
    if inputs.correlation is not None:
        recorded = inputs.correlation
        return Market(readouts, refusals, recorded.keys, recorded.matrix, recorded.source)
    matrix, source = correlate(keys, rings, inputs.policy.correlation)
    return Market(readouts, refusals, keys, matrix, source)


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
    aligned = common_clock([rings[key] for key in keys])
    if aligned is None:
        return None, "none: fewer than 60 common bars or mixed intervals; volatilities add up"
    matrix: Floats = method.matrix(aligned).astype(np.float32).astype(np.float64)
    return matrix, method.method


def forecast_all(series: Mapping[str, SeriesInput], estimator: Estimator) -> dict[str, SeriesForecast | Refusal]:
    """Forecast all series; those of one shape and clock as one panel."""
    panels: dict[tuple[int, int, Calendar], list[str]] = {}
    results: dict[str, SeriesForecast | Refusal] = {}
    for key, item in series.items():
        if item.close_times is None:
            shape = (item.closes.size, item.bar_seconds, item.calendar)
            panels.setdefault(shape, []).append(key)
        else:
            results[key] = forecast_bars(
                item.closes, item.close_times, bar_seconds=item.bar_seconds, calendar=item.calendar, estimator=estimator
            )
    for (_, bar_seconds, calendar), members in panels.items():
        closes = np.stack([series[key].closes for key in members])
        panel = forecast_panel(
            closes,
            ends=[series[key].end for key in members],
            bar_seconds=bar_seconds,
            calendar=calendar,
            estimator=estimator,
        )
        results.update(zip(members, panel, strict=True))
    return {key: results[key] for key in series}
