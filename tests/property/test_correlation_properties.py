"""What holds for every method on every panel."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.explain import Floats
from services.risk.clock import Uncorrelated
from services.risk.estimate import CorrelationEstimate, estimate_correlation
from services.risk.regime import read_regime, watch_correlation
from services.risk.registry import CorrelationEstimator
from services.risk.stress import stress_correlation

METHODS = [member() for member in get_args(CorrelationEstimator)]
EACH_METHOD = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.method)
TOLERANCE = 1e-9


@st.composite
def panels(draw: st.DrawFn, holes: bool = True) -> Floats:
    """60 to 200 bars of 2 to 9 markets: correlated, fat-tailed, with twins, frozen markets, holes and late starts."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bars, markets = draw(st.integers(60, 200)), draw(st.integers(2, 9))
    loadings = generator.uniform(-1.0, 1.0, markets) * draw(st.sampled_from([0.0, 1.0, 5.0]))
    values = generator.standard_t(draw(st.sampled_from([3, 30])), (bars, markets))
    values = values + generator.standard_normal((bars, 1)) * loadings
    if draw(st.booleans()):
        values[:, 0] = values[:, 1]
    if draw(st.booleans()):
        values[:, -1] = 0.0
    if holes and draw(st.booleans()):
        values[generator.random(values.shape) < draw(st.sampled_from([0.02, 0.3]))] = np.nan
        values[: bars // 2, 0] = np.nan
    return values


def estimated(values: Floats, method: CorrelationEstimator) -> CorrelationEstimate | None:
    found = estimate_correlation(values, method)
    assert isinstance(found, CorrelationEstimate) or np.isnan(values).any() or len(values) == 60
    return None if isinstance(found, Uncorrelated) else found


@EACH_METHOD
@given(values=panels(), asynchronous=st.sampled_from(["none", "overlapping", "lead_lag"]))
@settings(max_examples=40, deadline=None)
def test_is_a_correlation_matrix(method: CorrelationEstimator, values: Floats, asynchronous: str) -> None:
    found = estimated(values, replace(method, asynchronous=asynchronous))  # type: ignore[arg-type]
    if found is None:
        return
    matrix = found.matrix
    assert np.array_equal(matrix, matrix.T)
    assert np.array_equal(np.diag(matrix), np.ones(len(matrix)))
    assert np.abs(matrix).max() <= 1.0
    assert np.linalg.eigvalsh(matrix)[0] >= -TOLERANCE
    stressed = stress_correlation(matrix, 0.3, np.where(np.arange(len(matrix)) % 2, 1.0, -1.0))
    assert np.linalg.eigvalsh(stressed)[0] >= -TOLERANCE


@EACH_METHOD
@given(values=panels(), data=st.data())
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_markets_does_not_matter(
    method: CorrelationEstimator, values: Floats, data: st.DataObject
) -> None:
    order = np.array(data.draw(st.permutations(range(values.shape[1]))))
    one, other = estimated(values, method), estimated(values[:, order], method)
    if one is not None and other is not None:
        np.testing.assert_allclose(other.matrix, one.matrix[np.ix_(order, order)], rtol=0, atol=1e-9)


SIGN_FREE = [method for method in METHODS if method.method != "constant_correlation"]
"""A target of equal correlations is one of long markets: turning one over changes it, as it should."""


@pytest.mark.parametrize("method", SIGN_FREE, ids=lambda method: method.method)
@given(values=panels(), data=st.data())
@settings(max_examples=30, deadline=None)
def test_turning_a_market_over_turns_its_correlations_over(
    method: CorrelationEstimator, values: Floats, data: st.DataObject
) -> None:
    sides = np.array(data.draw(st.lists(st.sampled_from([1.0, -1.0]), min_size=9, max_size=9)))[: values.shape[1]]
    one, other = estimated(values, method), estimated(values * sides, method)
    if one is not None and other is not None:
        np.testing.assert_allclose(other.matrix, one.matrix * np.outer(sides, sides), rtol=0, atol=1e-9)


@EACH_METHOD
@given(values=panels(holes=False), scale=st.sampled_from([1e-3, 0.5, 1.0]))
@settings(max_examples=30, deadline=None)
def test_the_unit_of_the_returns_does_not_matter(method: CorrelationEstimator, values: Floats, scale: float) -> None:
    """One scale for all markets, below the clip."""
    small = values * (1.0 / max(float(np.abs(values).max()), 1.0))
    one, other = estimated(small, method), estimated(scale * small, method)
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(other.matrix, one.matrix, rtol=0, atol=1e-9)


@given(values=panels(), data=st.data())
@settings(max_examples=40, deadline=None)
def test_the_monitor_is_bounded_and_blind_to_the_future(values: Floats, data: st.DataObject) -> None:
    path, reading = watch_correlation(values), read_regime(values)
    for averages in (path.fast, path.slow):
        assert (np.abs(averages) <= 1.0).all()
    assert ((path.distance >= np.abs(path.fast - path.slow) - 1e-12) & (path.distance <= 2.0)).all()
    assert 1.0 / values.shape[1] - 1e-12 <= reading.absorption_slow <= 1.0 + 1e-9
    now = data.draw(st.integers(1, len(values)))
    scrambled = values.copy()
    scrambled[now:] = -3.0
    for one, other in zip(path, watch_correlation(scrambled), strict=True):
        np.testing.assert_allclose(other[:now], one[:now], rtol=0, atol=1e-12)
