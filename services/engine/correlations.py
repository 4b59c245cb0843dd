"""Correlation and covariance of posted series, with what they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.core.errors import Refusal
from services.core.explain import Floats
from services.core.outcome import Reason
from services.engine.inputs import SeriesInput
from services.engine.market import forecast_all, ring_of
from services.risk.clock import MIN_COMMON_BARS, Uncorrelated, align, well_observed
from services.risk.estimate import CorrelationEstimate, estimate_correlation
from services.risk.matrices import common_bars
from services.risk.registry import CorrelationEstimator
from services.risk.stress import stress_correlation
from services.volatility.bars import Integers
from services.volatility.forecast import SeriesForecast
from services.volatility.registry import Estimator


@dataclass(frozen=True, slots=True)
class CorrelationTable:
    """What posted series say about one another.

    Parameters
    ----------
    keys : tuple of str
        Markets of the matrices, in the order of the request.
    volatility : (m,) array
        As used for sizing [annual].
    observations : (m, m) array, optional
        Bars that each pair shares; None without a common clock.
    estimate : CorrelationEstimate, optional
        None where there is no correlation; `problem` then says why.
    left_out : mapping
        Markets without a forecast, or with too few bars in common with the others.
    """

    keys: tuple[str, ...]
    volatility: Floats
    observations: Integers | None
    estimate: CorrelationEstimate | None
    problem: str | None
    left_out: Mapping[str, Refusal]

    @property
    def correlation(self) -> Floats | None:
        """Matrix with the stress that is due: all correlations up, as for a book of longs."""
        if self.estimate is None:
            return None
        return stress_correlation(self.estimate.matrix, self.estimate.stress)

    @property
    def covariance(self) -> Floats | None:
        """``σ_i σ_j ρ_ij`` [annual variance]."""
        return None if self.correlation is None else self.correlation * np.outer(self.volatility, self.volatility)


def correlate_series(
    series: Mapping[str, SeriesInput], estimator: Estimator, method: CorrelationEstimator
) -> CorrelationTable:
    """Volatility of each market by `estimator`, correlation of its standardised returns by `method`.

    Notes
    -----
    A market that shares fewer than 60 bars with others is left out, so that the rest is answered: the one with the most
    such pairs first. The regime is always read. Cost: that of the forecasts, and O(t m²).
    """
    found = forecast_all(series, estimator)
    left_out = {key: value for key, value in found.items() if isinstance(value, Refusal)}
    forecasts = {key: value for key, value in found.items() if isinstance(value, SeriesForecast)}
    panel = align([ring_of(forecast) for forecast in forecasts.values()], previous_tick=method.asynchronous != "none")
    if isinstance(panel, Uncorrelated):
        names = list(forecasts)
        where = ", ".join(names[place] for place in panel.markets)
        problem = f"{where}: {panel.detail}" if where else panel.detail
        return CorrelationTable(tuple(names), _volatility(forecasts), None, None, problem, left_out)
    kept = well_observed(panel)
    shared = common_bars(panel)
    keys = tuple(key for place, key in enumerate(forecasts) if place in kept)
    left_out |= {key: _too_few(shared, place) for place, key in enumerate(forecasts) if place not in kept}
    estimate = (
        estimate_correlation(panel[:, kept], method, monitor=True)
        if len(kept) > 1
        else Uncorrelated("fewer than two markets have enough bars")
    )
    return CorrelationTable(
        keys=keys,
        volatility=_volatility({key: forecasts[key] for key in keys}),
        observations=shared[np.ix_(kept, kept)],
        estimate=None if isinstance(estimate, Uncorrelated) else estimate,
        problem=estimate.detail if isinstance(estimate, Uncorrelated) else None,
        left_out={key: left_out[key] for key in series if key in left_out},
    )


def _volatility(forecasts: Mapping[str, SeriesForecast]) -> Floats:
    return np.array([forecast.readout.volatility for forecast in forecasts.values()], dtype=float)


def _too_few(shared: Integers, place: int) -> Refusal:
    others = int((shared[place] < MIN_COMMON_BARS).sum() - (shared[place, place] < MIN_COMMON_BARS))
    detail = f"{shared[place, place]} standardised returns on the common clock, and fewer than {MIN_COMMON_BARS} shared"
    return Refusal(Reason.INSUFFICIENT_HISTORY, f"{detail} with {others} of the others")
