"""Risk-constrained Kelly in both forms: by hand, against the closed forms and by what histories make of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.book import Signal
from services.core.outcome import Reason, Status
from services.engine import Evaluation, Policy, SeriesInput, evaluate
from services.engine.inputs import RecordedCorrelation
from services.risk.growth import drawdown_exponent, excess_risk
from services.sizing.buffers import NoBuffer
from services.sizing.methods.historical_risk_constrained_kelly import HistoricalRiskConstrainedKelly
from services.sizing.methods.risk_constrained_kelly import RiskConstrainedKelly
from services.sizing.registry import SizingMethod
from tests.support.books import OPEN, inputs, row
from tests.support.sizing import book, everything

D = Decimal
END = datetime(2026, 11, 20, tzinfo=UTC)
LEVEL, PROBABILITY = 0.3, 0.1
EXPONENT = drawdown_exponent(0.7, 0.1)
SHARE = 2.0 / (1.0 + EXPONENT)
CLOSED = RiskConstrainedKelly(max_drawdown=LEVEL, drawdown_probability=PROBABILITY)
HISTORICAL = HistoricalRiskConstrainedKelly(max_drawdown=LEVEL, drawdown_probability=PROBABILITY)


def decided(*rows: Any, method: SizingMethod = CLOSED, **changes: Any) -> Evaluation:
    return evaluate(inputs(*rows, policy=Policy(sizing=method, limits=OPEN, buffer=NoBuffer()), **changes))


def long(symbol: str = "A", expected: float = 0.16, direction: float = 1.0):  # type: ignore[no-untyped-def]
    return row(symbol, signal=Signal(direction, expected_return=expected))


def sizes(result: Evaluation) -> list[float]:
    return [float(target.target or 0) for target in result.targets]


def test_one_asset_is_kelly_times_the_share() -> None:
    """λ = ln .1 / ln .7 = 6.4557, c = 2/7.4557 = .26825 of μ/σ² = 1: 26.82 contracts; ruin is β to the lot."""
    result = decided(long())
    assert sizes(result) == [26.82]
    survival = result.portfolio.survival
    assert survival is not None
    assert survival.probability == pytest.approx(0.1, rel=1e-3)
    assert survival.growth_share == pytest.approx(2 * SHARE - SHARE**2, rel=1e-3)
    assert (survival.level, survival.horizon) == (pytest.approx(0.7), "ever")


def test_half_a_direction_is_half_a_position_and_two_are_one() -> None:
    assert sizes(decided(long(direction=0.5))) == pytest.approx([50 * SHARE], abs=0.01)
    assert sizes(decided(long(direction=2.0))) == pytest.approx([100 * SHARE], abs=0.01)


def test_a_book_off_its_best_composition_still_keeps_the_bound() -> None:
    """Half of the hedge of a spread raises its variance per unit of drift: the whole is cut until β holds."""
    correlation = RecordedCorrelation(("A", "B"), np.array([[1.0, 0.95], [0.95, 1.0]]), "given")
    short = row("B", signal=Signal(-0.05, expected_return=-0.02))
    result = decided(long("A"), short, correlation=correlation)
    assert result.portfolio.survival is not None and result.portfolio.survival.probability is not None
    assert result.portfolio.survival.probability <= PROBABILITY * 1.001


def test_twice_the_volatility_is_a_quarter() -> None:
    assert sizes(decided(long(), volatility=0.8)) == pytest.approx([25 * SHARE], abs=0.01)


def test_survival_is_unknown_where_a_drift_is() -> None:
    result = decided(long("A"), row("B", quantity="3"))
    assert result.portfolio.survival is not None
    assert (result.portfolio.survival.probability, result.portfolio.survival.growth_share) == (None, None)


def history(seed: int, bars: int = 500, end: datetime = END, **changes: Any) -> SeriesInput:
    moves = np.random.default_rng(seed).standard_t(4, bars) * 0.02
    closes = 100.0 * np.exp(np.cumsum(moves - moves.mean()))
    return SeriesInput(closes=100.0 * closes / closes[-1], end=end, bar_seconds=86_400, calendar=Calendar(), **changes)


def test_near_the_closed_form_for_small_daily_bets() -> None:
    """Daily bars of a gentle edge: outcomes of this size are nearly quadratic."""
    found = sizes(decided(long(), method=HISTORICAL, series={"A": history(1)}))[0]
    closed = sizes(decided(long(), series={"A": history(1)}))[0]
    assert found == pytest.approx(closed, rel=0.05)


def test_the_bound_holds_on_the_outcomes_and_is_reported() -> None:
    result = decided(long("A"), long("B", 0.3), method=HISTORICAL, series={"A": history(1), "B": history(2)})
    survival = result.portfolio.survival
    assert survival is not None and survival.probability is not None
    assert survival.probability == pytest.approx(PROBABILITY, rel=0.01)
    assert survival.growth_share is not None and 0.0 < survival.growth_share < 1.0


def test_a_history_with_a_crash_bets_less() -> None:
    """The same volatility forecast; one history lost half in a day."""
    calm = history(3)
    closes = calm.closes.copy()
    closes[:-250] *= 2.0
    crashed = replace(calm, closes=closes)
    loose = HistoricalRiskConstrainedKelly(max_drawdown=LEVEL, drawdown_probability=PROBABILITY)
    seen = book(0, 1)
    assert seen.evidence is not None
    found = []
    for item in (calm, crashed):
        returns = (item.closes[1:] / item.closes[:-1] - 1.0) * np.sign(seen.direction)
        told = replace(seen.evidence, returns=(returns,), expected_return=5.0 * np.sign(seen.direction))
        found.append(loose.size_instruments(replace(seen, evidence=told), everything(seen)).value[0])
    assert abs(found[1]) < 0.8 * abs(found[0])


def test_directed_books_keep_the_constraint() -> None:
    """Random books: the outcomes of what is sized satisfy E[(1 + r'w)^−λ] <= 1."""
    for seed in range(6):
        seen = book(seed, 4)
        value = HISTORICAL.size_instruments(seen, everything(seen)).value
        weights = value * seen.unit_value / seen.equity
        rows = np.flatnonzero(weights)
        table = HISTORICAL.outcomes(seen, rows.tolist(), np.sign(weights[rows]))
        assert excess_risk(np.abs(weights[rows]), table, HISTORICAL.exponent) <= 1e-9


@pytest.mark.parametrize(
    ("series", "said"),
    [
        ({"A": history(1, 40), "B": history(2)}, "39 returns"),
        ({"A": history(1), "B": history(2, end=datetime(2026, 11, 19, tzinfo=UTC))}, "different bars, ends"),
        ({"A": history(1, close_times=END.timestamp() - 86_400.0 * np.r_[500:1:-1, 0]), "B": history(2)}, "gaps"),
    ],
)
def test_thin_and_unlike_histories_are_refused(series: dict[str, SeriesInput], said: str) -> None:
    target = decided(long("A"), long("B"), method=HISTORICAL, series=series, states={}).targets[0]
    assert (target.status, target.reason, target.target) == (Status.REFUSED, Reason.UNUSABLE_DATA, None)
    assert said in target.detail


def test_without_a_history_nothing_is_sized() -> None:
    target = decided(long(), method=HISTORICAL).targets[0]
    assert (target.status, target.reason, target.target) == (Status.REFUSED, Reason.DATA_REQUIRED, None)
