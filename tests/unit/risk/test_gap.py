"""Gap probabilities against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from services.risk.gap import any_gap_probability, gap_probability


@pytest.mark.parametrize(("side", "multiplier"), [(1, 6.0), (-1, 6.0), (-1, 0.9)])
def test_a_gap_is_as_frequent_as_in_a_simulation(side: int, multiplier: float) -> None:
    """Two million steps of GBM: the frequency lies within five standard errors."""
    volatility, step, drift = 1.2, 4 / 365, 0.3
    if multiplier < 1.0:
        volatility, step = 3.0, 0.2
    rng = np.random.default_rng(7)
    moves = rng.normal((drift - volatility**2 / 2) * step, volatility * step**0.5, 2_000_000)
    lost = -side * np.expm1(moves) * multiplier > 1.0
    found = gap_probability(multiplier, volatility, step, drift=drift, side=side)
    assert lost.mean() == pytest.approx(found, abs=5 * (found / 2e6) ** 0.5)
    assert found > 1e-3


def test_an_unlevered_long_has_no_gap_and_a_year_of_certain_gaps_has_one() -> None:
    assert gap_probability(1.0, 5.0, 1.0) == 0.0
    assert any_gap_probability(1.0, 252.0) == 1.0
    assert any_gap_probability(0.5, 2.0) == pytest.approx(0.75)


def test_a_larger_multiplier_or_volatility_gaps_more_often() -> None:
    table = [[gap_probability(m, s, 1 / 252) for m in (3.0, 5.0, 9.0)] for s in (0.5, 0.8, 1.3)]
    assert (np.diff(table, axis=0) > 0).all()
    assert (np.diff(table, axis=1) > 0).all()
