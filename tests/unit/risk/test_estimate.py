"""A method on a panel: closes apart, holes, repair, stress that is due."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from services.core.explain import Floats
from services.risk.clock import Uncorrelated
from services.risk.estimate import CorrelationEstimate, between_closes, estimate_correlation
from services.risk.methods.constant_correlation import ConstantCorrelation
from services.risk.methods.dynamic_conditional import DynamicConditional
from services.risk.methods.exponential import Exponential
from services.risk.methods.ledoit_wolf import LedoitWolf
from services.risk.regime import CorrelationRegime
from services.risk.registry import CorrelationEstimator

METHODS = [member() for member in get_args(CorrelationEstimator)]
LONG = Exponential(half_life=2_000.0, clip=20.0)


def panel(bars: int, markets: int = 4, rho: float = 0.3, seed: int = 0) -> Floats:
    generator = np.random.default_rng(seed)
    common = generator.standard_normal((bars, 1))
    return np.sqrt(rho) * common + np.sqrt(1.0 - rho) * generator.standard_normal((bars, markets))


def estimated(values: Floats, method: CorrelationEstimator, *, monitor: bool = False) -> CorrelationEstimate:
    found = estimate_correlation(values, method, monitor=monitor)
    assert isinstance(found, CorrelationEstimate)
    return found


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.method)
def test_without_holes_the_matrix_is_the_methods_own(method: CorrelationEstimator) -> None:
    values = panel(300)
    found = estimated(values, method)
    assert np.array_equal(found.matrix, method.matrix(values))
    assert (found.repaired, found.regime, found.stress) == (False, None, 0.0)


def apart(rho: float, share: float, bars: int = 30_000) -> Floats:
    """Two correlated walks, the second read `share` of a bar before the first, in tenths of a bar."""
    moves = np.random.default_rng(6).standard_normal((10 * bars, 2))
    moves[:, 1] = rho * moves[:, 0] + (1.0 - rho**2) ** 0.5 * moves[:, 1]
    path, early = moves.cumsum(axis=0), round(10 * share)
    first, second = path[10::10, 0], path[10 - early :: 10, 1][: len(path[10::10])]
    return np.stack([np.diff(first), np.diff(second)], axis=-1) / 10**0.5


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_leads_and_lags_make_up_for_closes_apart(share: float) -> None:
    values, rho = apart(0.8, share), 0.8
    plain, longer, both = (
        between_closes(values, replace(LONG, asynchronous=choice))[0, 1]
        for choice in ("none", "overlapping", "lead_lag")
    )
    assert plain == pytest.approx((1.0 - share) * rho, abs=0.04)
    assert longer == pytest.approx((1.0 - share / 2.0) * rho, abs=0.04)
    assert both == pytest.approx(rho, abs=0.06)


def test_lead_lag_is_the_sum_of_three_correlations() -> None:
    """With weights that do not fade, up to the two bars at the ends."""
    values = panel(5_000, markets=2, rho=0.5)
    values[1:, 1] += 0.4 * values[:-1, 0]
    values /= values.std(axis=0)
    x, y = values.T
    products = [np.mean(x * y), np.mean(x[1:] * y[:-1]), np.mean(x[:-1] * y[1:])]
    own = [np.mean(column[1:] * column[:-1]) for column in (x, y)]
    found = between_closes(values, replace(LONG, half_life=2_000.0, asynchronous="lead_lag"))[0, 1]
    exact = 2.0 * (products[0] + (products[1] + products[2]) / 2.0) / np.sqrt((1 + own[0]) * (1 + own[1])) - products[0]
    assert found == pytest.approx(exact, abs=0.05)


def test_a_half_life_of_noise_is_refused_on_the_wire() -> None:
    """At 0.01 bars the newest return of each market is all there is, and every correlation is 1 or -1."""
    adapter = TypeAdapter(Exponential)
    assert adapter.validate_python({"half_life": 5.0}).half_life == 5.0
    with pytest.raises(ValidationError, match="greater than or equal to 5"):
        adapter.validate_python({"half_life": 4.99})


def test_lead_lag_is_repaired_where_the_lags_contradict_one_another() -> None:
    values = panel(61, markets=12, rho=0.0, seed=3)
    method = Exponential(half_life=5.0, asynchronous="lead_lag")
    assert np.linalg.eigvalsh(between_closes(values, method))[0] < -1e-3
    found = estimated(values, method)
    assert found.repaired
    assert np.linalg.eigvalsh(found.matrix)[0] > 0.0
    assert np.array_equal(np.diag(found.matrix), np.ones(12))


def test_holes_are_repaired_only_where_they_must_be() -> None:
    values = panel(300, markets=3)
    values[100, 1] = np.nan
    found = estimated(values, DynamicConditional())
    assert not found.repaired
    assert np.array_equal(found.matrix, DynamicConditional().matrix(values))
    generator = np.random.default_rng(1)
    base = generator.standard_normal(180)
    broken = np.full((180, 3), np.nan)
    broken[:60, 0], broken[:60, 1] = base[:60], base[:60]
    broken[60:120, 1], broken[60:120, 2] = base[60:120], base[60:120]
    broken[120:, 0], broken[120:, 2] = base[120:], -base[120:]
    torn = estimated(broken, DynamicConditional())
    assert torn.repaired
    assert np.linalg.eigvalsh(torn.matrix)[0] > 0.0
    assert torn.matrix[0, 1] > 0.4
    assert torn.matrix[0, 2] < -0.4


@pytest.mark.parametrize("method", [LedoitWolf(), ConstantCorrelation()])
def test_methods_of_whole_bars_say_how_many_they_found(method: CorrelationEstimator) -> None:
    values = panel(200, markets=3)
    values[::3, 0], values[1::3, 1], values[2:60:3, 2] = np.nan, np.nan, np.nan
    found = estimate_correlation(values, method)
    assert found == Uncorrelated(f"{method.method} needs 60 bars that every market has, these have 46")
    assert isinstance(estimate_correlation(values, DynamicConditional()), CorrelationEstimate)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.method)
def test_returns_over_two_bars_need_both(method: CorrelationEstimator) -> None:
    values = panel(200, markets=3)
    values[::2, 0] = np.nan
    assert isinstance(estimate_correlation(values, method), CorrelationEstimate)
    for choice in ("overlapping", "lead_lag"):
        found = estimate_correlation(values, replace(method, asynchronous=choice))  # type: ignore[arg-type]
        assert found == Uncorrelated("only 0 common bars of the 60 that a pair needs", (0,))


SHIFT = np.vstack([panel(400, markets=8, seed=1), panel(20, markets=8, rho=0.95, seed=2)])


@pytest.mark.parametrize(
    ("stress", "values", "due"),
    [
        ("never", SHIFT, 0.0),
        ("shifted", SHIFT, 0.4),
        ("shifted", SHIFT[:400], 0.0),
        ("shifted", SHIFT[-100:], 0.0),
        ("always", SHIFT[:400], 0.4),
    ],
    ids=["never", "shifted", "calm", "unknown", "always"],
)
def test_stress_is_due(stress: str, values: Floats, due: float) -> None:
    found = estimated(values, DynamicConditional(stress=stress, stress_weight=0.4))  # type: ignore[arg-type]
    assert found.stress == due
    assert np.array_equal(found.matrix, DynamicConditional().matrix(values))
    assert (found.regime is not None) == (stress == "shifted")


def test_the_monitor_can_be_asked_for() -> None:
    found = estimated(SHIFT, DynamicConditional(), monitor=True)
    assert found.regime is not None
    assert found.regime.label is CorrelationRegime.SHIFTED
    assert estimated(SHIFT[:, :1], DynamicConditional(), monitor=True).regime is None
