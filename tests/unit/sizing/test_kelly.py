"""Kelly in its three forms: by hand, against optimisers of growth, and what each refuses or says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from services.core.annualization import Calendar
from services.core.book import Signal
from services.core.errors import InvalidInput
from services.core.outcome import Reason, Status
from services.engine import Evaluation, Policy, SeriesInput, evaluate
from services.engine.inputs import RecordedCorrelation
from services.risk.growth import certainty
from services.risk.methods.undiversified import Undiversified
from services.sizing.abilities import raised_by
from services.sizing.buffers import NoBuffer
from services.sizing.capital import FixedCapital, FullCompounding
from services.sizing.methods.continuous_kelly import ContinuousKelly
from services.sizing.methods.discrete_kelly import DiscreteKelly, bet_fraction, trade_sharpe
from services.sizing.methods.multi_asset_kelly import MultiAssetKelly
from services.sizing.registry import SizingMethod
from services.sizing.scaling import NoScaling, ToVolatility
from tests.support.books import OPEN, inputs, inverse, row
from tests.support.columns import columns
from tests.support.sizing import book, everything

FREE: dict[str, Any] = {"max_volatility": 3.0, "fraction": 0.5, "shrink": False}


def decided(*rows: Any, method: SizingMethod, policy: dict[str, Any] | None = None, **changes: Any) -> Evaluation:
    blocks: dict[str, Any] = {"sizing": method, "limits": OPEN, "buffer": NoBuffer(), **(policy or {})}
    return evaluate(inputs(*rows, policy=Policy(**blocks), **changes))


def sizes(result: Evaluation) -> list[float]:
    return [float(target.target or 0) for target in result.targets]


def drifting(symbol: str = "A", expected: float = 0.16, direction: float = 1.0, **changes: Any) -> Any:
    return row(symbol, signal=Signal(direction, expected_return=expected), **changes)


def trading(p: float = 0.6, b: float = 1.0, trades: int = 500, direction: float = 1.0, **changes: Any) -> Any:
    record = {"win_probability": p, "win_loss_ratio": b, "trades": trades}
    return row(signal=Signal(direction, **record), **changes)


# --- one bet


@pytest.mark.parametrize(("p", "b", "a"), [(0.6, 1.0, 1.0), (0.55, 1.4, 1.0), (0.4, 2.5, 1.0), (0.55, 0.05, 0.04)])
def test_the_fraction_is_where_log_wealth_grows_most(p: float, b: float, a: float) -> None:
    def loss(f: float) -> float:
        return -float(p * np.log1p(b * f) + (1.0 - p) * np.log1p(-a * f))

    best = minimize_scalar(loss, bounds=(0.0, 0.999 / a), method="bounded", options={"xatol": 1e-10}).x
    assert float(bet_fraction(np.array(p), np.array(b), a)) == pytest.approx(best, abs=1e-5 / a)


def test_a_coin_that_falls_right_six_times_in_ten() -> None:
    """f = 0.2, half of it is 0.1: ten contracts of a hundred; in an inverse contract of one, a thousand."""
    method = DiscreteKelly(**FREE)
    assert sizes(decided(trading(), method=method)) == [10.0]
    assert sizes(decided(trading(direction=-0.5), method=method)) == [-5.0]
    assert sizes(decided(trading(instrument=inverse(multiplier=1.0)), method=method)) == [1_000.0]


def test_a_loss_of_a_tenth_bets_ten_times_as_much() -> None:
    assert sizes(decided(trading(), method=DiscreteKelly(loss=0.1, **FREE))) == [100.0]


def test_the_sharpe_ratio_of_a_trade_is_that_of_simulated_ones() -> None:
    wins = np.random.default_rng(1).random(2_000_000) < 0.55
    trades = np.where(wins, 1.4, -1.0)
    found = float(trade_sharpe(np.array(0.55), np.array(1.4)))
    assert found == pytest.approx(trades.mean() / trades.std(), abs=3e-3)


def test_what_few_trades_are_worth() -> None:
    """θ² = 1/24 a trade: of 96 trades 1 − 24/96 = 3/4 is left."""
    shrunk = replace(DiscreteKelly(**FREE), shrink=True)
    assert sizes(decided(trading(trades=96), method=shrunk)) == [7.5]
    assert sizes(decided(trading(trades=480), method=shrunk)) == [9.5]


@pytest.mark.parametrize(
    ("p", "trades", "said"),
    [
        (0.5, 40, "20 wins and 20 losses: at least 30"),
        (0.9, 200, "180 wins and 20 losses"),
        (1.0, 500, "500 wins and 0 losses"),
        (0.0, 500, "0 wins and 500 losses"),
    ],
)
def test_thin_and_one_sided_records_are_refused(p: float, trades: int, said: str) -> None:
    target = decided(trading(p, trades=trades, quantity="2"), method=DiscreteKelly(**FREE)).targets[0]
    assert (target.status, target.reason, target.target) == (Status.REFUSED, Reason.UNUSABLE_DATA, None)
    assert said in target.detail


def test_thirty_of_each_are_enough() -> None:
    assert decided(trading(0.3, 3.0, 100), method=DiscreteKelly(**FREE)).targets[0].status is Status.OK


def test_no_edge_is_no_position_on_either_side_and_says_so() -> None:
    for direction in (1.0, -1.0):
        target = decided(trading(0.3, direction=direction, quantity="2"), method=DiscreteKelly(**FREE)).targets[0]
        assert (target.status, target.target) == (Status.OK, Decimal(0))
        assert target.detail == "no edge: Kelly is -0.4"


def test_an_edge_within_its_error_is_no_position_and_says_so() -> None:
    target = decided(trading(0.52, trades=100), method=replace(DiscreteKelly(**FREE), shrink=True)).targets[0]
    assert (target.target, target.detail) == (Decimal(0), "the edge lies within its error after 100 trades")


def test_the_cap_on_volatility_is_the_smaller_size() -> None:
    """0.1 of equity at 40 % is a volatility of 4 %; a cap of 2 % halves it, and holds for a direction of 2."""
    capped = replace(DiscreteKelly(**FREE), max_volatility=0.02)
    assert sizes(decided(trading(), method=capped)) == [5.0]
    assert sizes(decided(trading(direction=2.0), method=capped)) == [5.0]
    assert sizes(decided(trading(direction=0.5), method=capped)) == [2.5]


def test_ruin_and_growth_of_one_bet() -> None:
    survival = decided(trading(), method=DiscreteKelly(**FREE)).portfolio.survival
    assert survival is not None
    assert (survival.probability, survival.growth_share) == pytest.approx((0.125, 0.75))
    both = decided(trading(), replace(trading(), symbol="B", market_key="B"), method=DiscreteKelly(**FREE))
    assert both.portfolio.survival is not None
    assert both.portfolio.survival.probability is None


# --- one price that diffuses


def test_half_of_mu_over_the_variance() -> None:
    """0.16 / 0.4² = 1, half of it: 50 contracts."""
    method = ContinuousKelly(**FREE)
    assert sizes(decided(drifting(), method=method)) == [50.0]
    assert sizes(decided(drifting(expected=-0.16, direction=-1.0), method=method)) == [-50.0]
    assert sizes(decided(drifting(), method=method, volatility=0.8)) == [12.5]


def test_growth_and_ruin_are_those_of_the_fraction() -> None:
    survival = decided(drifting(), method=ContinuousKelly(**FREE)).portfolio.survival
    assert survival is not None
    assert (survival.probability, survival.growth_share) == pytest.approx((0.125, 0.75))


def test_two_rows_bet_on_half_the_capital_each() -> None:
    assert sizes(decided(drifting(), drifting("B"), method=ContinuousKelly(**FREE))) == [25.0, 25.0]


def test_what_bars_are_worth_by_hand() -> None:
    """A Sharpe ratio of 0.4 a year: 25 years are worth 1 − 1/(0.16 · 25) = 3/4, five years nothing."""
    shrunk = ContinuousKelly(max_volatility=3.0, fraction=0.5, observations=25 * 365)
    assert sizes(decided(drifting(), method=shrunk)) == [37.5]
    target = decided(drifting(), method=replace(shrunk, observations=5 * 365)).targets[0]
    assert target.target == Decimal(0)
    assert "within the error" in target.detail


def history(seed: int = 1, bars: int = 400) -> SeriesInput:
    closes = 100.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, 0.02, bars)))
    end = datetime(2026, 11, 20, tzinfo=UTC)
    return SeriesInput(closes=100.0 * closes / closes[-1], end=end, bar_seconds=86_400, calendar=Calendar())


def test_the_bars_of_a_posted_series_count() -> None:
    method = ContinuousKelly(max_volatility=3.0, fraction=0.5)
    result = decided(drifting(expected=2.0), method=method, series={"A": history()}, states={})
    volatility = result.market.readouts["A"].volatility
    trusted = 1.0 - 1.0 / ((2.0 / volatility) ** 2 * 399 / 365)
    assert sizes(result)[0] == pytest.approx(100.0 * 0.5 * trusted * 2.0 / volatility**2, rel=1e-3)


@pytest.mark.parametrize("method", [ContinuousKelly(max_volatility=0.5), MultiAssetKelly(max_volatility=0.5)])
def test_without_a_number_of_observations_nothing_is_trusted(method: SizingMethod) -> None:
    target = decided(drifting(quantity="3"), method=method).targets[0]
    assert (target.status, target.reason) == (Status.REFUSED, Reason.DATA_REQUIRED)
    assert "sizing.observations" in target.detail


@pytest.mark.parametrize("method", [ContinuousKelly(**FREE), MultiAssetKelly(**FREE)])
def test_an_expected_return_against_the_direction_is_no_position(method: SizingMethod) -> None:
    target = decided(drifting(expected=-0.16, quantity="3"), method=method).targets[0]
    assert (target.status, target.target) == (Status.OK, Decimal(0))
    assert target.detail == "no position: expected_return is -0.16 against the direction"


@pytest.mark.parametrize("method", [ContinuousKelly(**FREE), MultiAssetKelly(**FREE)])
def test_no_expected_return_is_refused(method: SizingMethod) -> None:
    target = decided(row(direction=1.0, quantity="3"), method=method).targets[0]
    assert (target.status, target.reason, target.target) == (Status.REFUSED, Reason.DATA_REQUIRED, None)


@pytest.mark.parametrize("method", [ContinuousKelly, MultiAssetKelly, DiscreteKelly])
def test_more_than_half_must_be_forced(method: Any) -> None:
    with pytest.raises(InvalidInput, match="fraction must be <= 0"):
        method(max_volatility=0.5, fraction=0.6)
    assert method(max_volatility=0.5, fraction=0.6, forced=True).fraction == 0.6


@pytest.mark.parametrize(
    ("fraction", "forced", "share"),
    [(0.1, False, 0.2), (0.25, False, 0.5), (0.4, False, 0.5), (0.5, False, 0.5), (0.8, True, 0.8)],
)
def test_a_double_direction_is_double_until_half_kelly(fraction: float, forced: bool, share: float) -> None:
    """Kelly is 20 contracts of the trades and 100 of the drift; nothing but the fraction itself goes beyond half."""
    parameters: dict[str, Any] = {**FREE, "fraction": fraction, "forced": forced}
    assert sizes(decided(trading(direction=2.0), method=DiscreteKelly(**parameters))) == [20 * share]
    for method in (ContinuousKelly(**parameters), MultiAssetKelly(**parameters)):
        assert sizes(decided(drifting(direction=2.0), method=method)) == pytest.approx([100 * share])


# --- a book


def related(rho: float) -> RecordedCorrelation:
    return RecordedCorrelation(("A", "B"), np.array([[1.0, rho], [rho, 1.0]]), "given")


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.3, 0.7])
def test_two_assets_are_half_of_the_inverse_covariance_times_mu(rho: float) -> None:
    rows = drifting("A", 0.16), drifting("B", 0.2)
    found = decided(*rows, method=MultiAssetKelly(**FREE), correlation=related(rho), volatility={"A": 0.4, "B": 0.5})
    covariance = np.array([[0.16, rho * 0.2], [rho * 0.2, 0.25]])
    expected = 0.5 * np.linalg.solve(covariance, np.array([0.16, 0.2])) * 100.0
    assert sizes(found) == pytest.approx(expected.tolist(), abs=0.011)


def test_a_worse_twin_gets_nothing_rather_than_the_other_side() -> None:
    rows = drifting("A", 0.16), drifting("B", 0.02)
    assert sizes(decided(*rows, method=MultiAssetKelly(**FREE), correlation=related(0.9))) == [50.0, 0.0]


def test_a_position_without_a_signal_beside_other_signals_is_held_whatever_is_known_of_it() -> None:
    alone = RecordedCorrelation(("A",), np.eye(1), "given")
    found = decided(row("A", quantity="3"), method=MultiAssetKelly(**FREE), correlation=alone, signals_present=True)
    assert (found.targets[0].status, found.targets[0].reason) == (Status.HELD, Reason.NO_SIGNAL)


@pytest.mark.parametrize("seed", range(5))
def test_books_grow_most_on_their_sides(seed: int) -> None:
    """Against an optimiser that knows nothing of least squares."""
    seen = book(seed, 4)
    assert seen.evidence is not None and seen.correlation is not None
    full = replace(seen, direction=np.sign(seen.direction))
    value = MultiAssetKelly(**FREE).size_instruments(full, everything(full)).value
    weights = 2.0 * value * seen.unit_value / seen.equity * np.sign(full.direction)
    side = np.sign(full.direction)
    covariance = np.outer(side * seen.volatility, side * seen.volatility) * seen.correlation
    mean = side * seen.evidence.expected_return

    def loss(x: np.ndarray) -> float:
        return float(-mean @ x + x @ covariance @ x / 2.0)

    found = minimize(loss, np.full(4, 0.5), bounds=[(0.0, None)] * 4, method="L-BFGS-B", options={"ftol": 1e-15})
    assert loss(weights) <= found.fun + 1e-9
    assert weights == pytest.approx(found.x, abs=1e-3)


def test_perfect_copies_together_are_one_bet() -> None:
    """Two full bets on one thing would be twice Kelly, where nothing grows any more."""
    rows = drifting("A"), drifting("B")
    assert sum(sizes(decided(*rows, method=MultiAssetKelly(**FREE), correlation=related(1.0)))) == pytest.approx(
        50.0, abs=0.02
    )


def test_without_correlations_each_row_bets_on_its_part_and_the_answer_says_so() -> None:
    rows = drifting("A"), drifting("B")
    found = decided(*rows, method=MultiAssetKelly(**FREE), policy={"correlation": Undiversified()})
    assert sizes(found) == [25.0, 25.0]
    assert found.targets[0].detail.startswith("no correlation matrix: each of 2 rows bets alone")


def test_what_bars_are_worth_for_several_assets() -> None:
    """θ² = 2 · 0.16 a year: of 25 years 1 − 2/(0.32 · 25) = 3/4 is left."""
    method = MultiAssetKelly(max_volatility=3.0, fraction=0.5, observations=25 * 365)
    rows = drifting("A"), drifting("B")
    assert sizes(decided(*rows, method=method, correlation=related(0.0))) == [37.5, 37.5]
    alone = decided(*rows, method=method, policy={"correlation": Undiversified()})
    assert sizes(alone) == [18.75, 18.75]


def test_the_cap_holds_for_the_book_as_directed() -> None:
    """A spread whose hedge is cut by a half direction has more risk than the whole."""
    method = replace(MultiAssetKelly(**FREE), max_volatility=0.1)
    for direction in (-1.0, -0.05):
        rows = drifting("A", 0.16), drifting("B", -0.02, direction)
        found = decided(*rows, method=method, correlation=related(0.95))
        assert found.portfolio.forecast_volatility is not None
        assert found.portfolio.forecast_volatility <= 0.1 * 1.001


@pytest.mark.parametrize("direction", [-0.5, -0.2, -0.05])
def test_half_of_a_hedge_is_still_a_fraction_of_kelly(direction: float) -> None:
    """The legs as directed bet c of the best size along their own ray, found by search; uncut they would be ruined."""
    rows = drifting("A", 0.16), drifting("B", -0.02, direction)
    method = MultiAssetKelly(max_volatility=3.0, shrink=False)
    found = decided(*rows, method=method, correlation=related(0.95))
    weights = np.array(sizes(found)) / 100.0
    covariance = 0.16 * np.array([[1.0, 0.95], [0.95, 1.0]])
    mean = np.array([0.16, -0.02])

    def loss(size: float) -> float:
        return float(size**2 * weights @ covariance @ weights / 2.0 - size * mean @ weights)

    best = minimize_scalar(loss, bounds=(0.0, 100.0), method="bounded", options={"xatol": 1e-10}).x
    assert best == pytest.approx(4.0, rel=2e-3)
    assert found.portfolio.survival is not None and found.portfolio.survival.probability is not None
    assert found.portfolio.survival.probability == pytest.approx(0.5**7, rel=0.05)


@pytest.mark.parametrize("seed", range(20))
def test_no_directions_bet_more_than_the_fraction_along_their_ray(seed: int) -> None:
    """Random books and directions up to 2: size over the best on its ray is c, at most half if strong."""
    rng = np.random.default_rng(seed)
    seen = book(seed, 5)
    assert seen.evidence is not None and seen.correlation is not None
    directed = replace(seen, direction=np.sign(seen.direction) * rng.uniform(0.0, 2.0, 5) ** 2 / 2.0)
    for fraction, most in ((0.25, 0.5), (0.5, 0.5)):
        method = MultiAssetKelly(max_volatility=3.0, fraction=fraction, shrink=False)
        weights = method.size_instruments(directed, everything(directed)).value * seen.unit_value / seen.equity
        covariance = np.outer(seen.volatility, seen.volatility) * seen.correlation
        share = float(weights @ covariance @ weights / (weights @ seen.evidence.expected_return))
        assert 0.0 < share <= most * (1.0 + 1e-9)
        mild = replace(directed, direction=directed.direction / 2.0)
        weights = method.size_instruments(mild, everything(mild)).value * seen.unit_value / seen.equity
        share = float(weights @ covariance @ weights / (weights @ seen.evidence.expected_return))
        assert 0.0 < share <= fraction * (1.0 + 1e-9)


@pytest.mark.parametrize("method", [ContinuousKelly(**FREE), MultiAssetKelly(**FREE), DiscreteKelly(**FREE)])
def test_no_scaling_may_raise_a_bet(method: SizingMethod) -> None:
    assert raised_by(method, FullCompounding(), ToVolatility(target_volatility=0.2)) == "scaling"
    assert raised_by(method, FullCompounding(), ToVolatility(target_volatility=0.2, mode="cap")) is None
    assert raised_by(method, FixedCapital(capital=1e6), NoScaling()) == "capital"


def test_survival_counts_what_is_trusted() -> None:
    """Of a trusted edge of 3/4, a position of 3/4 · 1/2 is half of Kelly still."""
    method = ContinuousKelly(max_volatility=3.0, fraction=0.5, observations=25 * 365)
    survival = decided(drifting(), method=method).portfolio.survival
    assert survival is not None
    assert (survival.probability, survival.growth_share) == pytest.approx((0.125, 0.75))
    nothing = decided(drifting(expected=-0.1), method=method).portfolio.survival
    assert nothing is not None
    assert (nothing.probability, nothing.basis) == (0.0, "nothing is held")


def test_capacity_is_the_bet_of_a_row_alone() -> None:
    for method in (ContinuousKelly(**FREE), MultiAssetKelly(**FREE)):
        seen = columns([0.4, 0.5], np.eye(2), evidence=book(1, 2).evidence)
        assert seen.evidence is not None
        told = replace(seen, evidence=replace(seen.evidence, expected_return=np.array([0.16, np.nan])))
        assert method.full_weight(told, 2).tolist() == pytest.approx([0.25, 0.0])


@pytest.mark.parametrize("method", [ContinuousKelly, MultiAssetKelly])
@pytest.mark.parametrize("direction", [1.0, 0.0, -1.0])
def test_a_book_sized_as_held_is_told_of_as_held(method: Any, direction: float) -> None:
    """Directions play no part in scope book: neither in the size nor in what is said of it."""
    kelly = method(max_volatility=3.0, fraction=0.5, observations=25 * 365, scope="book")
    found = decided(drifting(direction=direction, quantity="3"), method=kelly)
    assert (sizes(found), found.targets[0].detail) == ([37.5], "")
    survival = found.portfolio.survival
    assert survival is not None
    assert (survival.probability, survival.growth_share) == pytest.approx((0.125, 0.75))


def test_certainty_is_what_the_trail_shows() -> None:
    result = decided(drifting(), method=ContinuousKelly(max_volatility=3.0, observations=9_125))
    assert result.trail is not None
    steps = {step.stage: step.factor for step in result.trail.steps(0)}
    assert steps["estimation_error"] == pytest.approx(float(certainty(np.array(0.16 / 365), np.array(9_125.0))))
    assert steps["fraction"] == pytest.approx(0.25)
