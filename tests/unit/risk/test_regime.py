"""The monitor against its definition bar by bar, and its label's rules."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.explain import Floats
from services.risk import regime
from services.risk.matrices import mean_correlation
from services.risk.methods.exponential import ewma_correlation
from services.risk.regime import (
    HISTORY_BARS,
    MEMORY_BARS,
    WARM_UP_BARS,
    CorrelationRegime,
    RegimeRules,
    absorption_ratio,
    read_regime,
    watch_correlation,
)

RULES = RegimeRules()


def panel(bars: int, markets: int = 4, rho: float = 0.3, seed: int = 0) -> Floats:
    generator = np.random.default_rng(seed)
    common = generator.standard_normal((bars, 1))
    return np.sqrt(rho) * common + np.sqrt(1.0 - rho) * generator.standard_normal((bars, markets))


def test_every_bar_is_the_pair_of_matrices_up_to_it() -> None:
    values = panel(150)
    path = watch_correlation(values)
    for bar in (0, 5, 60, 149):
        fast, slow = (ewma_correlation(values[: bar + 1], half_life=life) for life in (RULES.fast, RULES.slow))
        pairs = np.triu_indices(4, 1)
        distance = float(np.sqrt(np.mean((fast - slow)[pairs] ** 2)))
        assert path.distance[bar] == pytest.approx(distance, abs=1e-12)
        assert path.distance[bar] == pytest.approx(np.linalg.norm(fast - slow) / 12**0.5, abs=1e-12)
        assert path.fast[bar] == pytest.approx(mean_correlation(fast), abs=1e-12)
        assert path.slow[bar] == pytest.approx(mean_correlation(slow), abs=1e-12)


def test_chunks_of_pairs_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    values = panel(100, markets=7)
    values[20:30, 3] = np.nan
    whole = watch_correlation(values)
    monkeypatch.setattr(regime, "PATH_ELEMENTS", 400)
    for one, other in zip(whole, watch_correlation(values), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-14)


def test_bars_that_a_market_lacks_are_skipped_and_the_weights_go_on_fading() -> None:
    values = panel(120, markets=2)
    values[70:80, 0] = np.nan
    path = watch_correlation(values)
    both = ~np.isnan(values).any(axis=1)
    weights = 2.0 ** (-np.arange(119, -1, -1) / RULES.fast) * both
    x, y = np.where(both[:, None], values, 0.0).T
    expected = np.sum(weights * x * y) / np.sqrt(np.sum(weights * x * x) * np.sum(weights * y * y))
    assert path.fast[-1] == pytest.approx(expected, abs=1e-12)
    assert path.fast[75] == pytest.approx(path.fast[69], abs=1e-12)


def test_a_pair_counts_from_its_first_common_bar() -> None:
    values = panel(200, markets=3)
    values[:100, 2] = np.nan
    alone = watch_correlation(values[:, :2])
    assert watch_correlation(values).fast[99] == pytest.approx(alone.fast[99], abs=1e-14)


def slow_labels(rise: Floats, rules: RegimeRules) -> tuple[list[float], list[bool]]:
    """Thresholds from scratch at every bar."""
    thresholds, labels, inside, entered = [], [], False, 0
    for bar, value in enumerate(rise):
        past = np.sort(rise[max(WARM_UP_BARS, bar - MEMORY_BARS) : bar])
        enter = leave = float("nan")
        if past.size >= HISTORY_BARS:
            enter, leave = np.quantile(past, [rules.enter, rules.leave], method="higher")
            if inside:
                inside = not (value < leave and bar - entered >= rules.dwell)
            elif value > enter:
                inside, entered = True, bar
        thresholds.append(enter)
        labels.append(inside)
    return thresholds, labels


@pytest.mark.parametrize("seed", range(4))
def test_labels_follow_their_rule(seed: int) -> None:
    values = np.vstack([panel(300, seed=seed), panel(60, rho=0.9, seed=seed + 10), panel(600, seed=seed + 20)])
    path = watch_correlation(values)
    thresholds, labels = slow_labels(path.fast - path.slow, RULES)
    np.testing.assert_allclose(path.enter, thresholds, atol=1e-12)
    assert path.shifted.tolist() == labels
    assert 0 < path.shifted.sum() < len(labels)


def test_a_jump_of_correlation_shifts_the_regime_and_it_calms_down_again() -> None:
    calm, jump = panel(400, markets=8, seed=1), panel(40, markets=8, rho=0.95, seed=2)
    assert read_regime(np.vstack([calm, jump[:20]])).label is CorrelationRegime.SHIFTED
    after = np.vstack([calm, jump, panel(150, markets=8, seed=3)])
    assert read_regime(after).label is CorrelationRegime.CALM
    path = watch_correlation(after)
    first = int(np.argmax(path.shifted[400:]))
    assert first <= 10


def test_the_label_stays_for_its_dwell() -> None:
    path = watch_correlation(np.vstack([panel(400, seed=5), panel(5, rho=0.98, seed=6), panel(200, seed=7)]))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], path.shifted.astype(int), [0]])))
    stays = edges[1::2] - edges[::2]
    assert stays.size > 0
    assert (stays[:-1] >= RULES.dwell).all()


def test_what_follows_never_changes_a_label() -> None:
    values = panel(500, seed=4)
    scrambled = np.vstack([values[:350], panel(150, rho=0.9, seed=8)])
    for one, other in zip(watch_correlation(values), watch_correlation(scrambled), strict=True):
        np.testing.assert_allclose(one[:350], other[:350], rtol=0, atol=1e-12)


def test_too_little_history_is_unknown() -> None:
    need = WARM_UP_BARS + HISTORY_BARS
    assert read_regime(panel(need)).label is CorrelationRegime.UNKNOWN
    reading = read_regime(panel(need + 1))
    assert reading.label is not CorrelationRegime.UNKNOWN
    assert np.isfinite(reading.enter)


def test_reading_is_the_end_of_the_path() -> None:
    values = np.vstack([panel(300, seed=1), panel(30, rho=0.95, seed=2)])
    reading, path = read_regime(values), watch_correlation(values)
    assert (reading.distance, reading.average_fast, reading.average_slow) == (
        path.distance[-1],
        path.fast[-1],
        path.slow[-1],
    )
    assert path.shifted[-reading.bars_in_regime :].all()
    assert not path.shifted[-reading.bars_in_regime - 1]
    assert reading.absorption_fast > reading.absorption_slow


def test_absorption_ratio() -> None:
    assert absorption_ratio(np.ones((10, 10))) == pytest.approx(1.0)
    assert absorption_ratio(np.eye(10)) == pytest.approx(0.2)
    assert absorption_ratio(np.eye(4)) == pytest.approx(0.25)
    rho, size = 0.5, 10
    equal = rho + (1.0 - rho) * np.eye(size)
    assert absorption_ratio(equal) == pytest.approx((1.0 + (size - 1) * rho + (1.0 - rho)) / size)
