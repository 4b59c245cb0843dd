"""Exogenous drivers: what they change, and what they may not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.explain import Floats
from services.volatility.driver_columns import driver_paths
from services.volatility.drivers import (
    OUTLIER_CAP,
    RATIO_CAP,
    WARM_VALUES,
    DriverExpert,
    drivers_of,
    standardized,
)

PLAIN = DriverExpert(drivers=1)


def market(bars: int, slopes: tuple[float, ...], seed: int) -> tuple[Floats, Floats, Floats]:
    """Squared returns, base variances and drivers of which ln variance of the next bar is `slopes` times."""
    draws = np.random.default_rng(seed)
    values = draws.standard_normal((bars, len(slopes)))
    variances = np.full(bars, 1e-4)
    lagged = np.vstack([np.zeros(len(slopes)), values[:-1]])
    squares = variances * np.exp(lagged @ np.array(slopes)) * draws.standard_normal(bars) ** 2
    return squares, variances, values


def qlike(squares: Floats, variances: Floats) -> float:
    return float(np.mean(np.log(variances) + squares / variances))


class Plainly:
    """The same expert written with sums over the whole past, without a recursion but for what is one."""

    def __init__(self, expert: DriverExpert, squares: Floats, variances: Floats, values: Floats) -> None:
        self.expert, self.ratios, self.values = expert, squares / variances, values

    def feature(self, driver: int, bar: int) -> float:
        """Against weighted mean and deviation of the values before."""
        before = [value for value in self.values[:bar, driver] if np.isfinite(value)]
        if len(before) < WARM_VALUES or not np.isfinite(self.values[bar, driver]):
            return 0.0
        gain = 1.0 - 2.0 ** (-1.0 / self.expert.standardization_half_life)
        weights = np.ones(1)
        for count in range(2, len(before) + 1):
            step = max(gain, 1.0 / count)
            weights = np.append(weights * (1.0 - step), step)
        mean = weights @ before
        deviation = math.sqrt(weights @ (np.array(before) - mean) ** 2)
        return float(np.clip((self.values[bar, driver] - mean) / deviation, -4.0, 4.0))

    def multipliers(self) -> Floats:
        bars, drivers = self.values.shape
        features = np.array([[self.feature(k, bar) for k in range(drivers)] for bar in range(bars)])
        decay = 2.0 ** (-1.0 / self.expert.slope_half_life)
        slopes, weights = np.zeros(drivers), np.array([1.0 - self.expert.weight, self.expert.weight])
        out = np.ones(bars)
        prior, ridge = weights.copy(), self.expert.prior_observations
        for bar in range(1, bars):
            known, ages = features[:bar], decay ** np.arange(bar - 1, -1, -1)
            said = np.array([1.0, np.clip(np.exp(slopes @ known[-1]), self.expert.least, self.expert.most)])
            together = weights @ said
            surprise = self.expert.rate * (min(self.ratios[bar] / together, RATIO_CAP) - 1.0)
            lifted = weights * np.exp(np.clip(surprise * (said / together - 1.0), -1.0, 1.0))
            weights = (1.0 - self.expert.share) * lifted / lifted.sum() + self.expert.share * prior
            gradient = known[-1] * (min(self.ratios[bar] / said[1], RATIO_CAP) - 1.0)
            slopes = slopes + (gradient - (1.0 - decay) * ridge * slopes) / (ridge + ages @ known**2)
            factor = np.clip(np.exp(slopes @ features[bar]), self.expert.least, self.expert.most)
            out[bar] = weights @ [1.0, factor]
        return out


def test_the_expert_is_what_its_formulas_say() -> None:
    squares, variances, values = market(160, (0.8, -0.5), 3)
    values[40:44, 0] = np.nan
    expert = DriverExpert(drivers=2, standardization_half_life=30.0, slope_half_life=200.0, rate=0.3, share=0.01)
    # The first bar has nothing to teach: no driver has spoken before it.
    expected = Plainly(expert, squares, variances, values).multipliers()
    assert expert.multiplier_path(squares, variances, values) == pytest.approx(expected, rel=1e-10)
    assert expected.std() > 0.02


@pytest.mark.parametrize("slope", [-0.5, 0.0, 0.4])
def test_a_true_slope_is_found_within_its_error(slope: float) -> None:
    squares, variances, values = market(8000, (slope,), 11)
    expert = DriverExpert(drivers=1, slope_half_life=100000.0, prior_observations=1.0, most=100.0, least=0.01)
    memory = expert.start()
    for square, variance, value in zip(squares.tolist(), variances.tolist(), values.tolist(), strict=True):
        memory = expert.advance(memory, square=square, variance=variance, values=value)
    (driver,) = drivers_of(memory)
    # Var(χ²₁ − 1) = 2 over Σ f²; the cap of r²/h at 15 costs E(χ²₁ − 15)₊ < 0.001.
    assert abs(driver.slope - slope) < 3.5 * math.sqrt(2.0 / driver.information)


def test_a_true_driver_is_worth_what_it_is_worth_and_noise_costs_next_to_nothing() -> None:
    slope, bars, start = 0.5, 12000, 4000
    squares, variances, values = market(bars, (slope,), 5)
    noise = np.random.default_rng(6).standard_normal((bars, 1))
    base = qlike(squares[start:], variances[start:])
    gains = []
    for column in (values, noise):
        path = PLAIN.multiplier_path(squares, variances, column)
        gains.append(base - qlike(squares[start:], variances[start:] * path[start - 1 : -1]))
    # The best forecast gains E(e^x − 1 − x) over one that is right on average but for its level.
    best = base - qlike(squares[start:], (variances * np.exp(slope * np.append([0.0], values[:-1, 0])))[start:])
    assert gains[0] > 0.6 * best
    assert abs(gains[1]) < 0.004


def test_no_driver_changes_nothing() -> None:
    empty = DriverExpert(drivers=0)
    memory = empty.advance(empty.start(), square=1.0, variance=1.0, values=())
    assert len(memory) == 1 and empty.multiplier(memory) == 1.0
    assert empty.driver_variance(memory, 0.37) == 0.37


@given(value=st.sampled_from([math.nan, math.inf, -math.inf, 1e-4]))
def test_a_driver_that_says_nothing_changes_nothing(value: float) -> None:
    """Missing, infinite or constant."""
    squares, variances, _ = market(120, (0.0,), 1)
    assert (PLAIN.multiplier_path(squares, variances, np.full((120, 1), value)) == 1.0).all()


def test_a_missing_value_is_a_multiplier_of_one_and_moves_no_statistic() -> None:
    squares, variances, values = market(600, (0.9,), 2)
    memory = PLAIN.start()
    for square, variance, value in zip(squares.tolist(), variances.tolist(), values.tolist(), strict=True):
        memory = PLAIN.advance(memory, square=square, variance=variance, values=value)
    spoken, silent = PLAIN.observe(memory, [1.5]), PLAIN.observe(memory, [math.nan])
    assert PLAIN.multiplier(spoken) > 1.1 and PLAIN.multiplier(silent) == 1.0
    (before,), (after,) = drivers_of(memory), drivers_of(silent)
    assert after == before._replace(feature=0.0)


def test_no_forecast_depends_on_what_comes_later() -> None:
    squares, variances, values = market(400, (0.7, 0.3), 8)
    expert = DriverExpert(drivers=2)
    path = expert.multiplier_path(squares, variances, values)
    for cut in (50, 213, 399):
        changed = [column.copy() for column in (squares, variances, values)]
        for column in changed:
            column[cut:] = column[cut:][::-1] * 3.7
        assert (expert.multiplier_path(*changed)[:cut] == path[:cut]).all()


def test_the_unit_of_a_driver_and_of_returns_does_not_matter() -> None:
    squares, variances, values = market(500, (0.7,), 9)
    path = PLAIN.multiplier_path(squares, variances, values)
    moved = PLAIN.multiplier_path(squares * 1e4, variances * 1e4, values * 3.0 + 5.0)
    assert moved == pytest.approx(path, rel=1e-9)


def test_drivers_may_come_in_any_order() -> None:
    squares, variances, values = market(500, (0.7, -0.2, 0.0), 10)
    expert = DriverExpert(drivers=3)
    path = expert.multiplier_path(squares, variances, values)
    assert expert.multiplier_path(squares, variances, values[:, [2, 0, 1]]) == pytest.approx(path, rel=1e-12)


def test_a_stored_memory_goes_on_bit_for_bit() -> None:
    squares, variances, values = market(300, (0.7, 0.1), 12)
    expert = DriverExpert(drivers=2)
    path, memory = expert.multiplier_path(squares, variances, values), expert.start()
    for place in range(300):
        memory = tuple(float.fromhex(figure.hex()) for figure in memory)
        row = values[place].tolist()
        memory = expert.advance(memory, square=float(squares[place]), variance=float(variances[place]), values=row)
        assert expert.multiplier(memory) == path[place]
    assert len(memory) == 1 + 6 * 2


@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=30, max_size=60),
    squares=st.lists(st.floats(min_value=0.0, max_value=1e6), min_size=60, max_size=60),
    variance=st.floats(min_value=0.0, max_value=1e3),
)
def test_whatever_drivers_say_the_multiplier_stays_within_its_bounds(
    values: list[float], squares: list[float], variance: float
) -> None:
    expert = DriverExpert(drivers=1, prior_observations=1.0, rate=1.0)
    memory = expert.start()
    for value, square in zip(values, squares, strict=False):
        memory = expert.advance(memory, square=square, variance=variance, values=[value])
        assert expert.least <= expert.multiplier(memory) <= expert.most
        assert all(map(math.isfinite, memory))
        assert 0.49 * expert.share <= memory[0] <= 1.0 - 0.49 * expert.share


@pytest.mark.parametrize("variance", [math.nan, 0.0])
def test_a_bar_without_a_base_forecast_teaches_nothing(variance: float) -> None:
    memory = PLAIN.observe(PLAIN.start(), [1.0])
    assert PLAIN.learn(memory, square=1e-4, variance=variance) == memory


def test_one_absurd_value_does_not_blind_a_driver() -> None:
    driver, _ = drivers_of(DriverExpert(drivers=2).start())
    draws = np.random.default_rng(4).standard_normal(400)
    gain = 1.0 - 2.0 ** (-1.0 / 250.0)
    for value in draws:
        driver = standardized(driver, value, gain)
    absurd = standardized(driver, 1e12, gain)
    assert absurd.feature == 4.0
    assert absurd.spread < (1.0 + OUTLIER_CAP**2 * gain) * driver.spread
    assert 1.0 < standardized(absurd, 2.0, gain).feature < standardized(driver, 2.0, gain).feature


def test_a_driver_that_was_constant_for_long_is_heard_when_it_moves() -> None:
    (driver,) = drivers_of(PLAIN.start())
    gain = 1.0 - 2.0 ** (-1.0 / 250.0)
    for value in [1e-4] * 300 + [2e-4, 1e-4, 2e-4]:
        driver = standardized(driver, value, gain)
    assert driver.feature > 1.0


def panel(seed: int, markets: int, drivers: int) -> tuple[Floats, Floats, Floats]:
    """Markets side by side with values that are missing, absurd or constant, and bars that teach nothing."""
    draws = np.random.default_rng(seed)
    squares = 1e-4 * draws.standard_normal((markets, 300)) ** 2
    variances = 1e-4 * np.exp(draws.standard_normal((markets, 300)))
    values = draws.standard_normal((markets, 300, drivers))
    values[draws.random(values.shape) < 0.1] = np.nan
    values[draws.random(values.shape) < 0.01] = math.inf
    values[draws.random(values.shape) < 0.01] = 1e90
    values[-1, :, -1] = 3.0
    variances[draws.random(variances.shape) < 0.05] = 0.0
    variances[:, 0] = np.nan
    squares[0, 50], variances[0, 50] = 1e10, 1e-300
    return squares, variances, values


@pytest.mark.parametrize(("markets", "drivers"), [(1, 2), (1, 8), (5, 1), (3, 3), (20, 8)])
def test_markets_side_by_side_are_each_alone(markets: int, drivers: int) -> None:
    squares, variances, values = panel(markets, markets, drivers)
    expert = DriverExpert(drivers=drivers, prior_observations=30.0, rate=0.2, slope_half_life=200.0)
    multiplier, contributions = driver_paths(expert, squares, variances, values)
    for row in range(markets):
        alone = expert.paths(squares[row], variances[row], values[row])
        np.testing.assert_allclose(multiplier[row], alone[0], rtol=1e-12)
        np.testing.assert_allclose(contributions[row], alone[1], rtol=1e-10, atol=1e-14)
    assert multiplier.std() > 0.01


def test_what_each_driver_adds_makes_up_the_factor() -> None:
    squares, variances, values = market(600, (0.4, -0.3), 14)
    expert = DriverExpert(drivers=2)
    memory = expert.start()
    for square, variance, value in zip(squares.tolist(), variances.tolist(), values.tolist(), strict=True):
        memory = expert.advance(memory, square=square, variance=variance, values=value)
    memory = expert.observe(memory, [0.8, -0.5])
    first, second = expert.contributions(memory)
    assert first > 0.05 and second > 0.02
    assert expert.factor(memory) == pytest.approx(math.exp(first + second), rel=1e-14)
    assert expert.driver_variance(memory, 1e-4) == 1e-4 * expert.multiplier(memory)
