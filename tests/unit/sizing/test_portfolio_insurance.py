"""Portfolio insurance by hand, its floor from decision to decision, and what it kept on the days of SPY."""

from __future__ import annotations

import csv
import gzip
import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from services.core.book import Account
from services.core.control import Control
from services.core.errors import InvalidInput
from services.core.outcome import Action, Reason, Status
from services.engine import Policy, evaluate
from services.sizing.buffers import NoBuffer
from services.sizing.capital import FixedCapital, HalfCompounding
from services.sizing.methods.portfolio_insurance import PortfolioInsurance
from services.sizing.scaling import ToLeverage, ToVolatility
from tests.support.books import AS_OF, OPEN, inputs, row
from tests.support.columns import columns
from tests.support.sizing import everything

D = Decimal
INSURED = PortfolioInsurance(protection=0.8)


def policy(method: PortfolioInsurance = INSURED) -> Policy:
    return Policy(sizing=method, limits=OPEN, buffer=NoBuffer())


def test_three_times_the_cushion() -> None:
    """20 % of 10,000 is the cushion: 6,000 of exposure is 60 contracts at 100; σ of .2 leaves m = 3 alone."""
    result = evaluate(inputs(row(direction=1.0), volatility=0.2, policy=policy()))
    assert result.targets[0].target == D(60)
    assert result.control is not None and result.control.floor == 8_000.0


def test_volatility_bounds_the_multiplier() -> None:
    """1 / (10 · .8 · √(1/252)) = 1.9843 at σ = .8: 2,000 · 1.9843 / 100 = 39.68."""
    result = evaluate(inputs(row(direction=1.0), volatility=0.8, policy=policy()))
    assert result.targets[0].target == D("39.68")


def test_the_worst_loss_bounds_the_multiplier() -> None:
    """October 1987: 1 / .228 = 4.386 under a multiplier of 6."""
    method = PortfolioInsurance(protection=0.8, multiplier=6.0, worst_loss=0.228, max_exposure=2.0)
    found = evaluate(inputs(row(direction=1.0), volatility=0.1, policy=policy(method))).targets[0].target
    assert float(found or 0) == pytest.approx(2_000 / 0.228 / 100, abs=0.01)


def test_shares_by_direction_and_the_rest_of_the_book() -> None:
    """6,000 over two rows: 3,000 and −1,500. What is held besides takes its part: 1,000 of C leave 5,000 — no cut;
    3,000 leave 3,000 of the 4,500 that are asked for.
    """

    def sizes(held: str) -> list[float]:
        rows = [row("A", direction=1.0), row("B", direction=-0.5), row("C", quantity=held)]
        found = evaluate(inputs(*rows, volatility=0.2, policy=policy())).targets
        return [float(target.target or 0) for target in found]

    assert sizes("0")[:2] == [30.0, -15.0]
    assert sizes("10")[:2] == [30.0, -15.0]
    assert sizes("30") == pytest.approx([20.0, -10.0, 30.0], abs=0.01)


def test_a_strong_forecast_does_not_break_the_floor() -> None:
    """Direction 2 asks for twice the exposure, and gets the exposure."""
    assert evaluate(inputs(row(direction=2.0), volatility=0.2, policy=policy())).targets[0].target == D(60)


def test_a_held_book_keeps_its_composition() -> None:
    """30 and −10 of gross 40: 6,000 in the same shares."""
    found = evaluate(inputs(row("A", "30"), row("B", "-10"), volatility=0.2, policy=policy())).targets
    assert [target.target for target in found] == [D(45), D(-15)]


def test_cash_locked_is_a_decision() -> None:
    """Equity at the floor: flat, status ok, and the explanation says why."""
    control = Control(initial_capital=12_500.0, high_water_mark=12_500.0, floor=10_000.0)
    result = evaluate(inputs(row(quantity="7", direction=1.0), volatility=0.2, policy=policy(), control=control))
    target = result.targets[0]
    assert (target.status, target.action, target.target) == (Status.OK, Action.CLOSE, D(0))
    assert target.detail == "cash_locked: the equity of 10000 is not above the floor of 10000"
    assert result.trail is not None and "cash_locked" in [step.stage for step in result.trail.steps(0)]
    assert result.portfolio.survival is not None and result.portfolio.survival.probability is None


def test_a_flat_book_that_is_locked_stays_flat_and_ok() -> None:
    control = Control(initial_capital=12_500.0, high_water_mark=12_500.0, floor=11_000.0)
    target = evaluate(inputs(row(direction=1.0), volatility=0.2, policy=policy(), control=control)).targets[0]
    assert (target.status, target.action, target.target, target.order) == (Status.OK, Action.NONE, D(0), D(0))


def test_ratchet_and_growth_from_decision_to_decision() -> None:
    """TIPP: a new mark of 12,000 lifts the floor to 9,600. CPPI: a year at 5 % makes 8,000 e^.05 of 8,000."""
    rising = columns(
        [0.2], equity=12_000.0, control=Control(initial_capital=1e4, high_water_mark=12e3, floor=8e3), elapsed_years=1.0
    )
    growing = PortfolioInsurance(protection=0.8, floor="growing", growth_rate=0.05)
    assert INSURED.next_floor(rising) == pytest.approx(9_600.0)
    assert growing.next_floor(rising) == pytest.approx(8_000.0 * math.exp(0.05))
    falling = replace(rising, equity=9_000.0)
    assert INSURED.next_floor(falling) == pytest.approx(9_600.0)


def test_the_floor_grows_by_the_time_between_decisions() -> None:
    growing = PortfolioInsurance(protection=0.8, floor="growing", growth_rate=0.1)
    before = Control(initial_capital=10_000.0, floor=8_000.0, as_of=AS_OF - timedelta(days=73))
    result = evaluate(inputs(row(direction=1.0), volatility=0.2, policy=policy(growing), control=before))
    assert result.control is not None and result.control.floor == pytest.approx(8_000.0 * math.exp(0.02))
    future = replace(before, as_of=AS_OF + timedelta(days=73))
    again = evaluate(inputs(row(direction=1.0), volatility=0.2, policy=policy(growing), control=future))
    assert again.control is not None and again.control.floor == 8_000.0


def test_deposits_are_insured_whole_and_leave_the_cushion() -> None:
    before = Control(initial_capital=10_000.0, high_water_mark=10_000.0, floor=8_000.0)
    account = Account(15_000.0, "USD", net_deposits=5_000.0)
    result = evaluate(inputs(row(direction=1.0), volatility=0.2, policy=policy(), control=before, account=account))
    assert result.control is not None and result.control.floor == 13_000.0
    assert result.targets[0].target == D(60)


def test_a_multiplier_that_lets_gaps_through_is_refused_with_figures() -> None:
    method = PortfolioInsurance(protection=0.8, multiplier=6.0, gap_sigmas=0.5)
    target = evaluate(inputs(row(quantity="1", direction=1.0), volatility=0.9, policy=policy(method))).targets[0]
    assert (target.status, target.reason, target.target) == (Status.REFUSED, Reason.UNUSABLE_DATA, None)
    assert "multiplier of 6 at a volatility of 0.9" in target.detail
    assert "0.0001" in target.detail


def test_the_most_volatile_row_that_is_not_sized_bounds_the_multiplier() -> None:
    rows = [row("A", direction=1.0), row("B", quantity="1")]
    calm, wild = ({"A": 0.2, "B": volatility} for volatility in (0.2, 0.8))
    sizes = [
        float(evaluate(inputs(*rows, volatility=vols, policy=policy())).targets[0].target or 0) for vols in (calm, wild)
    ]
    assert sizes == pytest.approx([59.0, 38.68], abs=0.01)


def test_survival_is_that_of_the_book_and_says_what_is_unknown() -> None:
    """A ratio of 6,000 to 2,000 at σ .2: gaps of a third in a day are beyond any probability of a float."""
    survival = evaluate(inputs(row(direction=1.0), volatility=0.2, policy=policy())).portfolio.survival
    assert survival is not None
    assert (survival.level, survival.horizon, survival.growth_share) == (pytest.approx(0.8), "year", None)
    assert survival.probability == pytest.approx(0.0, abs=1e-100)


@pytest.mark.parametrize(
    "block",
    [
        {"scaling": ToVolatility(target_volatility=0.2)},
        {"scaling": ToLeverage(leverage=1.0)},
        {"capital": FixedCapital(capital=1e6)},
    ],
)
def test_nothing_may_raise_what_is_a_bound(block: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(block))):
        Policy(sizing=INSURED, **block)  # type: ignore[arg-type]


def test_what_lowers_sizes_is_welcome() -> None:
    Policy(sizing=INSURED, scaling=ToVolatility(target_volatility=0.2, mode="cap"), capital=HalfCompounding())


def test_a_jump_of_the_worst_loss_does_not_touch_the_floor() -> None:
    """m = 1/d: after a fall of d the exposure has cost exactly the cushion."""
    method = PortfolioInsurance(protection=0.8, multiplier=50.0, worst_loss=0.2, max_exposure=10.0)
    book = columns([0.01], equity=1.0)
    exposure = float(method.size_instruments(book, everything(book)).value[0])
    assert 1.0 - 0.2 * exposure == pytest.approx(0.8)


@pytest.mark.parametrize("multiplier", [2.0, 4.0])
def test_daily_rebalancing_keeps_the_floor_through_a_simulated_year(multiplier: float) -> None:
    """2,000 years of GBM at σ .5, rebalanced 252 times: the wealth never ends a day below its ratchet."""
    method = PortfolioInsurance(protection=0.8, multiplier=multiplier)
    rng = np.random.default_rng(17)
    wealth, mark, breached = np.ones(2_000), np.ones(2_000), 0
    effective = float(method.multiplier_at(np.array(0.5)))
    for _ in range(252):
        floor = 0.8 * mark
        exposure = np.minimum(effective * np.maximum(wealth - floor, 0.0), wealth)
        wealth = wealth + exposure * np.expm1(rng.normal(-0.125 / 252, 0.5 / 252**0.5, 2_000))
        breached += int((wealth < floor).sum())
        mark = np.maximum(mark, wealth)
    assert breached == 0
    assert float(np.min(wealth / mark)) < 0.82


SPY = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "ohlcv_spy_daily_1998_2021.csv.gz"


@pytest.mark.skipif(not SPY.exists(), reason="the shared data sets are not beside this repository")
@pytest.mark.parametrize(("multiplier", "holds"), [(4.0, True), (9.0, True), (12.0, False)])
def test_the_ratchet_on_the_days_of_spy(multiplier: float, holds: bool) -> None:
    """Worst day −10.9 %: m below 9.1 cannot be breached, and 12 was. A new cushion of 20 % every quarter, so that the
    wealth is exposed when the bad days come.
    """
    with gzip.open(SPY, "rt") as lines:
        close = np.array([float(line["close"]) for line in csv.DictReader(lines)])
    returns = close[1:] / close[:-1] - 1.0
    method = PortfolioInsurance(protection=0.8, multiplier=multiplier, gap_sigmas=1e-6, max_exposure=100.0)
    book = columns([0.2])
    breached = 0
    for day, move in enumerate(returns.tolist()):
        if day % 63 == 0:
            wealth, control = 1.0, Control()
        seen = replace(book, equity=wealth, control=control.at(wealth, None))
        exposure = float(method.size_instruments(seen, everything(seen)).value[0])
        floor = method.next_floor(seen)
        wealth += exposure * move
        breached += wealth < floor * (1.0 - 1e-12)
        if wealth <= 0.0:
            wealth, control = 1.0, Control()
        else:
            control = replace(seen.control, floor=floor)
    assert (breached == 0) is holds
