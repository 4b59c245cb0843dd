"""Heterogeneous autoregression in levels and in logarithms."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility.estimators.har import Har
from services.volatility.moves import Move, Moves
from tests.unit.volatility.ranged_moves import hold_to_the_interface, ranged_moves, same_as

MOVES = ranged_moves(41, 300)


def values_of(history: list[Move]) -> Floats:
    return np.array(
        [
            move.log_return**2
            if math.isnan(move.high)
            else (move.high - move.low) ** 2 / (4.0 * math.log(2.0)) + move.overnight**2
            for move in history
        ]
    )


def lags_of(values: Floats, week: int, month: int) -> Floats:
    """(n, 3): v and its means over at most `week` and `month` bars."""
    return np.array(
        [
            [
                values[bar],
                values[max(bar + 1 - week, 0) : bar + 1].mean(),
                values[max(bar + 1 - month, 0) : bar + 1].mean(),
            ]
            for bar in range(values.size)
        ]
    )


def level(history: list[Move]) -> float:
    """Least squares by QR on the raw design, lags 5 and 22."""
    values = values_of(history)
    if values.size < 44:
        return float(values.mean())
    lags = lags_of(values, 5, 22)
    design = np.column_stack([np.ones(values.size), lags / values.mean()])
    coefficients = np.linalg.lstsq(design[21:-1], values[22:] / values.mean(), rcond=None)[0]
    return float(np.clip(design[-1] @ coefficients * values.mean(), 0.1 * values.mean(), values.max()))


def logarithmic(history: list[Move]) -> float:
    """Weighted least squares with a fading prior, solved anew: what the recursion is equal to. Lags 7 and 30."""
    values = values_of(history)
    if values.size < 20:
        return float(values.mean())
    lags, anchor = lags_of(values, 7, 30), math.log(values[:20].mean())
    logs = np.log(np.maximum(lags, 1e-4 * lags[:, 2:])) - anchor
    design = np.column_stack([np.ones(values.size), logs])
    precision, prior = np.eye(4) / 0.1, np.array([-0.3, 0.4, 0.3, 0.25])
    moment, coefficients, spread = precision @ prior, prior, 0.3
    for bar in range(20, values.size):
        row, target = design[bar - 1], logs[bar, 0]
        error = float(np.clip(target - row @ coefficients, -4.0, 4.0))
        target = row @ coefficients + error
        precision = 0.9995 * precision + np.outer(row, row)
        moment = 0.9995 * moment + row * target
        coefficients = np.linalg.solve(precision, moment)
        spread += max(1.0 / 250.0, 1.0 / (bar + 30.0)) * (error**2 - spread)
    return min(math.exp(float(design[-1] @ coefficients) + anchor + spread / 2.0), float(values.max()))


def test_level_is_least_squares() -> None:
    path = Har(form="level", week=5, month=22, match_close_variance=False).variance_path(MOVES)
    for row in range(2):
        history = list(MOVES.row(row))
        for bars in (1, 2, 43, 44, 45, 46, 60, 150, 300):
            # The normal equations square the condition of the design, and the ridge is 1e-10.
            assert path[row, bars - 1] == pytest.approx(level(history[:bars]), rel=1e-6)


def test_log_is_weighted_least_squares_with_a_prior() -> None:
    path = Har(match_close_variance=False).variance_path(MOVES)
    same_as(path, logarithmic, MOVES, (0, 18, 19, 20, 21, 30, 100, 299))


@pytest.mark.parametrize("form", ["level", "log"])
@pytest.mark.parametrize("lags", [(7, 30), (5, 22), (2, 3), (24, 100)])
def test_interface(form: str, lags: tuple[int, int]) -> None:
    model = Har(form=form, week=lags[0], month=lags[1])  # type: ignore[arg-type]
    tolerance = 1e-12 if form == "log" else 1e-10
    hold_to_the_interface(model, MOVES, scale_tolerance=tolerance)
    hold_to_the_interface(
        model, dataclasses.replace(MOVES, overnight=None, high=None, low=None), scale_tolerance=tolerance
    )


@pytest.mark.parametrize("form", ["level", "log"])
def test_it_finds_the_coefficients_that_made_the_data(form: str) -> None:
    rng, bars = np.random.default_rng(42), 8_000
    values = np.full(bars, 1e-4)
    for bar in range(30, bars):
        day, week, month = values[bar - 1], values[bar - 7 : bar].mean(), values[bar - 30 : bar].mean()
        if form == "level":
            values[bar] = (1e-5 + 0.3 * day + 0.35 * week + 0.25 * month) * (1.0 + 0.3 * rng.uniform(-1.0, 1.0))
        else:
            logs = np.log(np.array([day, week, month]) / 1e-4) @ np.array([0.35, 0.35, 0.2])
            values[bar] = 1e-4 * math.exp(-0.05 + logs + 0.3 * rng.standard_normal())
    ranges = np.sqrt(values * 4.0 * math.log(2.0))[None, :]
    zeros = np.zeros((1, bars))
    moves = Moves(zeros, np.ones((1, bars)), np.ones((1, bars)), zeros, ranges, zeros, zeros)
    model = Har(form=form, match_close_variance=False)  # type: ignore[arg-type]
    memory = model.start()
    for move in moves.row(0):
        memory = model.advance(memory, move)
    truth = (0.1, 0.3, 0.35, 0.25) if form == "level" else (-0.05, 0.35, 0.35, 0.2)
    assert model.coefficients(memory).tolist() == pytest.approx(truth, abs=0.08)
    assert 1.0 < model.effective_half_life(memory) < 6.0


def test_forecasts_stay_within_what_was_seen() -> None:
    """A spike of 10,000 times the usual value: no forecast below a tenth of the mean or above the largest."""
    returns = np.full((1, 400), 0.01) * np.where(np.arange(400) % 2, 1.0, -1.0)
    returns[0, 200] = 1.0
    moves = Moves(returns, np.ones((1, 400)), np.ones((1, 400)))
    squares = returns[0] ** 2
    for form in ("level", "log"):
        path = Har(form=form, match_close_variance=False).variance_path(moves)[0]  # type: ignore[arg-type]
        assert (path <= np.maximum.accumulate(squares) * (1.0 + 1e-12)).all()
        if form == "level":
            mean = np.cumsum(squares) / np.arange(1, 401)
            assert (path >= 0.1 * mean * (1.0 - 1e-12)).all()


@pytest.mark.parametrize("form", ["level", "log"])
def test_constant_and_zero_values(form: str) -> None:
    """Columns that cannot be told apart are no division by zero."""
    returns = np.zeros((2, 200))
    returns[0] = 0.01
    returns[1, 150:] = 0.02
    moves = Moves(returns, np.ones((2, 200)), np.ones((2, 200)))
    model = Har(form=form)  # type: ignore[arg-type]
    path = model.variance_path(moves)
    assert np.isfinite(path).all()
    assert path[0, -1] == pytest.approx(1e-4, rel=1e-6 if form == "level" else 0.2)
    assert path[1, 149] == pytest.approx(0.0, abs=1e-12)


def test_week_is_shorter_than_month() -> None:
    with pytest.raises(InvalidInput, match="week must be shorter than month, found 30"):
        Har(week=30)
