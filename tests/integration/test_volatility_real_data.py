"""The forecast on real closes: a volatility target is met, and calibration is what meets it."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.explain import Floats
from services.volatility.estimators.ewma import Ewma
from services.volatility.path import forecast_path
from tests.unit.volatility.markets import DAY

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
COINS = "ohlcv_daily_yahoo_btc_eth_bnb_sol_2014_2024.csv.gz"
FUND = "ohlcv_spy_daily_1998_2021.csv.gz"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not beside this repository")


def closes(name: str, asset: str | None) -> Floats:
    with gzip.open(DATA / name, "rt") as stream:
        rows = csv.DictReader(stream)
        return np.array([float(row["close"]) for row in rows if asset is None or row["asset"] == asset])


def miss(prices: Floats, calendar: Calendar, *, calibrate: bool) -> float:
    """Realised volatility of a 20 % target, relative to it, less one."""
    path = forecast_path(prices, bar_seconds=DAY, calendar=calendar, estimator=Ewma(calibrate=calibrate))
    held = (0.20 / path.volatility[:-1] * np.diff(prices) / prices[:-1])[270:]
    return float(np.std(held) * np.sqrt(calendar.periods(DAY)) / 0.20 - 1.0)


@pytest.mark.parametrize(
    ("name", "asset", "calendar"),
    [
        (FUND, None, Calendar("XNYS")),
        (COINS, "BTC", Calendar()),
        (COINS, "ETH", Calendar()),
        (COINS, "BNB", Calendar()),
        (COINS, "SOL", Calendar()),
    ],
)
def test_the_target_is_met(name: str, asset: str | None, calendar: Calendar) -> None:
    prices = closes(name, asset)
    plain, calibrated = (miss(prices, calendar, calibrate=choice) for choice in (False, True))
    assert 0.0 < calibrated < 0.035
    assert calibrated < 0.5 * plain
