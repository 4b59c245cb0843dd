"""A walk through history looks back only, counts what it holds, and decides as the service does."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pytest

from app.commands.price_file import Close
from app.demo.markets import DemoMarket
from app.demo.plot import draw
from app.demo.walk import Walk, rolling_deviation, walk
from app.usecases.call import Door
from app.usecases.decide import Gathered, decide
from models.api.evaluation import EvaluationRequest

BARS = 500
START = datetime(2022, 1, 1, tzinfo=UTC)
ANNUAL = 0.6


def market(bars: int = BARS, *, seed: int = 5) -> DemoMarket:
    """Geometric random walk of constant 60 % volatility."""
    steps = np.random.default_rng(seed).normal(0.0, ANNUAL / math.sqrt(365.0), bars)
    prices = 20_000.0 * np.exp(np.cumsum(steps))
    closes = tuple(Close(START + timedelta(days=index), f"{price:.2f}") for index, price in enumerate(prices))
    return DemoMarket(symbol="RANDOM", title="Random walk", closes=closes, source="made here")


@pytest.fixture(scope="module")
def walked() -> Walk:
    return walk(market())


def test_each_bar_earns_on_the_size_decided_before_it(walked: Walk) -> None:
    held = np.isfinite(walked.held_return)
    assert held.sum() > BARS - 30
    lagged = np.concatenate([[np.nan], walked.exposure[:-1]])
    np.testing.assert_allclose(walked.held_return[held], (lagged * walked.market_return)[held], rtol=1e-9, atol=1e-12)


def test_the_future_does_not_change_the_past(walked: Walk) -> None:
    original = market()
    last = original.closes[-1]
    crashed = replace(original, closes=(*original.closes[:-1], Close(last.close_time, f"{float(last.close) / 2:.2f}")))
    other = walk(crashed)
    for name in ("forecast", "volatility", "exposure", "held_return"):
        np.testing.assert_array_equal(getattr(other, name)[:-1], getattr(walked, name)[:-1], err_msg=name)
    assert other.exposure[-1] < 0.6 * walked.exposure[-1], "halving overnight is more than a 20 % account can hold"


def test_realised_volatility_meets_the_target(walked: Walk) -> None:
    # Standard error of a volatility over n returns: 1/sqrt(2n) = 3.2 %; half-life 20 inflates by about 1/(2 * 57.7).
    assert walked.tracking_ratio == pytest.approx(1.0, abs=3 / math.sqrt(2 * BARS))
    assert walked.market_volatility == pytest.approx(ANNUAL, rel=3 / math.sqrt(2 * BARS))


def test_nothing_is_held_before_there_is_a_forecast(walked: Walk) -> None:
    assert not walked.exposure[:19].any()
    assert walked.exposure[19] > 0


def test_the_last_decision_is_that_on_a_posted_series(walked: Walk) -> None:
    closes = [float(item.close) for item in walked.market.closes]
    end = walked.market.closes[-1].close_time.isoformat()
    posted = {"symbol": "RANDOM", "interval": "P1D", "calendar": "24/7", "end": end, "close": closes}
    body = {name: value for name, value in walked.last_request.items() if name != "interval"} | {"series": [posted]}
    request = EvaluationRequest.model_validate(body)
    moment = walked.market.closes[-1].close_time
    decision = decide(
        Door.EVALUATIONS, request, orjson.dumps(body), Gathered(), evaluation_id="ev_1", received_at=moment
    )
    assert decision.result.targets[0].target == walked.last_target


def test_returns_over_missing_bars_are_left_out() -> None:
    original = market(120)
    gap = walk(replace(original, closes=original.closes[:80] + original.closes[93:]))
    assert np.isnan(gap.held_return[80])
    assert np.isfinite(gap.held_return[81:]).all()


def test_progress_is_told_after_every_bar() -> None:
    told: list[int] = []
    walk(market(30), told.append)
    assert told == list(range(1, 31))


def test_rolling_deviation_is_that_of_each_window() -> None:
    values = np.random.default_rng(1).normal(size=60)
    values[[0, 7, 8, 30]] = np.nan
    expected = np.full(60, np.nan)
    for end in range(60):
        seen = [value for value in values[: end + 1] if not math.isnan(value)]
        if not math.isnan(values[end]) and len(seen) >= 10:
            expected[end] = np.std(seen[-10:], ddof=1)
    np.testing.assert_allclose(rolling_deviation(values, 10), expected)


@pytest.mark.parametrize("columns", [1, 2])
def test_the_picture_is_a_png_with_a_column_for_each_walk(walked: Walk, tmp_path: Path, columns: int) -> None:
    path = tmp_path / "picture.png"
    draw([walked] * columns, path)
    raw = path.read_bytes()
    assert raw.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = int.from_bytes(raw[16:20]), int.from_bytes(raw[20:24])
    assert (width, height) == (round((1.5 + 6.5 * columns) * 130), round(10.5 * 130))
