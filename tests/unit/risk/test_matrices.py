"""Pairs over their own bars, shrinkage of short histories, repair."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.explain import Floats
from services.risk.matrices import (
    LEAST_EIGENVALUE,
    common_bars,
    complete_bars,
    constant_correlation,
    mean_correlation,
    pairwise_correlation,
    repair,
    shrink_short_history,
    weighted_correlation,
)

GENERATOR = np.random.default_rng(11)


def panel(rows: int = 120, markets: int = 6, share: float = 0.2) -> Floats:
    values = GENERATOR.standard_normal((rows, markets)) + GENERATOR.standard_normal((rows, 1))
    values[GENERATOR.random(values.shape) < share] = np.nan
    return values


def rising(count: int) -> Floats:
    return np.arange(1.0, count + 1.0)


def test_each_pair_is_a_weighted_product_over_its_own_bars() -> None:
    values = panel()
    values[:50, 4] = np.nan
    matrix = pairwise_correlation(values, rising)
    for i in range(6):
        for j in range(6):
            begin = max(int(np.argmax(~np.isnan(values[:, k]))) for k in (i, j))
            weights, both = rising(120 - begin), ~np.isnan(values[begin:, [i, j]]).any(axis=1)
            w, x, y = weights[both], values[begin:, i][both], values[begin:, j][both]
            size = np.sqrt(np.sum(w * x * x) * np.sum(w * y * y))
            assert matrix[i, j] == pytest.approx(np.sum(w * x * y) / size, abs=1e-13)


def test_without_holes_it_is_one_product_bit_for_bit() -> None:
    values = panel(share=0.0)
    assert np.array_equal(pairwise_correlation(values, rising), weighted_correlation(values, rising(len(values))))


def test_pairs_without_common_bars_and_markets_without_moves_have_no_correlation() -> None:
    values = panel(rows=10, markets=4, share=0.0)
    values[:5, 0], values[5:, 1], values[3:, 2] = np.nan, np.nan, 0.0
    values[:3, 2] = np.nan
    matrix = pairwise_correlation(values, rising)
    assert matrix[0, 1] == 0.0
    assert matrix[2].tolist() == [0.0, 0.0, 1.0, 0.0]


def test_counts() -> None:
    values = np.array([[1.0, np.nan], [1.0, 1.0], [np.nan, np.nan], [2.0, 2.0]])
    assert common_bars(values).tolist() == [[3, 2], [2, 2]]
    assert complete_bars(values).tolist() == [[1.0, 1.0], [2.0, 2.0]]


def test_shrinkage_of_a_short_history_keeps_the_mean_and_acts_below_two_bars_a_market_only() -> None:
    matrix = weighted_correlation(panel(30, 20, 0.0), np.ones(30))
    shrunk = shrink_short_history(matrix, 30)
    assert mean_correlation(shrunk) == pytest.approx(mean_correlation(matrix), abs=1e-14)
    np.testing.assert_allclose(shrunk, 0.6 * matrix + 0.4 * constant_correlation(matrix), atol=1e-14)
    assert np.linalg.eigvalsh(shrunk)[0] > np.linalg.eigvalsh(matrix)[0]
    assert shrink_short_history(matrix, 40) is matrix
    assert shrink_short_history(matrix, 39) is not matrix


def test_repair_lifts_what_is_negative_and_leaves_the_rest_alone() -> None:
    sound = weighted_correlation(panel(50, 8, 0.0), np.ones(50))
    assert repair(sound) == (sound, False)
    broken = np.where(np.eye(8, dtype=bool), 1.0, np.where(sound > np.median(sound), 0.95, -0.6))
    broken = np.tril(broken) + np.tril(broken, -1).T
    assert np.linalg.eigvalsh(broken)[0] < -0.1
    mended, changed = repair(broken)
    assert changed
    assert np.array_equal(mended, mended.T)
    assert np.diag(mended).tolist() == [1.0] * 8
    assert np.linalg.eigvalsh(mended)[0] > 0.1 * LEAST_EIGENVALUE
    assert np.abs(mended).max() <= 1.0
    np.linalg.cholesky(mended)


def test_repair_is_the_spectral_decomposition_written_out() -> None:
    broken = np.array([[1.0, 0.9, -0.7], [0.9, 1.0, 0.6], [-0.7, 0.6, 1.0]])
    values, vectors = np.linalg.eig(broken)
    assert min(values) < -0.1
    lifted = sum(max(value, 1e-8) * np.outer(vector, vector) for value, vector in zip(values, vectors.T, strict=True))
    scale = np.sqrt(np.diag(lifted))
    np.testing.assert_allclose(repair(broken)[0], lifted / np.outer(scale, scale), atol=1e-12)


def test_twins_are_sound_to_rounding() -> None:
    column = GENERATOR.standard_normal((100, 1))
    twins = weighted_correlation(np.hstack([column] * 5), np.ones(100))
    assert repair(twins) == (twins, False)
