"""Regime: the filter against matrices written out, the fit against statsmodels and a known truth, the hysteresis."""

from __future__ import annotations

import math

import numpy as np
import pytest
from arch.data import sp500
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility import regime
from services.volatility.regime import DEFAULT, TwoStates, advance, read, start

PLAIN = DEFAULT.plain
FAST = TwoStates(calm=0.5, stress=2.0, stay_calm=0.9, stay_stress=0.8)


def reference(returns: Floats, model: TwoStates) -> tuple[Floats, float]:
    """Hamilton's filter with a transition matrix and two densities: probabilities of stress and log-likelihood."""
    chain = np.array([[model.stay_calm, 1.0 - model.stay_calm], [1.0 - model.stay_stress, model.stay_stress]])
    vectors = np.linalg.matrix_power(chain, 100_000)
    state, found, total = vectors[0], [], 0.0
    for value in returns:
        joint = state @ chain * stats.norm.pdf(value, scale=[model.calm, model.stress])
        total += math.log(joint.sum())
        state = joint / joint.sum()
        found.append(state[1])
    return np.array(found), total


def switching(seed: int, bars: int, model: TwoStates) -> tuple[Floats, Floats]:
    """Returns and true states of the model."""
    rng = np.random.default_rng(seed)
    states = np.zeros(bars)
    for bar in range(1, bars):
        stay = model.stay_stress if states[bar - 1] else model.stay_calm
        states[bar] = states[bar - 1] if rng.random() < stay else 1.0 - states[bar - 1]
    return np.where(states, model.stress, model.calm) * rng.standard_normal(bars), states


@pytest.mark.parametrize("model", [PLAIN, FAST.plain])
def test_the_filter_is_hamiltons(model: TwoStates) -> None:
    returns = 1.2 * np.random.default_rng(1).standard_t(4, 300)
    probabilities, value = reference(returns, model)
    found = regime.stress_probabilities(regime.path(returns[None], model))[0]
    assert found == pytest.approx(probabilities, rel=1e-9, abs=1e-15)
    assert regime.log_likelihood(returns, model) == pytest.approx(value, rel=1e-11)


@pytest.mark.parametrize("model", [DEFAULT, PLAIN, FAST])
def test_stream_and_panel_agree(model: TwoStates) -> None:
    rng = np.random.default_rng(2)
    returns = rng.standard_t(3, (4, 500))
    returns[rng.random(returns.shape) < 0.1] = np.nan
    returns[0, :3], returns[-1] = np.nan, np.nan
    memories = regime.path(returns, model)
    for row, path in zip(returns, memories, strict=True):
        memory = start(model)
        for value, (odds, label) in zip(row.tolist(), path.tolist(), strict=True):
            memory = advance(memory, value, model)
            assert memory[0] == pytest.approx(odds, rel=1e-12)
            assert memory[1] == label
    assert {read(tuple(memory)).label for memory in memories[0].tolist()} == {"calm", "stress"}
    assert np.array_equal(regime.last(returns, model), memories[:, -1])


def test_labels_change_at_the_outer_thresholds_only() -> None:
    returns, _ = switching(3, 5_000, FAST)
    memories = regime.path(returns[None], FAST)[0]
    probabilities, labels = regime.stress_probabilities(memories), memories[:, 1]
    turned = np.flatnonzero(np.diff(labels)) + 1
    assert len(turned) > 50
    assert np.array_equal(probabilities[turned] > 0.8, labels[turned] == 1.0)
    assert np.array_equal(probabilities[turned] < 0.2, labels[turned] == 0.0)
    between = (probabilities > 0.2) & (probabilities < 0.8)
    assert np.array_equal(labels[1:][between[1:]], labels[:-1][between[1:]])


def test_labels_follow_the_states() -> None:
    returns, states = switching(4, 20_000, DEFAULT)
    for model in (DEFAULT, PLAIN):
        assert float(np.mean(regime.path(returns[None], model)[0, :, 1] == states)) > 0.9


def test_no_single_bar_turns_calm_into_stress() -> None:
    calm = (0.25 / 1.0, 0.0)
    assert read(advance(calm, 1e6, PLAIN)).label == "stress"
    once = advance(calm, 1e6)
    assert read(once).label == "calm"
    assert once[0] == pytest.approx(DEFAULT.predicted_odds(0.25) * math.exp(2.0), rel=1e-12)
    assert read(advance(once, 1e6)).label == "stress"


def test_without_news_the_odds_are_stationary() -> None:
    assert DEFAULT.predicted_odds(DEFAULT.stationary_odds) == pytest.approx(DEFAULT.stationary_odds, rel=1e-12)
    assert advance(start(), math.nan) == start()


@given(st.lists(st.floats(-1e150, 1e150), min_size=1, max_size=30))
def test_whatever_comes_a_probability_comes_out(values: list[float]) -> None:
    memory = start()
    for value in values:
        memory = advance(memory, value)
        assert 0.0 <= read(memory).stress_probability <= 1.0
    for _ in range(5):
        memory = advance(memory, 1e150)
    assert read(memory).label == "stress"
    for _ in range(200):
        memory = advance(memory, 0.0)
    assert read(memory).label == "calm"


def test_a_unit_of_the_returns_changes_nothing() -> None:
    returns, _ = switching(5, 400, FAST)
    percent = TwoStates(calm=50.0, stress=200.0, stay_calm=FAST.stay_calm, stay_stress=FAST.stay_stress)
    assert regime.path(100.0 * returns[None], percent) == pytest.approx(regime.path(returns[None], FAST), rel=1e-9)


def test_the_fit_finds_the_truth() -> None:
    truth = TwoStates(calm=0.6, stress=1.8, stay_calm=0.98, stay_stress=0.95)
    found = regime.fit(switching(6, 20_000, truth)[0])
    assert (found.calm, found.stress) == pytest.approx((0.6, 1.8), rel=0.03)
    assert 1.0 - found.stay_calm == pytest.approx(0.02, rel=0.2)
    assert 1.0 - found.stay_stress == pytest.approx(0.05, rel=0.2)


def test_the_fit_is_as_likely_as_that_of_statsmodels() -> None:
    returns = 100.0 * sp500.load()["Adj Close"].pct_change().dropna().to_numpy()[-1500:]
    theirs = MarkovRegression(returns, k_regimes=2, trend="n", switching_variance=True).fit(disp=False)
    ours = regime.fit(returns)
    assert regime.log_likelihood(returns, ours) == pytest.approx(float(theirs.llf), abs=0.05)
    assert sorted([ours.calm**2, ours.stress**2]) == pytest.approx(sorted(theirs.params[2:]), rel=0.02)


def test_the_fit_never_loses_likelihood() -> None:
    returns, _ = switching(7, 2_000, FAST)
    values = [regime.log_likelihood(returns, regime.fit(returns, rounds=rounds)) for rounds in (1, 2, 5, 20, 200)]
    assert values == sorted(values)


def test_a_series_of_many_zeros_has_a_fit() -> None:
    returns = np.random.default_rng(8).standard_normal(600)
    returns[::2] = 0.0
    found = regime.fit(returns)
    assert 0.0 < found.calm < found.stress < 10.0


@pytest.mark.parametrize("returns", [np.ones(249), np.zeros(300), np.full(300, np.nan)])
def test_too_little_to_fit_is_refused(returns: Floats) -> None:
    with pytest.raises(InvalidInput, match="scaled must hold at least 250 known returns"):
        regime.fit(returns)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"calm": 2.0}, "stress"),
        ({"calm": 0.0}, "stress"),
        ({"stay_calm": 1.0}, "stay_calm"),
        ({"stay_stress": 0.0}, "stay_stress"),
        ({"evidence": 501.0}, "evidence"),
    ],
)
def test_states_that_cannot_be_are_refused(fields: dict[str, float], name: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{name} must be"):
        TwoStates(**fields)
