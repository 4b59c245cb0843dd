"""What a fraction of Kelly grows at, its ruin, and what estimation leaves of an edge: by Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest

from services.risk.growth import certainty, estimation_shrink, ever_below_probability, growth_share


@pytest.mark.parametrize("fraction", [0.25, 0.5, 1.0])
def test_growth_share_is_that_of_simulated_wealth(fraction: float) -> None:
    """μ = σ² = 0.04: Kelly is 1. Mean log growth over the largest, 0.02 a year."""
    steps = np.random.default_rng(1).normal(0.04 / 250, 0.2 / 250**0.5, 4_000_000)
    logs = np.log1p(fraction * steps)
    error = logs.std() / logs.size**0.5 * 250 / 0.02
    assert abs(logs.mean() * 250 / 0.02 - growth_share(fraction)) < 4.0 * error


@pytest.mark.parametrize(("fraction", "level"), [(0.5, 0.5), (0.5, 0.8), (1.0, 0.5), (1.0, 0.8), (0.25, 0.9)])
def test_ruin_is_that_of_simulated_wealth(fraction: float, level: float) -> None:
    """Log wealth is a Brownian motion of drift c − c²/2 and deviation c; between two steps it may dip, by the law of
    the bridge.
    """
    rng, paths = np.random.default_rng(2), 20_000
    step, drift, barrier = 0.05, fraction - fraction**2 / 2.0, np.log(level)
    variance = fraction**2 * step
    wealth, safe = np.zeros(paths), np.ones(paths)
    for _ in range(int(60.0 / fraction / step)):
        moved = wealth + rng.normal(drift * step, variance**0.5, paths)
        above = (wealth > barrier) & (moved > barrier)
        dip = np.exp(-2.0 * np.where(above, (wealth - barrier) * (moved - barrier), 0.0) / variance)
        safe *= np.where(above, 1.0 - dip, 0.0)
        wealth = moved
    found, expected = 1.0 - safe.mean(), ever_below_probability(level, fraction)
    assert found == pytest.approx(expected, abs=4.0 * (expected * (1.0 - expected) / paths) ** 0.5)


def growth_at(k: float, means: np.ndarray, theta: float) -> float:
    """Mean growth of a bet of k times the estimated Kelly, volatility 1."""
    return float((k * means * theta - (k * means) ** 2 / 2.0).mean())


def test_the_shrink_is_the_best_fraction_of_an_estimated_bet() -> None:
    theta, periods = 0.05, 1_000
    means = np.random.default_rng(3).normal(theta, periods**-0.5, 400_000)
    grid = np.linspace(0.4, 1.0, 601)
    best = grid[int(np.argmax([growth_at(k, means, theta) for k in grid.tolist()]))]
    shrink = float(estimation_shrink(theta**2, periods))
    assert shrink == pytest.approx(best, abs=0.02)
    assert growth_at(shrink, means, theta) / (theta**2 / 2.0) == pytest.approx(0.71, abs=0.01)
    assert growth_at(1.0, means, theta) / (theta**2 / 2.0) == pytest.approx(0.60, abs=0.01)


def test_the_shrink_of_several_assets() -> None:
    """Five independent assets: the noise of five means is in the bet."""
    rng, theta, periods = np.random.default_rng(4), np.full(5, 0.03), 2_000
    means = theta + rng.normal(0.0, periods**-0.5, (200_000, 5))
    grid = np.linspace(0.2, 1.0, 401)
    gain, cost = float((means @ theta).mean()), float((means**2).sum(axis=1).mean())
    best = grid[int(np.argmax(grid * gain - grid**2 * cost / 2.0))]
    assert float(estimation_shrink(float(theta @ theta), periods, 5)) == pytest.approx(best, abs=0.01)


# Mean growth over θ²/2 (without an edge over 1/2T), as in the notes of `certainty`, by θ√T.
@pytest.mark.parametrize(
    ("edge", "full", "shrunk", "quarter", "quarter_shrunk"),
    [
        (0.0, -0.50, -0.17, -0.03, -0.01),
        (0.5, -1.37, -0.56, 0.44, 0.19),
        (1.0, 0.24, 0.18, 0.42, 0.23),
        (1.5, 0.61, 0.46, 0.42, 0.28),
        (3.0, 0.89, 0.84, 0.43, 0.38),
    ],
)
def test_what_an_estimated_shrink_saves_and_costs(
    edge: float, full: float, shrunk: float, quarter: float, quarter_shrunk: float
) -> None:
    periods = 1_000
    theta = edge / periods**0.5
    means = np.random.default_rng(6).normal(theta, periods**-0.5, 600_000)
    bets, trusted = np.maximum(means, 0.0), certainty(means**2, np.array(float(periods)))
    most = theta**2 / 2.0 or 1.0 / (2.0 * periods)
    for share, expected in ((1.0, full), (trusted, shrunk), (0.25, quarter), (0.25 * trusted, quarter_shrunk)):
        assert float((share * bets * theta - (share * bets) ** 2 / 2.0).mean()) / most == pytest.approx(
            expected, abs=0.02
        )


def test_unknown_stays_unknown() -> None:
    assert np.isnan(certainty(np.array([np.nan, 0.1]), np.array([100.0, np.nan]))).all()
