"""The labels on hourly Bitcoin through its crashes: worth something once the move has begun, not too often wrong."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from services.core.explain import Bools, Floats
from services.volatility import change, hour_of_day, jumps, regime
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.long_run import long_run_path
from services.volatility.moves import Moves

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SPOT, PERPETUAL = "ohlcv_btcusd_bitstamp_1h_2018_2022.csv.gz", "ohlcv_btcusdt_perp_binance_1h_2020_2023.csv.gz"
HOUR, WARM_UP, AHEAD = 3_600, 1_000, 24

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not beside this repository")


@dataclass(frozen=True)
class Labelled:
    """Hours after the warm-up: what they brought, when a label was raised, and the labels' state."""

    close_at: Floats
    log_returns: Floats
    busy_ahead: Bools
    raised: dict[str, Bools]
    stressed: Bools
    alarm_age: Floats

    def precision(self, label: str) -> float:
        """Share of the raises after which the next 24 hours have more than twice the long-run variance."""
        return float(self.busy_ahead[self.raised[label][:-AHEAD]].mean())

    def per_year(self, label: str) -> float:
        return float(self.raised[label].mean()) * 8_760


@lru_cache
def labelled(name: str) -> Labelled:
    with gzip.open(DATA / name, "rt") as stream:
        rows = list(csv.DictReader(stream))
    closes = np.array([float(row["close"]) for row in rows])
    opens_at = np.array([datetime.fromisoformat(row["ts"]).timestamp() for row in rows])
    log_returns, close_at = np.diff(np.log(closes))[None], opens_at[None, 1:] + HOUR
    variance = Adaptive(use_range=False).variance_path(
        Moves(log_return=log_returns, close=closes[None, 1:], close_at=close_at)
    )
    ratio = np.full(log_returns.shape, np.nan)
    ratio[:, 20:] = log_returns[:, 20:] ** 2 / variance[:, 19:-1]
    factors = hour_of_day.factor_path(close_at, HOUR, ratio)
    steady = (log_returns / np.sqrt(factors))[:, WARM_UP:]
    long_run = long_run_path(log_returns**2)[:, WARM_UP - 1 : -1]
    stress = regime.path(steady / np.sqrt(long_run))[0, :, 1] > 0.0
    jump = jumps.path(steady, jumps.jump_test(HOUR))[0]
    alarm = change.path(steady / np.sqrt(variance[:, WARM_UP - 1 : -1]))[0]
    squares = log_returns[0, WARM_UP:] ** 2
    ahead = np.convolve(squares, np.ones(AHEAD), "valid")[1:]
    return Labelled(
        close_at[0, WARM_UP:],
        log_returns[0, WARM_UP:],
        ahead > 2.0 * AHEAD * long_run[0, 1 : 1 - AHEAD],
        {
            "stress": stress & ~np.concatenate([[False], stress[:-1]]),
            "jump": jump[:, 3] == 0.0,
            "up": (alarm[:, 3] == 0.0) & (alarm[:, 2] > 0.0),
            "down": (alarm[:, 3] == 0.0) & (alarm[:, 2] < 0.0),
        },
        stress,
        np.where(alarm[:, 2] > 0.0, alarm[:, 3], np.inf),
    )


@pytest.mark.parametrize("name", [SPOT, PERPETUAL])
def test_after_a_raise_there_is_more_risk_than_usual(name: str) -> None:
    found = labelled(name)
    usual = float(found.busy_ahead.mean())
    assert 0.08 < usual < 0.14
    assert found.precision("stress") > 1.8 * usual
    assert found.precision("jump") > 1.8 * usual
    assert found.precision("up") > 3.0 * usual
    assert found.precision("down") < 0.5 * usual


@pytest.mark.parametrize("name", [SPOT, PERPETUAL])
def test_raises_are_rare_enough_to_act_on(name: str) -> None:
    found = labelled(name)
    assert found.per_year("stress") < 80
    assert found.per_year("jump") < 110
    assert found.per_year("up") < 15
    assert found.per_year("down") < 30
    assert 0.1 < float(found.stressed.mean()) < 0.2


@pytest.mark.parametrize(("name", "day"), [(SPOT, (2020, 3, 12)), (SPOT, (2021, 5, 19)), (PERPETUAL, (2022, 11, 8))])
def test_before_the_largest_hour_of_a_crash_stress_or_the_alarm_is_on(name: str, day: tuple[int, int, int]) -> None:
    found = labelled(name)
    first = int(np.searchsorted(found.close_at, datetime(*day, tzinfo=UTC).timestamp(), side="right"))
    largest = first + int(np.argmax(np.abs(found.log_returns[first : first + 24])))
    assert found.stressed[largest - 1] or found.alarm_age[largest - 1] < 24
