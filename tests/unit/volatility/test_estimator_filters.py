"""Implied variance times its causal ratio, and the Kalman filter of stochastic volatility."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.special import gamma, zeta

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility.estimators import stochastic
from services.volatility.estimators.implied import Implied
from services.volatility.estimators.stochastic import Stochastic
from services.volatility.moves import Move, Moves
from tests.unit.volatility.ranged_moves import hold_to_the_interface, ranged_moves, same_as, streamed

MOVES = ranged_moves(31, 300)


def quoted(moves: Moves, *, from_bar: int = 5) -> Moves:
    """An implied variance of twice the trailing variance, on two bars of three, from `from_bar` on."""
    rng = np.random.default_rng(31)
    trailing = np.cumsum(moves.log_return**2, axis=-1) / np.arange(1.0, moves.shape[1] + 1.0)
    implied = 2.0 * trailing * np.exp(0.1 * rng.standard_normal(moves.shape))
    gone = rng.random(moves.shape) < 1.0 / 3.0
    gone[:, :from_bar] = True
    return dataclasses.replace(moves, implied_variance=np.where(gone, np.nan, implied))


def test_implied_reference() -> None:
    def reference(history: list[Move]) -> float:
        level = history[0].log_return ** 2
        for seen, move in enumerate(history[1:], start=1):
            square = min(move.log_return**2, 8.0 * level)
            level += max(1.0 - 2.0 ** (-1.0 / 250.0), 1.0 / (seen + 1)) * (square - level)
        returned = implied = 0.0
        for place, move in enumerate(history[1:], start=1):
            last, weight = newest(history[max(place - 6, 0) : place]), 2.0 ** (-(len(history) - 1 - place) / 250.0)
            if not math.isnan(last):
                returned, implied = returned + weight * move.log_return**2, implied + weight * last
        return newest(history[-6:]) * (returned + 20.0 * 0.7 * level) / (implied + 20.0 * level)

    def newest(moves: list[Move]) -> float:
        known = [move.implied_variance for move in moves if not math.isnan(move.implied_variance)]
        return known[-1] if known else math.nan

    moves = quoted(MOVES)
    moves.implied_variance[:, 100:110] = np.nan  # type: ignore[index]
    path = Implied().variance_path(moves)
    same_as(path, reference, moves, (0, 4, 5, 6, 7, 8, 50, 99, 104, 105, 106, 109, 110, 111, 120, 299))
    assert np.isnan(path[:, 106:110]).all()
    assert np.array_equal(np.isnan(path), np.isnan(streamed(Implied(), moves)))


def test_implied_interface() -> None:
    hold_to_the_interface(Implied(), quoted(MOVES))
    hold_to_the_interface(Implied(), quoted(MOVES, from_bar=0))


def test_implied_is_silent_before_the_first_quote() -> None:
    model = Implied()
    assert np.isnan(model.variance_path(MOVES)).all()
    memory = model.start()
    for move in MOVES.row(0):
        memory = model.advance(memory, move)
        assert math.isnan(model.variance(memory))
    assert model.ratio(memory) == pytest.approx(0.7, rel=1e-12)


def test_implied_learns_a_constant_factor() -> None:
    """Implied variance 1.6 times what is realised: the forecast comes down to the truth."""
    returns = 0.02 * np.random.default_rng(32).standard_normal((1, 20_000))
    moves = Moves(
        returns, np.ones((1, 20_000)), np.ones((1, 20_000)), implied_variance=np.full((1, 20_000), 1.6 * 4e-4)
    )
    path = Implied().variance_path(moves)[0]
    assert path[-1] == pytest.approx(4e-4, rel=0.02)
    assert path[0] == pytest.approx(0.7 * 1.6 * 4e-4, rel=1e-12)


def test_implied_forgets_a_wrong_quote() -> None:
    """26 times too high until bar 300 (the most that is taken), then right: the ratio of r² to it recovers."""
    returns = 0.02 * np.random.default_rng(37).standard_normal((1, 3_000))
    quotes = np.where(np.arange(3_000) < 300, 676.0, 1.0)[None, :] * 4e-4
    path = Implied().variance_path(Moves(returns, returns, returns, implied_variance=quotes))[0]
    assert path[301] < 2e-6
    assert path[-1] == pytest.approx(4e-4, rel=0.35)


def test_size_of_what_implied_rests_on_is_that_of_its_weights() -> None:
    model, move = Implied(), Move(0.01, 1.0, 0.0, implied_variance=4e-4)
    memory = model.start()
    for _ in range(401):
        memory = model.advance(memory, move)
    weights = 2.0 ** (-np.arange(400.0) / 250.0)
    kish = weights.sum() ** 2 / (weights**2).sum()
    assert model.effective_observations(memory) == pytest.approx(kish + 1.0, rel=1e-12)


def kalman(history: list[Move], phi: float, q: float, *, overnight: bool) -> tuple[float, float]:
    """Forecast and posterior variance of ln σ², textbook form, everything recomputed."""
    spread, state, mean, count, pairs = q / (1.0 - phi**2), 0.0, 0.0, 0, 0
    forecast, returned, former = math.nan, 0.0, 0.0
    gain_of = 1.0 - 2.0 ** (-1.0 / 250.0)
    for move in history:
        square = move.log_return**2
        if not math.isnan(forecast):
            cap = math.inf if pairs == 0 else 8.0 * max(returned, former)
            pairs += 1
            weight = max(gain_of, 1.0 / pairs)
            returned, former = (
                (1.0 - weight) * old + weight * min(new, cap) for old, new in ((returned, square), (former, forecast))
            )
        x, noise = math.log(square) + 1.2704, math.pi**2 / 2.0
        if not math.isnan(move.high):
            value = (move.high - move.low) ** 2 / (4.0 * math.log(2.0)) + (move.overnight**2 if overnight else 0.0)
            x, noise = math.log(value) + 0.1684, 0.35
        count, mean = count + 1, (count * mean + x) / (count + 1)
        predicted, prior = phi * state, phi**2 * spread + q
        spread = 1.0 / (1.0 / prior + 1.0 / noise)  # precisions add
        state = spread * (predicted / prior + (x - mean) / noise)
        forecast = math.exp(mean + phi * state + 0.5 * (phi**2 * spread + q))
    return forecast * (min(max(returned / former, 0.5), 2.5) if pairs else 1.0), spread


@pytest.mark.parametrize("overnight", [True, False])
def test_stochastic_reference(overnight: bool) -> None:
    model = Stochastic(persistence=0.95, innovation_variance=0.1, overnight=overnight)
    same_as(
        model.variance_path(MOVES),
        lambda history: kalman(history, 0.95, 0.1, overnight=overnight)[0], MOVES, (0, 1, 2, 10, 100, 299),
    )  # fmt: skip
    memory = model.start()
    for move in MOVES.row(0):
        memory = model.advance(memory, move)
    spread = kalman(list(MOVES.row(0)), 0.95, 0.1, overnight=overnight)[1]
    assert model.posterior_deviation(memory) == pytest.approx(math.sqrt(spread) / 2.0, rel=1e-12)


@pytest.mark.parametrize("model", [Stochastic(), Stochastic(overnight=False), Stochastic(persistence=0.5)])
def test_stochastic_interface(model: Stochastic) -> None:
    hold_to_the_interface(model, MOVES)
    closes = dataclasses.replace(MOVES, overnight=None, high=None, low=None, body=None)
    hold_to_the_interface(model, closes)


def test_a_bar_that_did_not_move_is_no_observation() -> None:
    model, flat = Stochastic(), Move(0.0, 100.0, 0.0)
    memory = model.advance(model.start(), flat)
    assert math.isnan(model.variance(memory))
    for move in MOVES.row(0):
        memory = model.advance(memory, move)
    before = model.posterior_deviation(memory)
    memory = model.advance(memory, flat)
    assert model.posterior_deviation(memory) > before
    assert math.isfinite(model.variance(memory))


@pytest.mark.parametrize("every", [10, 5, 3])
def test_last_digits_of_a_price_are_no_observations(every: int) -> None:
    """Bars that moved by 1e-14 say as much as bars that did not move: nothing."""
    returns = 0.02 * np.random.default_rng(35).standard_normal((1, 600))
    still = np.where(np.arange(600) % every == every - 1, 0.0, returns)
    ticks = np.where(still == 0.0, 1e-14, still)
    unmoved, jittered = (Stochastic().variance_path(Moves(column, column, column)) for column in (still, ticks))
    np.testing.assert_allclose(jittered, unmoved, rtol=1e-9)
    assert 0.01 < math.sqrt(jittered[0, -1]) < 0.03


def test_a_lasting_calm_is_believed_in_time() -> None:
    """Moves a thousand times smaller than before are dropped at first, and taken once E(r²) has come down."""
    returns = 0.02 * np.random.default_rng(36).standard_normal((1, 3_000))
    returns[0, 300:] *= 1e-3
    path = np.sqrt(Stochastic().variance_path(Moves(returns, returns, returns)))[0]
    assert path[299] > 0.005 and path[320] > 0.005
    assert path[-1] < 1e-4


def test_offset_and_noise_are_those_of_a_walk() -> None:
    """Feller's E(range^p) = 4/√π Γ((p+1)/2)(1 − 4/2^p) ζ(p − 1) 2^(p/2), differentiated at p = 0."""

    def logarithm(p: float) -> float:
        moment = gamma((p + 1.0) / 2.0) * (1.0 - 4.0 / 2.0**p) * zeta(p - 1.0) * 2.0 ** (p / 2.0)
        return math.log(4.0 / math.sqrt(math.pi) * moment)

    step = 1e-3
    mean = (logarithm(step) - logarithm(-step)) / (2.0 * step)
    variance = (logarithm(step) - 2.0 * logarithm(0.0) + logarithm(-step)) / step**2
    assert math.log(4.0 * math.log(2.0)) - 2.0 * mean == pytest.approx(stochastic.RANGE_OFFSET, abs=1e-4)
    assert 4.0 * variance == pytest.approx(0.329, abs=1e-3)
    assert 0.329 < stochastic.RANGE_NOISE < 0.37
    squares: Floats = np.log(np.random.default_rng(33).standard_normal(1_000_000) ** 2)
    assert -squares.mean() == pytest.approx(stochastic.SQUARE_OFFSET, abs=0.01)
    assert squares.var() == pytest.approx(stochastic.SQUARE_NOISE, rel=0.01)


def test_posterior_deviation_is_honest() -> None:
    """Simulated from the model itself: errors of the filtered ln σ have the deviation that it states."""
    rng, bars, phi, q = np.random.default_rng(34), 4_000, 0.97, 0.05
    level = np.zeros(bars)
    for bar in range(1, bars):
        level[bar] = phi * level[bar - 1] + math.sqrt(q) * rng.standard_normal()
    sigma = 0.02 * np.exp(0.5 * level)
    path = np.cumsum(rng.standard_normal((bars, 1_000)) / math.sqrt(1_000.0), axis=-1) * sigma[:, None]
    high, low, body = np.maximum(path.max(-1), 0.0), np.minimum(path.min(-1), 0.0), path[:, -1]
    model = Stochastic(persistence=phi, innovation_variance=q)
    memory, errors, stated = model.start(), [], 0.0
    for bar, values in enumerate(zip(body, high, low, strict=True)):
        change, top, bottom = (float(value) for value in values)
        memory = model.advance(memory, Move(change, 1.0, 0.0, 0.0, top, bottom, change))
        errors.append(0.5 * (memory[2] + memory[3]) - math.log(sigma[bar]))
        stated = model.posterior_deviation(memory)
    assert float(np.std(errors[1_000:])) == pytest.approx(stated, rel=0.1)


def test_stochastic_refuses_a_variance_without_bound() -> None:
    with pytest.raises(InvalidInput, match=r"innovation_variance must keep .* at or below 20, found 1.0"):
        Stochastic(persistence=0.99, innovation_variance=1.0)
