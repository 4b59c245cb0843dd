"""The measuring tools themselves, against sums written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.explain import Floats
from services.volatility import calibration
from tests.evaluation import choices, positions, report
from tests.evaluation.models import rolling_variance
from tests.evaluation.scores import UNSCORED, hit, rolling_deviation, score
from tests.evaluation.series import DAY, Group, Series

RNG = np.random.default_rng(3)


def market(returns: Floats, lot: float = 1.0) -> Series:
    close = 100.0 * np.concatenate(([1.0], np.cumprod(1.0 + returns)))
    return Series(name="x", group=Group.DESIGN, bar_seconds=DAY, calendar=Calendar(), lot=lot, close=close)


def test_score_is_the_mean_over_scored_returns() -> None:
    series = market(0.02 * RNG.standard_normal(1200))
    variance = RNG.uniform(1e-4, 1e-3, 1200)
    losses = [
        np.log(1e4 * variance[bar - 1]) + np.log(series.close[bar + 1] / series.close[bar]) ** 2 / variance[bar - 1]
        for bar in range(500, 1200)
    ]
    found = score(series, variance)
    assert found.bars == 700
    assert found.qlike == pytest.approx(np.mean(losses), rel=1e-12)


def test_hit_leaves_out_the_first_bars_and_nothing_else() -> None:
    held = 1.1 * RNG.standard_normal(2000)
    series = market(0.01 * RNG.standard_normal(2000))
    assert hit(series, held).miss == pytest.approx(np.std(held[UNSCORED:]) - 1.0, rel=1e-12)
    years = [np.std(held[first : first + 365]) for first in range(UNSCORED, 2000 - 365 + 1)]
    assert hit(series, held).yearly_error == pytest.approx(np.sqrt(np.mean((np.array(years) - 1.0) ** 2)), rel=1e-9)
    assert np.isnan(hit(market(held[:1000] / 100.0), held[:1000]).yearly_error)


def test_rolling_windows() -> None:
    values = RNG.standard_normal(50)
    expected = [np.std(values[first : first + 7]) for first in range(44)]
    np.testing.assert_allclose(rolling_deviation(values, 7), expected, rtol=1e-12)
    means = [np.mean(values[max(0, last - 6) : last + 1] ** 2) for last in range(50)]
    np.testing.assert_allclose(rolling_variance(values**2, 7), means, rtol=1e-12)


def test_position_of_a_bar_is_held_over_the_next() -> None:
    series = market(np.array([0.01, -0.02, 0.03]))
    held = positions.held(series, np.array([0.1, 0.2, 0.4]))
    np.testing.assert_allclose(held[1:], [-0.2, 0.15], rtol=1e-12)
    assert np.isnan(held[0])


def test_trade_goes_to_the_edge_and_down_to_whole_lots() -> None:
    assert positions.rebalanced(95.0, 100.0, 1.0) == 95.0
    assert positions.rebalanced(0.0, 100.0, 1.0) == 90.0
    assert positions.rebalanced(200.0, 100.0, 7.0) == 105.0
    assert positions.rebalanced(0.0, 0.5, 1.0) == 0.0


def test_frictions_vanish_with_their_causes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without buffer, lag, lots and the factor of the book, on equity that stays: what `held` says."""
    monkeypatch.setattr(positions, "BUFFER", 0.0)
    monkeypatch.setattr(positions, "LAG", 0)
    monkeypatch.setattr(calibration, "portfolio_factor", lambda memory: 1.0)
    series = market(0.02 * RNG.standard_normal(400), lot=1e-9)
    volatility = RNG.uniform(0.01, 0.03, 400)
    realized, _ = positions.held_with_frictions(series, volatility)
    np.testing.assert_allclose(realized[30:], positions.held(series, volatility)[30:], rtol=1e-9)


def test_lag_moves_a_position_by_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "BUFFER", 0.0)
    monkeypatch.setattr(calibration, "portfolio_factor", lambda memory: 1.0)
    series = market(0.02 * RNG.standard_normal(100), lot=1e-9)
    volatility = RNG.uniform(0.01, 0.03, 100)
    realized, _ = positions.held_with_frictions(series, volatility)
    units = 1.0 / (volatility * series.close[1:])
    np.testing.assert_allclose(realized[40:], units[38:-2] * np.diff(series.close)[40:], rtol=1e-9)


def test_robust_volatility_is_floored_by_its_own_past() -> None:
    returns = 0.01 * RNG.standard_normal(1000)
    returns[700:] *= 0.01
    found = positions.robust_volatility(returns)
    assert np.isnan(found[:9]).all() and not np.isnan(found[9:]).any()
    weights = (1.0 - 2.0 / 36.0) ** np.arange(600)[::-1]
    mean = np.average(returns[:600], weights=weights)
    spread = np.average((returns[:600] - mean) ** 2, weights=weights)
    unbiased = spread / (1.0 - (weights**2).sum() / weights.sum() ** 2)
    assert found[599] == pytest.approx(np.sqrt(unbiased), rel=1e-9)
    assert found[720] > 0.004 > 3.0 * np.std(returns[700:])


def test_written_candidate_is_the_rule_of_the_service() -> None:
    z = RNG.standard_t(3, 1500)
    np.testing.assert_allclose(choices.integrated(z, 80.0), calibration.path(z[None])[0], rtol=1e-12)


def test_parts_of_the_document_replace_themselves_only(tmp_path: Path) -> None:
    document = tmp_path / "docs" / "x.md"
    for name, text in (("one", "a"), ("two", "b"), ("one", r"c \1")):
        report.write_part(document, name, text)
    lines = document.read_text().splitlines()
    assert [line for line in lines if line in ("a", "b", r"c \1")] == [r"c \1", "b"]
    assert sum("begin one" in line for line in lines) == 1


def test_bars_in_a_heading_do_not_make_columns() -> None:
    text = report.Grid("t", ["a", "|b|"], [["x", "1"]]).markdown()
    assert text.splitlines()[2:] == [r"| a | \|b\| |", "| --- | ---: |", "| x | 1 |"]


def test_gate_without_a_figure_is_missed() -> None:
    assert not report.Gate("x", float("nan"), most=1.0).held
    assert report.without_nan({"a": [float("nan"), float("inf"), 1.0]}) == {"a": [None, None, 1.0]}
