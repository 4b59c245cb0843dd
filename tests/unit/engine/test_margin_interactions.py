"""Margin modes with collateral, distress of venues, rules against procyclicality and switches, all in one decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.book import Account, AccountLoan, AssetClass, Collateral, LoanMargin, Row
from services.core.control import ContagionState, Control
from services.core.instrument import Instrument, Kind, Right
from services.core.market_conditions import MarketConditions, VenueCondition
from services.core.outcome import Permission, Reason
from services.engine import Evaluation, EvaluationInputs, Policy, StateInput, evaluate
from services.engine.evaluate import within_margin
from services.engine.margins import row_limits
from services.engine.outputs import MarginFigures, PortfolioMargin
from services.guards.breakers import Breakers, Level
from services.guards.switches import ActiveSwitch, SwitchMode
from services.margin.haircuts import VolatilityHaircut
from services.margin.methods.sigma_multiple import SigmaMultiple
from services.margin.portfolio_rules import PortfolioRules
from services.margin.procyclicality import AntiProcyclicality
from services.margin.registry import MarginPolicy
from services.risk.tightening import ContagionPolicy, TighteningPolicy
from services.sizing.buffers import NoBuffer
from services.sizing.limits import Limits
from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.books import AS_OF, inputs, readout, row

LIMITS = Limits(max_leverage=100.0, max_margin_use=0.8, min_liquidation_distance=0.0)
RATE, KEPT = 0.22, 0.174
"""Of a lone perpetual under PMRM_2, at a price of 100: 22 and 17.4 a contract."""
FLAT = VolatilityHaircut(major_floor=0.1)
COIN = Collateral("COIN", 40.0, 100.0, asset_class=AssetClass.MAJOR, wrong_way_correlation=0.0)
"""4,000 of an equity of 10,000: 9,600 count for maintenance, 9,500 for initial margin."""
STRAY = replace(COIN, asset="ELSE", volatility=0.3)
"""The same of a coin that no position is in."""
TIGHT = ContagionPolicy(tightening=TighteningPolicy(sensitivity=1.5, cap=3.0, release=0.1))
HALF = MarketConditions(venues={"x": VenueCondition(distress=0.5)})
"""A multiplier of 1.75."""


def policy(**changes: Any) -> Policy:
    margin = MarginPolicy(model=SigmaMultiple(), portfolio=PortfolioRules(preset="derive_pmrm2"))
    fields = {"sizing": VolatilityTarget(target_volatility=40.0), "limits": LIMITS, "buffer": NoBuffer()}
    return Policy(**{**fields, "margin": margin, "collateral": FLAT, **changes})


def perpetual(quantity: str, symbol: str = "PERP", **changes: Any) -> Row:
    described = Instrument(
        symbol=symbol, lot=Decimal("0.01"), base_currency="COIN", underlying="COIN", kind=Kind.LINEAR, venue="x"
    )
    return row(symbol, quantity, instrument=described, market_key="COIN", **changes)


def case(
    *rows: Row, balances: tuple[Collateral, ...] = (), mode: str = "portfolio", **changes: Any
) -> EvaluationInputs:
    fields = {"policy": policy(), **changes}
    loans = fields.pop("loans", ())
    account = Account(10_000.0, "USD", balances, loans=loans, margin_mode=mode)  # type: ignore[arg-type]
    return inputs(*rows, account=account, **fields)


def current(found: Evaluation) -> MarginFigures:
    assert found.margin_current is not None
    return found.margin_current


def whole(found: Evaluation) -> PortfolioMargin:
    figures = current(found).portfolio
    assert figures is not None
    return figures


def target(found: Evaluation, index: int = 0) -> float:
    size = found.targets[index].target
    assert size is not None
    return float(size)


def stages(found: Evaluation) -> list[str]:
    assert found.trail is not None
    return [stage.stage for stage in found.trail.stages]


def switch(mode: SwitchMode, scope: str) -> ActiveSwitch:
    return ActiveSwitch(scope, mode, "ann", "why", 4)


# Collateral × portfolio.


def test_the_whole_book_spends_the_equity_that_counts() -> None:
    """u (E − 500) / 22 contracts: an eighth of 4,000 of a coin does not count for initial margin."""
    found = evaluate(case(perpetual("1", direction=1.0), balances=(STRAY,)))
    assert target(found) == pytest.approx(0.8 * 9_500.0 / 22.0, abs=0.02)
    assert found.margin_target is not None
    assert 0.8 * 9_500.0 - 0.5 < found.margin_target.total_initial <= 0.8 * 9_500.0
    plain = evaluate(case(perpetual("1", direction=1.0), balances=(STRAY,), policy=policy(collateral=None)))
    assert target(plain) == pytest.approx(0.8 * 10_000.0 / 22.0, abs=0.02)


@pytest.mark.parametrize("quantity", ["-30", "-60", "25"])
def test_coin_moves_with_its_underlying_after_its_haircut(quantity: str) -> None:
    """40 coins at a haircut of a tenth are 36 coins in the scenarios, and what a cross loan owes is owed in full."""
    cut = whole(evaluate(case(perpetual(quantity), balances=(COIN,))))
    bare = case(perpetual(quantity), balances=(replace(COIN, amount=36.0),), policy=policy(collateral=None))
    same = whole(evaluate(bare))
    assert (cut.initial, cut.maintenance) == (pytest.approx(same.initial), pytest.approx(same.maintenance))
    whole_coin = case(perpetual(quantity), balances=(COIN,), policy=policy(collateral=None))
    assert cut.initial != pytest.approx(whole(evaluate(whole_coin)).initial)
    lent = AccountLoan(
        name="cdp",
        collateral=replace(COIN, amount=10.0),
        debt=Collateral("COIN", 4.0, 100.0),
        liquidation_threshold=0.8,
        margin=LoanMargin.CROSS,
    )
    owing = whole(evaluate(case(perpetual(quantity), balances=(COIN,), loans=(lent,))))
    net = case(perpetual(quantity), balances=(replace(COIN, amount=36.0 + 8.0 - 4.0),), policy=policy(collateral=None))
    assert owing.initial == pytest.approx(whole(evaluate(net)).initial)


@pytest.mark.parametrize("quantity", [120.0, -90.0])
def test_liquidation_of_the_underlying_is_where_what_counts_meets_the_margin(quantity: float) -> None:
    """E(P) = 10,000 + 40 (0.9 P − 100) + q (P − 100) = maintenance of now."""
    found = current(evaluate(case(perpetual(str(quantity)), balances=(COIN,))))
    (prices,) = found.liquidations
    price = prices.down if quantity > 0.0 else prices.up
    assert price is not None
    expected = (found.total_maintenance - 10_000.0 + 4_000.0 + quantity * 100.0) / (36.0 + quantity)
    assert price == pytest.approx(expected, rel=1e-6)
    assert float(found.liquidation_price[0]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("amount", [90.0, 100.0, 130.0])
def test_a_stale_coin_opens_nothing_and_closes_nothing(amount: float) -> None:
    """Of 10,000 remain 1,000, nothing, less than nothing to open on; 60 contracts ask 1,320."""
    stale = replace(STRAY, amount=amount, age_seconds=100.0, heartbeat_seconds=60.0)
    held = evaluate(case(perpetual("60", direction=1.0), balances=(stale,)))
    assert target(held) == 60.0
    assert held.columns.backing is not None
    assert held.columns.backing.equity_initial == pytest.approx(10_000.0 - 100.0 * amount)
    less = evaluate(case(perpetual("60", direction=0.0), balances=(stale,)))
    assert target(less) == 0.0, "reductions pass"


def test_a_coin_without_a_price_lets_nothing_grow() -> None:
    lost = replace(STRAY, price=None)
    found = evaluate(case(perpetual("1", direction=1.0), balances=(lost,)))
    assert (target(found), found.targets[0].permission) == (1.0, Permission.REDUCE_ONLY)
    assert found.targets[0].reason is Reason.MARGIN_UNMODELLED


def test_the_breaker_reads_the_margin_of_the_whole_over_what_counts() -> None:
    rules = policy(breakers=Breakers(distance=None, drawdown=None))
    found = evaluate(case(perpetual("60"), balances=(STRAY,), policy=rules))
    assert found.breaking is not None
    ratio = found.breaking.readings["account"].maintenance_ratio
    assert ratio == pytest.approx(60.0 * 100.0 * KEPT / 9_600.0)


BLIND = replace(COIN, amount=120.0, market_key="B")
"""A coin whose market was last seen nine days ago: it gives no credit, and may not be taken for lost."""
STATES = {"COIN": StateInput(readout(0.4)), "B": StateInput(readout(0.4, last_close_at=AS_OF - timedelta(days=9)))}


def test_a_coin_that_is_not_known_takes_no_hedge_away() -> None:
    """3,000 of equity, 120 coins against 120 shorts: without the coins 2,088 are asked of 1,800, and all was closed."""
    rules = policy(breakers=Breakers(distance=None, drawdown=None))
    book = case(perpetual("-120", direction=-1.0), balances=(BLIND,), policy=rules, states=STATES)
    found = evaluate(replace(book, account=replace(book.account, equity=3_000.0)))
    assert current(found).total_maintenance == pytest.approx(12_000.0 * KEPT)
    assert found.breaking is not None
    assert found.breaking.readings["account"].maintenance_ratio == float("inf")
    assert (found.breaking.states["account"].level, target(found)) == (Level.CLOSE_ONLY, -120.0)


def test_margin_that_is_fixed_counts_a_hedge_that_is_not_known() -> None:
    """What is not resized asks the scenarios of 120 coins at the floor of their haircut: of 108."""
    stopped = (switch(SwitchMode.HALT, "symbol:FUT"),)
    rows = (perpetual("1", direction=1.0), perpetual("-120", "FUT"))
    blind = case(*rows, balances=(BLIND,), states=STATES, switches=stopped)
    found = row_limits(blind, evaluate(blind).columns)
    bare = case(rows[1], balances=(replace(COIN, amount=108.0),), policy=policy(collateral=None))
    assert found.fixed_maintenance == pytest.approx(whole(evaluate(bare)).maintenance)
    assert found.fixed_maintenance < 12_000.0 * KEPT


def test_the_book_in_whole_lots_is_held_against_what_counts() -> None:
    """355 contracts ask 7,810: more than 0.8 of the 9,500 that count, less than 0.8 of 10,000."""
    book = case(perpetual("1", direction=1.0), balances=(STRAY,))
    found = evaluate(book)
    for size, within in ((345, True), (355, False)):
        targets = (found.targets[0]._replace(target=Decimal(size)),)
        assert within_margin(book, found.columns, targets) is within


@given(volatility=st.floats(0.05, 3.0), more=st.floats(0.0, 2.0), quantity=st.integers(-80, 80))
def test_a_larger_haircut_never_gives_more_size(volatility: float, more: float, quantity: int) -> None:
    sizes = []
    for sigma in (volatility, volatility + more):
        coin = replace(STRAY, volatility=sigma)
        found = evaluate(case(perpetual(str(quantity), direction=1.0), balances=(coin,), figures=False))
        sizes.append(target(found))
    assert sizes[1] <= sizes[0]


# Collateral × isolated.


def test_no_balance_backs_an_isolated_position() -> None:
    """In a cross account the price of an isolated position is that of its wallet, whatever the coin counts."""
    own = perpetual("50", isolated_margin=1_500.0)
    prices = []
    for balances, rules in (((COIN,), policy()), ((COIN,), policy(collateral=None)), ((), policy(collateral=None))):
        found = current(evaluate(case(own, balances=balances, mode="cross", policy=rules)))
        prices.append(float(found.liquidation_price[0]))
    rate = float(found.maintenance[0]) / 5_000.0
    assert prices == pytest.approx([(1_500.0 - 5_000.0) / (50.0 * rate - 50.0)] * 3)


# Distress × rules against procyclicality.


def test_distress_multiplies_what_the_rules_ask_and_is_remembered_once() -> None:
    """The path of a day by day buffer, times 1.75 while the venue is in distress; the memory holds the path alone."""
    rules = AntiProcyclicality(buffer=0.25, rebuild=0.05, release=0.03)
    margin = MarginPolicy(model=SigmaMultiple(), procyclicality=rules, floor=0.001, cap_short=10.0)
    calm, control = policy(margin=margin, collateral=None), None
    tense = policy(margin=margin, collateral=None, contagion=TIGHT)
    before = None
    for day, sigma in enumerate((0.4, 0.4, 0.5, 0.6, 0.3, 0.3)):
        now = {"volatility": sigma, "as_of": AS_OF + timedelta(days=day), "mode": "cross"}
        plain = evaluate(case(perpetual("-10"), policy=calm, control=control, **now))
        found = evaluate(case(perpetual("-10"), policy=tense, control=before, conditions=HALF, **now))
        control, before = plain.control, found.control
        assert control is not None
        assert before is not None
        assert before.margins == control.margins
        assert before.contagion["x"].multiplier == 1.75
        assert float(current(found).initial[0]) == pytest.approx(1.75 * float(current(plain).initial[0]), rel=1e-9)


def test_as_distress_goes_the_multiplier_falls_by_its_own_rule_alone() -> None:
    margin = MarginPolicy(model=SigmaMultiple(), procyclicality=AntiProcyclicality(release=0.03), floor=0.001)
    rules = policy(margin=margin, collateral=None, contagion=TIGHT)
    control = Control(contagion={"x": ContagionState(1.75, AS_OF - timedelta(hours=1))})
    found = evaluate(
        case(
            perpetual("10"),
            policy=rules,
            mode="cross",
            control=control,
            conditions=MarketConditions(venues={"x": VenueCondition(distress=0.0)}),
        )
    )
    plain = evaluate(case(perpetual("10"), policy=replace(rules, contagion=None), mode="cross"))
    assert float(current(found).initial[0]) == pytest.approx(1.675 * float(current(plain).initial[0]))


# Distress × portfolio.


def test_distress_multiplies_the_scenarios_too() -> None:
    rules = policy(collateral=None, contagion=TIGHT)
    found = whole(evaluate(case(perpetual("-5"), policy=rules, conditions=HALF)))
    assert (found.initial, found.maintenance) == (
        pytest.approx(1.75 * 500.0 * RATE),
        pytest.approx(1.75 * 500.0 * KEPT),
    )
    assert found.multiplier == 1.75
    stated = {"initial_margin": 300.0, "maintenance_margin": 200.0, "price": None, "market_key": "COIN"}
    terms: dict[str, Any] = {"strike": 110.0, "right": Right.CALL, "expiry": AS_OF + timedelta(days=9)}
    option = Instrument(symbol="OPT", kind=Kind.OPTION, base_currency="COIN", underlying="COIN", **terms)
    both = case(perpetual("-5"), row("OPT", "1", instrument=option, **stated), policy=rules, conditions=HALF)
    assert whole(evaluate(both)).initial == pytest.approx(1.75 * 500.0 * RATE + 300.0), "what a venue states is stated"


def test_the_worst_venue_of_any_row_counts_for_the_whole_account() -> None:
    rules = policy(collateral=None, contagion=TIGHT)
    calm, tense = perpetual("-5", venue="calm"), perpetual("1", "FUT")
    venues = MarketConditions(venues={"x": VenueCondition(distress=0.5), "calm": VenueCondition(distress=0.0)})
    found = whole(evaluate(case(calm, tense, policy=rules, conditions=venues)))
    assert found.multiplier == 1.75
    alone = whole(
        evaluate(case(calm, policy=rules, conditions=replace(venues, venues={"calm": venues.venues["calm"]})))
    )
    assert alone.multiplier == 1.0


def test_the_target_is_within_the_limit_at_the_margin_of_distress() -> None:
    rules = policy(collateral=None, contagion=TIGHT)
    found = evaluate(case(perpetual("1", direction=1.0), policy=rules, conditions=HALF))
    assert target(found) == pytest.approx(8_000.0 / (1.75 * 22.0), abs=0.02)
    assert stages(found).index("contagion") < stages(found).index("portfolio_margin")


# Switches × portfolio.


@pytest.mark.parametrize("mode", [SwitchMode.REDUCE_ONLY, SwitchMode.HALT])
def test_the_whole_book_is_bounded_without_the_hedge_that_a_switch_stops(mode: SwitchMode) -> None:
    """A long of the perpetual and a short of the future that would hedge it: the switch leaves the long alone."""
    rows = (perpetual("1", direction=1.0), perpetual("0", "FUT", direction=-1.0))
    rules = policy(collateral=None)
    free = evaluate(case(*rows, policy=rules))
    assert target(free, 1) < -1.0
    found = evaluate(case(*rows, policy=rules, switches=(switch(mode, "symbol:FUT"),)))
    assert found.targets[1].target in (Decimal(0), None)
    assert target(found) == pytest.approx(8_000.0 / 22.0, abs=0.02)
    assert found.margin_target is not None
    assert found.margin_target.total_initial <= 8_000.0
    assert stages(found).index("switch") < stages(found).index("portfolio_margin")


def test_under_a_halt_of_all_nothing_moves() -> None:
    """The book asks more than its limit, and stays as it is."""
    rows = (perpetual("600", direction=1.0), perpetual("-10", "FUT", direction=-1.0))
    found = evaluate(case(*rows, policy=policy(collateral=None), switches=(switch(SwitchMode.HALT, "global"),)))
    assert current(found).total_initial > 8_000.0
    assert found.orders == ()
    assert all(item.permission is Permission.NONE for item in found.targets)


def test_a_hedge_is_not_taken_off_where_that_alone_would_break_the_limit() -> None:
    """Reduce-only on both sides: what is left of the wishes may not leave the book riskier than it is."""
    rows = (perpetual("400", direction=1.0), perpetual("-400", "FUT", direction=0.0))
    switches = (switch(SwitchMode.REDUCE_ONLY, "global"),)
    found = evaluate(case(*rows, policy=policy(collateral=None), switches=switches))
    final = np.array([target(found, 0), target(found, 1)])
    assert found.margin_target is not None
    assert found.margin_target.total_initial <= max(8_000.0, current(found).total_initial)
    assert np.all(np.abs(final) <= 400.0)
