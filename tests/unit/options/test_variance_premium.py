"""The variance risk premium, before and after the fact, and how little a history with overlaps says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import InvalidInput, Refusal
from services.core.outcome import Reason
from services.options.variance_premium import (
    THIRTY_DAYS,
    forward_realized_variance,
    mean_error,
    premium_history,
    variance_premium,
)

DAY = 86_400.0


def test_ex_ante() -> None:
    found = variance_premium(0.65, 0.60)
    assert found.variance == pytest.approx(0.0625) and found.volatility == pytest.approx(0.05)
    assert (found.standard_error, found.z_score) == (None, None)
    assert variance_premium(0.5, 0.6, expected_variance_error=0.055).z_score == pytest.approx(-2.0)


def test_realized_variance_is_that_of_each_window() -> None:
    """Against a loop over windows."""
    rng = np.random.default_rng(4)
    seconds = np.cumsum(rng.uniform(0.5, 1.5, 300)) * DAY / 4
    prices = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, 300)))
    found, horizon = forward_realized_variance(seconds, prices, horizon_seconds=10 * DAY), 10 * DAY
    checked = 0
    for place in range(300):
        inside = np.flatnonzero((seconds >= seconds[place]) & (seconds <= seconds[place] + horizon))
        if seconds[place] + horizon > seconds[-1]:
            assert np.isnan(found[place])
            continue
        moves = np.diff(np.log(prices[inside]))
        expected = moves @ moves * SECONDS_PER_YEAR / (seconds[inside[-1]] - seconds[place])
        assert found[place] == pytest.approx(expected, rel=1e-9)
        checked += 1
    assert checked > 200


def test_a_window_with_a_hole_is_unknown() -> None:
    seconds = np.concatenate([np.arange(20.0), np.arange(30.0, 60.0)]) * DAY
    found = forward_realized_variance(seconds, np.full(50, 100.0), horizon_seconds=15 * DAY)
    known = ~np.isnan(found)
    assert np.flatnonzero(known).tolist() == [*range(8), *range(20, 35)]
    assert (found[known] == 0.0).all()


def test_independent_windows_have_the_plain_error_of_a_mean() -> None:
    months = np.arange(24.0) * THIRTY_DAYS
    rng = np.random.default_rng(5)
    implied, realized = rng.uniform(0.5, 0.7, 24), rng.uniform(0.4, 0.7, 24) ** 2
    found = premium_history(months, implied, realized)
    premium = implied**2 - realized
    assert (found.independent_windows, found.overlapping, found.lag) == (24, False, 0)
    assert found.variance == pytest.approx(premium.mean())
    assert found.variance_error == pytest.approx(premium.std() / math.sqrt(24))
    assert found.volatility == pytest.approx(np.mean(implied - np.sqrt(realized)))
    assert found.share_positive == pytest.approx(np.mean(premium > 0.0))


def test_newey_west_is_that_of_statsmodels() -> None:
    values = np.cumsum(np.random.default_rng(6).normal(size=200)) * 0.1
    fit = OLS(values, np.ones(200)).fit(cov_type="HAC", cov_kwds={"maxlags": 12, "use_correction": False})
    assert mean_error(values, 12) == pytest.approx(float(fit.bse[0]), rel=1e-10)


def test_overlap_is_flagged_and_widens_the_interval() -> None:
    """Four months seen daily are four windows: the naive error of 90 observations is several times too small."""
    rng = np.random.default_rng(8)
    seconds = np.arange(121.0) * DAY
    prices = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.03, 121)))
    realized = forward_realized_variance(seconds, prices)
    found = premium_history(seconds, np.full(121, 0.6), realized)
    known = ~np.isnan(realized)
    naive = np.std(0.36 - realized[known]) / math.sqrt(known.sum())
    assert (found.observations, found.independent_windows, found.overlapping, found.lag) == (91, 4, True, 58)
    assert found.variance_error is not None and found.variance_error > 2.0 * naive
    assert found.variance_interval is not None
    low, high = found.variance_interval
    assert high - low == pytest.approx(2.0 * 3.182446 * found.variance_error, rel=1e-5)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """No premium, three years of daily observations: the 95 % interval holds zero in at least 90 of 100 histories."""
    rng, held = np.random.default_rng(9), 0
    seconds = np.arange(1_100.0) * DAY
    for _ in range(100):
        prices = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.6 / math.sqrt(365.0), 1_100)))
        found = premium_history(seconds, np.full(1_100, 0.6), forward_realized_variance(seconds, prices))
        assert found.variance_interval is not None
        held += found.variance_interval[0] <= 0.0 <= found.variance_interval[1]
    assert held >= 90


def test_one_window_has_a_mean_and_no_error() -> None:
    found = premium_history([0.0, DAY], [0.6, 0.6], [0.25, 0.30])
    assert found.variance == pytest.approx(0.085)
    assert (found.independent_windows, found.variance_error, found.volatility_interval) == (1, None, None)
    assert premium_history([0.0], [0.6], [0.25]).observations == 1


def test_no_complete_window_is_refused() -> None:
    with pytest.raises(Refusal, match="no window has ended") as refusal:
        premium_history([0.0, DAY], [0.6, 0.6], [math.nan, math.nan])
    assert refusal.value.reason is Reason.INSUFFICIENT_HISTORY


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: variance_premium(0.0, 0.5), "implied_volatility must be > 0"),
        (lambda: variance_premium(0.5, 0.5, expected_variance_error=0.0), "expected_variance_error must be > 0"),
        (lambda: premium_history([0.0, 0.0], [0.5, 0.5], [0.2, 0.2]), "seconds must be at least 1, ascending"),
        (lambda: premium_history([0.0, 1.0], [0.5], [0.2, 0.2]), "implied_volatility must be one for each moment"),
        (lambda: premium_history([0.0, 1.0], [0.5, 0.5], [0.2]), "realized_variance must be one for each moment"),
        (lambda: premium_history([0.0, 1.0], [0.5, 0.5], [0.2, -0.2]), "realized_variance must be finite and >= 0"),
        (lambda: forward_realized_variance([0.0], [1.0]), "seconds must be at least 2"),
        (lambda: forward_realized_variance([0.0, 1.0], [1.0, -1.0]), "prices must be > 0"),
    ],
)
def test_numbers_out_of_range(call: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        call()
