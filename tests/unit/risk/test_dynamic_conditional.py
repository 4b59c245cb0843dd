"""DCC in closed form against its recursion, one bar at a time, and with holes."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.risk.matrices import constant_correlation
from services.risk.methods.dynamic_conditional import (
    DynamicConditional,
    dcc_correlation,
    dynamic_weights,
    read_dynamic,
    start_dynamic,
    update_dynamic,
)
from services.risk.registry import CorrelationMethod


def slow_dcc(values: Floats, a: float, b: float, clip: float) -> Floats:
    """Q ← (1 − a − b) Q̄ + a z z' + b Q, row by row; Q̄ expands, then moves by 1/1000; Q_0 is the last Q̄."""
    z = np.clip(values, -clip, clip)
    targets, target = [], np.zeros((z.shape[1], z.shape[1]))
    for count, row in enumerate(z, start=1):
        target = target + max(1.0 / count, 1.0 / 1000.0) * (np.outer(row, row) - target)
        targets.append(target)
    q = targets[-1]
    for row, mean in zip(z, targets, strict=True):
        q = (1.0 - a - b) * mean + a * np.outer(row, row) + b * q
    deviation = np.sqrt(np.diag(q))
    return q / np.outer(deviation, deviation)


def returns(rows: int, markets: int, seed: int = 0, rho: float = 0.6) -> Floats:
    generator = np.random.default_rng(seed)
    common = generator.standard_t(4, (rows, 1))
    return np.sqrt(rho) * common + np.sqrt(1.0 - rho) * generator.standard_t(4, (rows, markets))


@pytest.mark.parametrize(("rows", "markets"), [(60, 2), (200, 5), (512, 20), (1_500, 3)])
@pytest.mark.parametrize(("a", "b"), [(0.02, 0.97), (0.05, 0.9), (0.3, 0.0)])
def test_closed_form_equals_the_recursion(rows: int, markets: int, a: float, b: float) -> None:
    values = returns(rows, markets)
    np.testing.assert_allclose(dcc_correlation(values, a=a, b=b), slow_dcc(values, a, b, 4.2), rtol=0, atol=1e-12)


def test_weights_sum_to_one_and_are_positive() -> None:
    for rows in (1, 2, 60, 512, 1_000, 1_001, 3_000):
        weights = dynamic_weights(rows, 0.02, 0.97)
        assert weights.sum() == pytest.approx(1.0, abs=1e-12)
        assert (weights > 0.0).all()


def test_is_a_correlation_matrix() -> None:
    matrix = dcc_correlation(returns(300, 12))
    assert np.array_equal(matrix, matrix.T)
    assert np.array_equal(np.diag(matrix), np.ones(12))
    assert np.linalg.eigvalsh(matrix).min() > 0.0
    assert np.abs(matrix).max() <= 1.0


def test_permutation_of_markets_permutes_the_matrix() -> None:
    values, order = returns(200, 6), np.array([3, 1, 5, 0, 2, 4])
    np.testing.assert_allclose(
        dcc_correlation(values[:, order]), dcc_correlation(values)[np.ix_(order, order)], atol=1e-14
    )


def test_finds_the_correlation_that_is_there() -> None:
    matrix = dcc_correlation(np.tile(returns(512, 4, seed=3, rho=0.7), (1, 1)), clip=20.0)
    assert matrix[np.triu_indices(4, 1)].mean() == pytest.approx(0.7, abs=0.12)


def test_follows_a_change_of_regime() -> None:
    before, after = returns(400, 2, seed=1, rho=0.0), returns(112, 2, seed=2, rho=0.9)
    assert dcc_correlation(np.vstack([before, after]))[0, 1] > np.corrcoef(np.vstack([before, after]).T)[0, 1] + 0.1


def test_twins_and_opposites() -> None:
    one = returns(100, 1)
    matrix = dcc_correlation(np.hstack([one, one, -one, np.zeros_like(one)]))
    expected = [[1, 1, -1, 0], [1, 1, -1, 0], [-1, -1, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(matrix, expected, atol=1e-12)


def test_parameters_are_checked_together() -> None:
    with pytest.raises(InvalidInput, match="innovation"):
        DynamicConditional(innovation=0.05, persistence=0.96)


def test_every_method_is_registered_with_its_name() -> None:
    tags = ["dynamic_conditional", "exponential", "ledoit_wolf", "oracle_approximating", "constant_correlation", "none"]
    assert [member().method for member in get_args(CorrelationMethod)] == tags


def holes(rows: int, markets: int, share: float, seed: int = 9) -> Floats:
    """Returns of which a share is missing, and the last market begins late."""
    values = returns(rows, markets, seed)
    values[np.random.default_rng(seed + 1).random(values.shape) < share] = np.nan
    values[: rows // 3, -1] = np.nan
    return values


def slow_pairs(values: Floats, a: float, b: float) -> Floats:
    """The recursion for each pair by itself, of its product and of both squares, from its younger market on."""
    z, size = np.clip(values, -4.2, 4.2), values.shape[1]
    matrix = np.eye(size)
    for i in range(size):
        for j in range(i):
            begin = max(int(np.argmax(~np.isnan(z[:, k]))) for k in (i, j))
            rows = [(x * y, x * x, y * y) if x == x and y == y else (0.0, 0.0, 0.0) for x, y in z[begin:, [i, j]]]
            target, targets = np.zeros(3), []
            for count, row in enumerate(rows, start=1):
                target = target + max(1.0 / count, 1.0 / 1000.0) * (np.array(row) - target)
                targets.append(target)
            q = targets[-1]
            for row, mean in zip(rows, targets, strict=True):
                q = (1.0 - a - b) * mean + a * np.array(row) + b * q
            matrix[i, j] = matrix[j, i] = q[0] / (q[1] * q[2]) ** 0.5
    return matrix


@pytest.mark.parametrize(("a", "b"), [(0.02, 0.97), (0.3, 0.5)])
def test_holes_are_in_no_sum_of_their_pairs(a: float, b: float) -> None:
    values = holes(300, 6, 0.1)
    np.testing.assert_allclose(dcc_correlation(values, a=a, b=b), slow_pairs(values, a, b), rtol=0, atol=1e-12)


def test_missing_bars_do_not_bias_toward_no_correlation() -> None:
    """Filled with zeros, a tenth of the product would be missing at a tenth of missing values: here nothing is."""
    values = returns(4_000, 2, seed=4, rho=0.8)
    thinned = values.copy()
    thinned[np.random.default_rng(0).random(4_000) < 0.3, 0] = np.nan
    whole, thin = (dcc_correlation(panel, a=0.001, b=0.99, clip=20.0)[0, 1] for panel in (values, thinned))
    assert thin == pytest.approx(whole, abs=0.02)


@pytest.mark.parametrize("share", [0.0, 0.1])
@pytest.mark.parametrize("rows", [1, 61, 1_100])
def test_one_bar_at_a_time_is_the_whole_window(rows: int, share: float) -> None:
    values = holes(rows, 5, share) if share else returns(rows, 5)
    memory = start_dynamic(5)
    for row in values:
        memory = update_dynamic(memory, row)
    np.testing.assert_allclose(read_dynamic(memory), dcc_correlation(values), rtol=0, atol=1e-12)


def test_a_young_market_is_correlated_as_if_time_began_with_it() -> None:
    values = returns(300, 3)
    values[:200, 2] = np.nan
    whole, young = dcc_correlation(values), dcc_correlation(values[200:])
    np.testing.assert_allclose(whole[2], young[2], rtol=0, atol=1e-12)
    assert whole[0, 1] == pytest.approx(dcc_correlation(values[:, :2])[0, 1], abs=1e-12)


def test_a_bar_without_a_market_says_nothing_about_its_pairs() -> None:
    memory = start_dynamic(3)
    for row in returns(100, 3):
        memory = update_dynamic(memory, row)
    before, after = read_dynamic(memory), read_dynamic(update_dynamic(memory, np.array([2.0, np.nan, -3.0])))
    assert after[0, 1] == pytest.approx(before[0, 1], abs=0.005)
    assert after[1, 2] == pytest.approx(before[1, 2], abs=0.005)
    assert after[0, 2] < before[0, 2] - 0.01


def test_short_history_is_shrunk_to_the_mean_correlation() -> None:
    values, method = returns(60, 40, seed=5), DynamicConditional()
    raw = dcc_correlation(values)
    expected = 0.6 * raw + 0.4 * constant_correlation(raw)
    np.testing.assert_allclose(method.matrix(values), expected, atol=1e-14)
    enough = returns(80, 40, seed=5)
    assert np.array_equal(method.matrix(enough), dcc_correlation(enough))
