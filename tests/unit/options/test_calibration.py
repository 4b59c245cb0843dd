"""Fits recover what generated the quotes, say how sure they are, and refuse what cannot be fitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.core.errors import InvalidInput, Refusal
from services.core.explain import Floats
from services.core.outcome import Reason
from services.options.calibration import (
    PARAMETERS,
    BatesFit,
    Calibration,
    HestonFit,
    calibrate,
    calibrate_bates,
    calibrate_heston,
    informative,
    volatility_gradient,
)
from services.options.heston import Heston, StochasticVolatility
from services.options.model_smile import model_volatilities
from tests.support.stochastic_volatility import with_jumps

TRUE = Heston(
    initial_variance=0.3, mean_reversion=3.0, long_run_variance=0.4, volatility_of_variance=1.8, correlation=-0.35
)
JUMPING = with_jumps(TRUE, 3.0, -0.08, 0.1)
TIMES = np.array([3.0, 10.0, 30.0, 90.0, 180.0, 365.0]) / 365.0


def quotes(model: StochasticVolatility, per_expiry: int = 15) -> tuple[Floats, Floats, Floats]:
    """Volatilities of a model, two and a half standard deviations either side."""
    moneyness = (np.linspace(-2.5, 2.5, per_expiry) * np.sqrt(0.3 * TIMES)[:, None]).ravel()
    times = np.repeat(TIMES, per_expiry)
    volatility = model_volatilities(model, moneyness, times)
    seen = np.isfinite(volatility)
    return moneyness[seen], times[seen], volatility[seen]


def values(model: StochasticVolatility, names: tuple[str, ...]) -> Floats:
    return np.array([getattr(model, name) for name in names])


@pytest.mark.parametrize("correlation", [-0.9, -0.35, 0.0, 0.6])
@pytest.mark.parametrize("sigma", [0.3, 1.8, 4.0])
def test_heston_is_recovered(correlation: float, sigma: float) -> None:
    true = replace(TRUE, correlation=correlation, volatility_of_variance=sigma)
    found = calibrate_heston(*quotes(true), 0.005)
    assert values(found.model, found.names) == pytest.approx(values(true, found.names), rel=2e-3, abs=2e-3)
    assert found.root_mean_square_error < 2e-4
    assert (found.within_error, found.feller, found.converged, found.at_bound) == (1.0, true.feller, True, ())
    assert found.reduced_chi_square < 2e-3


def test_bates_is_recovered() -> None:
    found = calibrate_bates(*quotes(JUMPING), 0.005)
    assert values(found.model, found.names) == pytest.approx(values(JUMPING, PARAMETERS), rel=1e-2)
    assert found.root_mean_square_error < 1e-5


def test_jumps_are_not_found_by_heston() -> None:
    plain, jumping = calibrate_heston(*quotes(JUMPING), 0.002), calibrate_bates(*quotes(JUMPING), 0.002)
    assert plain.reduced_chi_square > 10.0 > 0.01 > jumping.reduced_chi_square


def test_standard_errors_are_the_spread_of_estimates() -> None:
    """Over 60 draws of noise the z-scores have unit variance, within what 60 draws can tell (0.1 % tails)."""
    moneyness, times, volatility = quotes(TRUE)
    rng, scores = np.random.default_rng(7), []
    for _ in range(60):
        found = calibrate(
            HestonFit(), moneyness, times, volatility + 0.004 * rng.standard_normal(times.size), 0.004, start=TRUE
        )
        errors = np.array([found.standard_errors[name] for name in found.names], dtype=float)
        scores.append((values(found.model, found.names) - values(TRUE, found.names)) / errors)
    spread = np.std(scores, axis=0)
    assert (spread > 0.70).all() and (spread < 1.35).all()
    assert (np.abs(np.mean(scores, axis=0)) < 3.3 / np.sqrt(60.0)).all()


def test_errors_grow_with_what_the_model_misses() -> None:
    """The covariance is scaled by the mean squared error: narrow spreads do not make a wrong model sure."""
    chain = quotes(JUMPING)
    tight, wide = calibrate_heston(*chain, 0.001), calibrate_heston(*chain, 0.002)
    assert tight.reduced_chi_square == pytest.approx(4.0 * wide.reduced_chi_square, rel=1e-3)
    for name in tight.names:
        assert tight.standard_errors[name] == pytest.approx(wide.standard_errors[name], rel=1e-2)


def test_a_parameter_at_its_bound_has_no_error() -> None:
    found = calibrate(HestonFit(mean_reversion_bounds=(0.05, 1.0)), *quotes(TRUE), 0.005)
    assert found.at_bound == ("mean_reversion",)
    assert found.model.mean_reversion == pytest.approx(1.0, abs=1e-3)
    assert found.standard_errors["mean_reversion"] is None
    assert found.standard_errors["correlation"] is not None


def test_the_penalty_buys_fellers_condition() -> None:
    true = replace(TRUE, volatility_of_variance=3.0)
    chain = quotes(true)
    free, held = calibrate_heston(*chain, 0.005), calibrate(HestonFit(feller_penalty=1e6), *chain, 0.005)
    assert not free.feller
    lack = held.model.volatility_of_variance**2 - 2.0 * held.model.mean_reversion * held.model.long_run_variance
    assert lack < 0.02
    assert held.root_mean_square_error > free.root_mean_square_error


def test_a_start_saves_the_search() -> None:
    chain = quotes(TRUE)
    cold, warm = calibrate_heston(*chain, 0.005), calibrate(HestonFit(), *chain, 0.005, start=TRUE)
    assert warm.evaluations < 0.5 * cold.evaluations
    assert values(warm.model, warm.names) == pytest.approx(values(cold.model, cold.names), rel=1e-3)
    with pytest.raises(InvalidInput, match="start must be of the model that is fitted"):
        calibrate(BatesFit(), *chain, 0.005, start=TRUE)


def test_far_quotes_are_left_out() -> None:
    moneyness, times, volatility = quotes(TRUE)
    moneyness = np.append(moneyness, -3.0)
    found = calibrate_heston(moneyness, np.append(times, 0.02), np.append(volatility, 0.5), 0.005)
    assert found.used.tolist() == [True] * times.size + [False]
    assert informative(np.array([0.0, 1.0]), np.array([0.1, 0.01]), np.array([0.5, 0.5])).tolist() == [True, False]


def test_too_few_quotes_or_expiries_are_refused() -> None:
    moneyness, times, volatility = quotes(TRUE)
    for chosen in (np.arange(0, times.size, 10)[:9], np.flatnonzero(times == times[0])):
        with pytest.raises(Refusal, match="usable quotes of") as refusal:
            calibrate_heston(moneyness[chosen], times[chosen], volatility[chosen], 0.005)
        assert refusal.value.reason is Reason.UNUSABLE_DATA


@pytest.mark.parametrize("model", [TRUE, JUMPING])
def test_gradient_is_that_of_volatilities(model: StochasticVolatility) -> None:
    """Against central differences of inverted prices."""
    names = PARAMETERS[: 5 if model is TRUE else 8]
    moneyness, times = np.array([-0.3, 0.0, 0.2]), np.array([0.1, 0.3, 1.0])
    nothing = np.zeros(0)
    fit = Calibration(model, names, nothing, (), True, 0.0, 1.0, 1.0, nothing > 0, True, 0)
    found = volatility_gradient(fit, moneyness, times, model_volatilities(model, moneyness, times))
    for place, name in enumerate(names):
        step = 1e-4 * abs(getattr(model, name))
        ends = [
            model_volatilities(replace(model, **{name: getattr(model, name) + side * step}), moneyness, times)
            for side in (1.0, -1.0)
        ]
        assert found[:, place] == pytest.approx((ends[0] - ends[1]) / (2.0 * step), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"variance_bounds": (0.5, 0.1)}, "model.variance_bounds must be ascending within 0.0001 and 25"),
        ({"correlation_bounds": (-1.0, 0.0)}, "correlation_bounds must be ascending within -0.99 and 0.99"),
        ({"mean_reversion_bounds": (0.0, 1.0)}, "mean_reversion_bounds"),
    ],
)
def test_bounds_out_of_range(bounds: dict[str, tuple[float, float]], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        HestonFit(**bounds)
    with pytest.raises(InvalidInput, match=message):
        BatesFit(**bounds)


def test_quotes_out_of_range() -> None:
    with pytest.raises(InvalidInput, match="implied_volatility must be > 0"):
        calibrate_heston([0.0, 0.1], [0.1, 0.1], [0.5, 0.0], 0.01)
    with pytest.raises(InvalidInput, match="log_moneyness must be a list"):
        calibrate_heston(0.0, 0.1, 0.5, 0.01)
