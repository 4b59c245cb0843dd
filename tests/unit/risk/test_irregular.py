"""Hayashi–Yoshida against its double sum, and against what it is for."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.explain import Floats
from services.risk.irregular import hayashi_yoshida, hayashi_yoshida_correlation


def slow(times: tuple[Floats, Floats], paths: tuple[Floats, Floats]) -> float:
    (s, t), (x, y) = times, paths
    total = 0.0
    for i in range(1, len(s)):
        for j in range(1, len(t)):
            if min(s[i], t[j]) > max(s[i - 1], t[j - 1]):
                total += (x[i] - x[i - 1]) * (y[j] - y[j - 1])
    return total


@pytest.mark.parametrize("seed", range(8))
def test_equals_the_double_sum(seed: int) -> None:
    """Whole moments, so that many intervals touch without overlapping; spans that begin and end apart."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(2, 60, 2)
    times = tuple(np.sort(generator.choice(100, size, replace=False)) + 3.0 * seed * k for k, size in enumerate(sizes))
    paths = tuple(generator.standard_normal(size).cumsum() for size in sizes)
    pair = (times[0], times[1]), (paths[0], paths[1])
    assert hayashi_yoshida(*pair) == pytest.approx(slow(*pair), rel=1e-12, abs=1e-12)
    swapped = (times[1], times[0]), (paths[1], paths[0])
    assert hayashi_yoshida(*swapped) == pytest.approx(hayashi_yoshida(*pair), rel=1e-12, abs=1e-12)


def test_with_itself_it_is_the_realised_variance() -> None:
    generator = np.random.default_rng(3)
    times, path = generator.random(200).cumsum(), generator.standard_normal(200).cumsum()
    assert hayashi_yoshida((times, times), (path, path)) == pytest.approx(np.sum(np.diff(path) ** 2), rel=1e-12)
    assert hayashi_yoshida_correlation((times, times), (path, -path)) == pytest.approx(-1.0)


def test_spans_apart_and_prices_that_stand_still_have_nothing_in_common() -> None:
    early, late, path = np.array([0.0, 1.0]), np.array([5.0, 6.0]), np.array([0.0, 1.0])
    assert hayashi_yoshida((early, late), (path, path)) == 0.0
    assert hayashi_yoshida_correlation((early, early), (path, np.zeros(2))) == 0.0


def test_finds_a_correlation_that_a_fine_grid_loses() -> None:
    """Epps (1979): sampled at a tenth of the mean time between ticks, previous ticks show a fraction of the truth."""
    generator, size, rho = np.random.default_rng(12), 60_000, 0.7
    moves = generator.standard_normal((size, 2))
    moves[:, 1] = rho * moves[:, 0] + (1.0 - rho**2) ** 0.5 * moves[:, 1]
    path, moments = moves.cumsum(axis=0), np.arange(size, dtype=float)
    seen = [np.flatnonzero(generator.random(size) < 0.02) for _ in range(2)]
    times = (moments[seen[0]], moments[seen[1]])
    found = hayashi_yoshida_correlation(times, (path[seen[0], 0], path[seen[1], 1]))
    assert found == pytest.approx(rho, abs=0.08)
    grid = np.arange(200.0, size, 5.0)
    last = [np.searchsorted(times[k], grid, side="right") - 1 for k in range(2)]
    sampled = [np.diff(path[seen[k][last[k]], k]) for k in range(2)]
    assert np.corrcoef(*sampled)[0, 1] < 0.4 * rho
