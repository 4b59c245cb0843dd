"""Collateral, loans and contagion through the engine: what is read, what they do to limits, sizes and breakers."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from services.core.book import Account, AccountLoan, AssetClass, Collateral, LoanMargin
from services.core.control import BreakerState, ContagionState, Control
from services.core.instrument import Instrument, QuantityUnit
from services.core.market_conditions import MarketConditions, VenueCondition, VenueMetrics
from services.core.outcome import Permission, Reason
from services.engine import Evaluation, Policy, StateInput, evaluate
from services.engine.hedge_view import collateral_delta
from services.guards.breakers import Breakers
from services.margin.collateral import Backing, Correlated
from services.margin.haircuts import VolatilityHaircut
from services.margin.registry import MarginPolicy
from services.risk.contagion import DistressPolicy
from services.risk.tightening import ContagionPolicy, TighteningPolicy
from services.sizing.buffers import NoBuffer
from services.sizing.limits import Limits
from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.books import AS_OF, OPEN, inputs, inverse, readout, row

PERPETUAL = Instrument(
    symbol="A", lot=Decimal("0.01"), quantity_unit=QuantityUnit.BASE, base_currency="COIN", venue="x"
)
FLAT = VolatilityHaircut(major_floor=0.1)
COIN = Collateral("COIN", 40.0, None, asset_class=AssetClass.MAJOR, wrong_way_correlation=0.0)
"""4,000 of an equity of 10,000, at a haircut of a tenth, and an eighth for initial margin."""


def policy(**changes: Any) -> Policy:
    fields = {"sizing": VolatilityTarget(target_volatility=5.0), "limits": OPEN, "buffer": NoBuffer()}
    return Policy(**{**fields, "collateral": FLAT, **changes})


def account(*balances: Collateral, loans: tuple[AccountLoan, ...] = ()) -> Account:
    return Account(10_000.0, "USD", balances, loans=loans)


def perpetual(quantity: str = "0", direction: float | None = 1.0, **changes: Any) -> Any:
    return row(quantity=quantity, direction=direction, instrument=PERPETUAL, **changes)


def decided(quantity: str = "0", direction: float | None = 1.0, *balances: Collateral, **changes: Any) -> Evaluation:
    rules = changes.pop("policy", policy())
    loans = changes.pop("loans", ())
    case = inputs(perpetual(quantity, direction), policy=rules, account=account(*balances, loans=loans), **changes)
    return evaluate(case)


def backing(evaluation: Evaluation) -> Backing:
    found = evaluation.columns.backing
    assert found is not None
    return found


def target(evaluation: Evaluation, index: int = 0) -> float:
    found = evaluation.targets[index].target
    assert found is not None
    return float(found)


def test_without_the_block_nothing_is_looked_at() -> None:
    found = decided("1", 1.0, COIN, policy=policy(collateral=None))
    assert (found.columns.backing, found.columns.tightening) == (None, None)
    assert target(found) == target(
        decided("1", 1.0, COIN, policy=policy(collateral=VolatilityHaircut(major_floor=0.0, tail_multiple=1e-9)))
    )


def test_price_and_volatility_come_from_the_position_in_the_coin() -> None:
    found = decided("1", 1.0, COIN, policy=policy(collateral=VolatilityHaircut(major_floor=0.0)))
    credit = backing(found).credits[0]
    assert (credit.value, credit.holding.seen.volatility) == (4_000.0, 0.4)
    assert credit.haircut_maintenance == pytest.approx(2.3378 * 0.4 * math.sqrt(4.0 / 8_760.0))


def test_a_state_whose_last_bar_is_too_old_is_no_volatility() -> None:
    states = {"A": StateInput(readout(0.4)), "B": StateInput(readout(0.4, last_close_at=AS_OF - timedelta(days=9)))}
    balance = replace(COIN, market_key="B")
    assert math.isnan(backing(decided("1", 1.0, balance, states=states)).credits[0].holding.seen.volatility)
    fresh = {**states, "B": StateInput(readout(0.7))}
    assert backing(decided("1", 1.0, balance, states=fresh)).credits[0].holding.seen.volatility == 0.7


@pytest.mark.parametrize(("quantity", "expected"), [("1", 1.0), ("-1", -1.0)])
def test_wrong_way_is_measured_against_the_positions(quantity: str, expected: float) -> None:
    """A long in the coin falls with it; a short that hedges it does not."""
    found = backing(decided(quantity, None, replace(COIN, wrong_way_correlation=None))).credits[0]
    assert (found.holding.seen.correlation, found.holding.seen.source) == (
        pytest.approx(expected),
        Correlated.MEASURED,
    )
    assert found.haircut_maintenance == pytest.approx(0.1 * (1.25 if expected > 0.0 else 1.0))


def test_a_correlation_that_is_not_known_is_taken_at_its_worst() -> None:
    stray = Collateral("ELSE", 10.0, 100.0, asset_class=AssetClass.MAJOR, volatility=0.3)
    found = backing(decided("1", None, stray)).credits[0].holding.seen
    assert (found.correlation, found.source) == (1.0, Correlated.WORST)
    assert backing(decided("0", None, stray)).credits[0].holding.seen.source is Correlated.NO_POSITIONS


def test_margin_use_is_that_of_the_equity_that_counts() -> None:
    """IM = q · 100 · rate <= 0.5 · (10,000 − 500)."""
    limits = Limits(max_leverage=100.0, max_margin_use=0.5, min_liquidation_distance=0.0)
    found = decided("0", 1.0, COIN, policy=policy(limits=limits))
    margin = found.margin_target
    assert margin is not None
    assert float(margin.initial[0]) == pytest.approx(0.5 * 9_500.0, rel=1e-4)
    plain = decided("0", 1.0, COIN, policy=policy(limits=limits, collateral=None)).margin_target
    assert plain is not None
    assert float(plain.initial[0]) == pytest.approx(0.5 * 10_000.0, rel=1e-4)


STALE = replace(COIN, price=100.0, age_seconds=100.0, heartbeat_seconds=60.0)


def test_a_stale_price_opens_nothing_and_closes_nothing() -> None:
    """6,000 count to open on, 10,000 − 4,000 · 0.25 to stay: a margin of 8,000 is neither increased nor closed."""
    margin = MarginPolicy(floor=1.0)
    rules = policy(margin=margin)
    held = decided("80", 1.0, STALE, policy=rules)
    assert backing(held).equity_initial == 6_000.0
    assert target(held) == 80.0
    assert target(decided("80", 1.0, COIN, policy=rules)) == 95.0, "10,000 - 500 at a fresh price"
    opened = decided("50", 1.0, STALE, policy=rules)
    assert target(opened) == pytest.approx(60.0)
    assert opened.trail is not None
    assert any(step.stage == "opening_margin" and step.bound for step in opened.trail.steps(0))
    assert target(decided("95", 1.0, STALE, policy=rules)) == 90.0, "what twice the haircut asks for is asked for"


def test_the_price_of_a_row_that_is_doubtful_is_stale_for_the_coin_too() -> None:
    """A mark of five times the last close is no price to open on."""
    case = inputs(
        row(quantity="1", direction=1.0, instrument=PERPETUAL, price=500.0), policy=policy(), account=account(COIN)
    )
    found = backing(evaluate(case))
    assert (found.equity_initial, found.trusted) == (10_000.0 - 40.0 * 500.0, False)
    assert found.credits[0].haircut_maintenance == pytest.approx(0.2)


def test_what_bound_a_size_is_named() -> None:
    found = decided("100", policy=policy(**ALONE, sizing=VolatilityTarget(target_volatility=0.8)), **at(HALF))
    assert found.trail is not None
    limit = found.trail.row_limits(0)[0]
    assert (limit.stage, limit.parameter, limit.allowed) == (
        "contagion",
        "policy.contagion",
        pytest.approx(100.0 + 100.0 / 1.75),
    )


def test_a_coin_without_a_price_lets_nothing_grow() -> None:
    stray = Collateral("ELSE", 10.0, None, volatility=0.3)
    found = decided("1", 1.0, stray)
    assert (target(found), found.targets[0].permission) == (1.0, Permission.REDUCE_ONLY)
    assert found.targets[0].reason is Reason.MARGIN_UNMODELLED
    dust = decided("1", 1.0, Collateral("ELSE", 10.0, 1.0))
    assert dust.targets[0].permission is Permission.ANY, "a coin without a volatility is known not to count"
    assert backing(dust).equity_initial == 9_990.0


def test_liquidation_price_counts_coin_after_its_haircut() -> None:
    """P = A / (|q| m − q − c (1 − h)), margin.md 2.6, with A = cash − q · entry: equity less all that moves."""
    found = decided("120", None, COIN)
    margin = found.margin_current
    assert margin is not None
    rate = float(margin.maintenance[0]) / (120.0 * 100.0)
    coins = 40.0 * 0.9
    fixed = 10_000.0 - 40.0 * 100.0 - 120.0 * 100.0
    assert float(margin.liquidation_price[0]) == pytest.approx(fixed / (120.0 * rate - 120.0 - coins))
    short = decided("-60", None, COIN).margin_current
    assert short is not None
    price = float(short.liquidation_price[0])
    equity = 10_000.0 + 40.0 * (0.9 * price - 100.0) - 60.0 * (price - 100.0)
    assert equity == pytest.approx(float(short.maintenance[0]) / (60.0 * 100.0) * 60.0 * price)


def test_the_distance_asked_for_holds_with_coin_behind_it() -> None:
    """At 5 standard deviations of a day below the mark equity still pays the maintenance margin: exactly."""
    limits = Limits(max_leverage=100.0, max_margin_use=1.0, min_liquidation_distance=5.0)
    found = decided("0", 1.0, COIN, policy=policy(limits=limits))
    size = target(found)
    price = 100.0 * math.exp(-5.0 * 0.4 / math.sqrt(365.0))
    margin = found.margin_target
    assert margin is not None
    rate = float(margin.maintenance[0]) / (size * 100.0)
    equity = 10_000.0 - 4_000.0 + 36.0 * price + size * (price - 100.0)
    assert equity == pytest.approx(size * rate * price, rel=1e-3)
    assert float(margin.distance_sigma[0]) == pytest.approx(5.0, rel=1e-3)


def test_what_lacks_a_figure_keeps_no_distance_for_more() -> None:
    """A coin without a volatility: less size than with the largest one, but what is held stays."""
    limits = Limits(max_leverage=100.0, max_margin_use=1.0, min_liquidation_distance=5.0)
    rules = policy(limits=limits, margin=MarginPolicy(floor=0.001))
    stray = Collateral("ELSE", 50.0, 100.0, asset_class=AssetClass.MAJOR, wrong_way_correlation=0.0)
    known = target(decided("0", 1.0, replace(stray, volatility=5.0), policy=rules))
    assert target(decided("0", 1.0, stray, policy=rules)) < known
    held = decided(f"{known:.2f}", 1.0, stray, policy=rules)
    assert target(held) == pytest.approx(known)
    assert held.trail is not None
    assert any(step.stage == "opening_distance" or step.stage == "opening_margin" for step in held.trail.steps(0))


def test_loans_are_part_of_the_exposure_once() -> None:
    lent = AccountLoan(
        name="cdp",
        collateral=replace(COIN, amount=10.0),
        debt=Collateral("COIN", 4.0, None),
        liquidation_threshold=0.8,
        margin=LoanMargin.CROSS,
    )
    found = decided("0", 1.0, COIN, loans=(lent,))
    sizing = found.columns.sizing
    assert sizing is not None
    assert sizing.collateral.tolist() == [46.0]
    case = inputs(perpetual(), policy=policy(), account=account(COIN, loans=(lent,)))
    assert collateral_delta(case, [0]) == 46.0, "what hedges and Greeks count"
    assert backing(found).coins("COIN") == pytest.approx(36.0 + 0.0 * 10.0 + 0.8 * 10.0 - 4.0)


def test_breakers_read_the_equity_that_counts() -> None:
    breakers = Breakers(distance=None, drawdown=None)
    quantity = "60"
    plain = decided(quantity, 1.0, COIN, policy=policy(breakers=breakers, collateral=None))
    cut = decided(quantity, 1.0, COIN, policy=policy(breakers=breakers))
    assert plain.breaking is not None
    assert cut.breaking is not None
    before, after = (item.breaking.readings["account"].maintenance_ratio or 0.0 for item in (plain, cut))  # type: ignore[union-attr]
    assert after == pytest.approx(before * 10_000.0 / 9_600.0)


def test_a_coin_that_is_not_known_flattens_nothing() -> None:
    """Without its 9,000 the account is short of margin: that closes the door, and closes no position."""
    breakers = Breakers(distance=None, drawdown=None)
    most = Collateral("ELSE", 90.0, 100.0, asset_class=AssetClass.MAJOR)
    margin = MarginPolicy(floor=1.0)
    found = decided("20", 1.0, most, policy=policy(breakers=breakers, margin=margin))
    assert found.breaking is not None
    assert found.breaking.readings["account"].maintenance_ratio == pytest.approx(1.2)
    assert found.breaking.states["account"].level == 3
    assert target(found) == 20.0
    dust = decided("20", 1.0, replace(most, amount=0.1), policy=policy(breakers=breakers, margin=margin))
    assert dust.breaking is not None
    assert dust.breaking.states["account"].level == 0


# Contagion.

CALM, HALF = VenueCondition(distress=0.0), VenueCondition(distress=0.5)
RULES = ContagionPolicy()
ALONE = {"collateral": None, "contagion": RULES}


def at(venue: VenueCondition, held: float | None = None, seconds: float = 3_600.0) -> dict[str, Any]:
    before = {} if held is None else {"x": ContagionState(held, AS_OF - timedelta(seconds=seconds))}
    return {"conditions": MarketConditions(venues={"x": venue}), "control": Control(contagion=before)}


def multiplier(evaluation: Evaluation) -> float:
    assert evaluation.control is not None
    return evaluation.control.contagion["x"].multiplier


def test_the_path_of_the_specification() -> None:
    """margin.md 2.10: [0, .4, .4, .1, 0, 0] -> [1, 1.6, 1.6, 1.54, 1.486, 1.4374], one decision an hour."""
    control, found = Control(), []
    for hour, distress in enumerate((0.0, 0.4, 0.4, 0.1, 0.0, 0.0)):
        moment = AS_OF + timedelta(hours=hour)
        case = inputs(
            perpetual("1"),
            policy=policy(**ALONE),
            as_of=moment,
            control=control,
            conditions=MarketConditions(venues={"x": VenueCondition(distress=distress)}),
        )
        answer = evaluate(case)
        assert answer.control is not None
        control = answer.control
        found.append(multiplier(answer))
    assert found == pytest.approx([1.0, 1.6, 1.6, 1.54, 1.486, 1.4374])


@pytest.mark.parametrize(("seconds", "expected"), [(900.0, 1.0 + 0.6 * 0.9**0.25), (90_000.0, 1.54), (-60.0, 1.6)])
def test_release_goes_by_time_and_never_by_more_than_a_step(seconds: float, expected: float) -> None:
    assert multiplier(decided("1", policy=policy(**ALONE), **at(CALM, 1.6, seconds))) == pytest.approx(expected)


def test_deciding_often_loosens_no_faster() -> None:
    held = 1.6
    for _ in range(60):
        held = multiplier(decided("1", policy=policy(**ALONE), **at(CALM, held, 60.0)))
    assert held == pytest.approx(1.54)


def test_metrics_that_lack_drop_out_and_all_of_them_hold() -> None:
    some = VenueCondition(metrics=VenueMetrics(depth_ratio=0.2, error_rate=0.04))
    found = decided("1", policy=policy(**ALONE), **at(some))
    assert found.columns.tightening is not None
    seen = found.columns.tightening.venues["x"]
    assert (seen.distress, seen.multiplier) == (pytest.approx(0.5), pytest.approx(1.75))
    assert seen.seen is not None
    assert seen.seen.coverage == pytest.approx(2.0 / 7.0)
    blind = decided("1", policy=policy(**ALONE), **at(VenueCondition(), 1.6))
    assert multiplier(blind) == 1.6
    assert blind.targets[0].permission is Permission.ANY
    assert blind.control is not None
    assert blind.control.contagion["x"].as_of == AS_OF, "a silence is no calm: its time starts again"


def test_what_was_given_and_what_is_seen_count_by_the_larger() -> None:
    both = VenueCondition(distress=0.9, metrics=VenueMetrics(depth_ratio=0.8))
    assert multiplier(decided("1", policy=policy(**ALONE), **at(both))) == pytest.approx(2.35)


def test_margin_rises_by_the_multiplier_and_sizes_by_its_inverse() -> None:
    calm, tight = (decided("10", policy=policy(**ALONE), **at(item)) for item in (CALM, HALF))
    assert calm.margin_current is not None
    assert tight.margin_current is not None
    assert float(tight.margin_current.initial[0]) == pytest.approx(1.75 * float(calm.margin_current.initial[0]))
    free = policy(margin=MarginPolicy(floor=0.001), **ALONE, sizing=VolatilityTarget(target_volatility=0.8))
    calm, tight = (decided("100", policy=free, **at(item)) for item in (CALM, HALF))
    assert target(calm) == 200.0
    assert target(tight) == pytest.approx(100.0 + 100.0 / 1.75, abs=0.01)
    assert tight.trail is not None
    steps = {step.stage: step for step in tight.trail.steps(0)}
    assert steps["contagion"].bound
    assert steps["contagion"].parameter == "policy.contagion"
    assert tight.targets[0].reason is Reason.LIMIT


def test_distress_closes_no_position_by_itself() -> None:
    found = decided("100", 0.1, policy=policy(**ALONE, sizing=VolatilityTarget(target_volatility=0.8)), **at(HALF))
    assert target(found) == 20.0, "a reduction passes whole"


def test_a_venue_of_which_nothing_is_known_allows_no_increase() -> None:
    found = decided("1", policy=policy(**ALONE), conditions=MarketConditions(venues={"y": HALF}))
    assert (target(found), found.targets[0].permission) == (1.0, Permission.REDUCE_ONLY)
    assert found.columns.tightening is not None
    assert found.columns.tightening.rows.tolist() == [1.75], "margin as at the worst venue"


def test_haircuts_rise_by_the_multiplier_of_their_venue() -> None:
    rules = policy(contagion=RULES)
    here, elsewhere = replace(COIN, venue="x"), replace(COIN, venue="calm")
    around = {"conditions": MarketConditions(venues={"x": HALF, "calm": CALM}), "control": Control()}
    found = backing(decided("1", 1.0, here, elsewhere, COIN, policy=rules, **around))
    cuts = [item.haircut_maintenance for item in found.credits]
    assert cuts == pytest.approx([0.175, 0.1, 0.175]), "without a venue, that of the worst"


def test_state_passes_doors_that_do_not_read_it_and_forgets_what_is_calm_and_gone() -> None:
    held = {"x": ContagionState(1.6, AS_OF), "gone": ContagionState(1.0, AS_OF)}
    plain = decided("1", policy=policy(collateral=None), control=Control(contagion=held))
    assert plain.control is not None
    assert plain.control.contagion == held
    read = decided("1", policy=policy(**ALONE), control=Control(contagion=held))
    assert read.control is not None
    assert set(read.control.contagion) == {"x"}


def test_breakers_and_contagion_both_lower() -> None:
    breakers = Breakers(distance=None, drawdown=None)
    rules = policy(**ALONE, breakers=breakers, sizing=VolatilityTarget(target_volatility=0.8))
    state = Control(breakers={"account": BreakerState(level=1, since=AS_OF)}, breaker_tier=1)
    found = decided("100", policy=rules, conditions=MarketConditions(venues={"x": HALF}), control=state)
    assert target(found) == pytest.approx(100.0 + 0.75 * 100.0 / 1.75, abs=0.01)


def test_an_inverse_position_is_backed_by_what_its_coin_counts() -> None:
    case = inputs(
        row(quantity="40", direction=None, instrument=inverse()),
        policy=policy(),
        account=account(COIN),
    )
    margin = evaluate(case).margin_current
    assert margin is not None
    price, size = float(margin.liquidation_price[0]), 4_000.0
    equity = 10_000.0 - 40.0 * 100.0 + 36.0 * price + size / 100.0 * (price - 100.0)
    assert equity == pytest.approx(float(margin.maintenance[0]), rel=1e-9) or np.isnan(price)


def test_the_policies_take_their_parameters() -> None:
    rules = ContagionPolicy(tightening=TighteningPolicy(sensitivity=4.0, cap=2.0), distress=DistressPolicy())
    assert multiplier(decided("1", policy=policy(collateral=None, contagion=rules), **at(HALF))) == 2.0
