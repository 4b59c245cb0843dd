"""Correlation on 26 coins by the hour: apart from volatility it beats one window, and the monitor sees the crash."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.explain import Floats
from services.risk.regime import watch_correlation
from services.risk.shrinkage import ledoit_wolf
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from tests.benchmark.covariance_table import (
    DATA,
    HOURLY,
    by_dcc,
    by_window,
    fading_moments,
    only,
    read_hourly,
    scores,
    separate,
    variances,
)

pytestmark = pytest.mark.skipif(
    not (DATA / HOURLY).is_file(), reason="the shared data sets are not beside this repository"
)


@pytest.fixture(scope="module")
def coins() -> tuple[list[str], Floats]:
    """Labels of the closes, and the returns between them."""
    hours, closes = read_hourly()
    return hours, np.diff(np.log(closes), axis=0)


def test_volatility_and_correlation_apart_are_likelier_than_one_window(coins: tuple[list[str], Floats]) -> None:
    _, returns = coins
    dcc, _, calibrated = scores(returns, separate(returns, Adaptive(), by_dcc))
    window, _, _ = scores(returns, by_window(only(ledoit_wolf), 252, normalised=False)(returns))
    single, _, understated = scores(returns, fading_moments(returns, np.log(0.5) / np.log(0.94)))
    assert dcc < window - 0.05
    assert dcc < single - 0.5
    assert 0.95 < calibrated < 1.15 < understated


def test_the_monitor_is_shifted_in_the_hour_of_the_crash(coins: tuple[list[str], Floats]) -> None:
    """19 May 2021, 12:00 UTC: −27 % on the mean coin. Calm for most of the rest."""
    hours, returns = coins
    z = returns[1:] / np.sqrt(np.maximum(variances(returns, Ewma()), 1e-12))
    path, labels = watch_correlation(z[20:]), hours[22:]
    crash = labels.index("2021-05-19T12")
    assert returns[21 + crash].mean() < -0.25
    assert path.shifted[crash]
    assert path.fast[crash] > path.slow[crash] + 0.15
    assert path.shifted.mean() < 0.2
