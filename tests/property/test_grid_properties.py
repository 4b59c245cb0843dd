"""What must hold for every grid: it never overspends, keeps to lots, ticks and range, and loses no more than it may."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from services.core.instrument import Instrument, Kind
from services.core.outcome import Reason
from services.sizing.grid import Grid, GridMarket, GridPlan, GridRefusal
from services.sizing.grid_plan import plan_grid
from services.sizing.grid_spacing import GeometricSpacing, LinearSpacing, VolatilitySpacing
from tests.support.grids import loss_at_stop, value

SLACK = Fraction(1, 10**30)
SPACINGS = st.sampled_from([LinearSpacing(), GeometricSpacing(min_step=0.01), VolatilitySpacing(multiple=2.0)])


def decimals(low: str, high: str, places: int = 2) -> st.SearchStrategy[Decimal]:
    """Plain decimals of a range."""
    return st.decimals(low, high, places=places, allow_nan=False, allow_infinity=False)


@st.composite
def cases(draw: st.DrawFn, *, bounded: bool = True, held: bool = True) -> tuple[Grid, GridMarket]:
    """Terms and a market that fit one another."""
    kind = draw(st.sampled_from([Kind.LINEAR, Kind.INVERSE, Kind.SPOT]))
    side = "long_only" if kind is Kind.SPOT else draw(st.sampled_from(["two_sided", "long_only", "short_only"]))
    low = draw(decimals("10", "100"))
    high = low + draw(decimals("1", "200"))
    instrument = Instrument(
        symbol="X",
        kind=kind,
        contract_multiplier=draw(st.sampled_from([1.0, 0.001, 10.0])),
        lot=draw(st.sampled_from([Decimal("0.001"), Decimal("0.1"), Decimal(1)])),
        tick=draw(st.sampled_from([None, Decimal("0.01"), Decimal("0.5")])),
        min_notional=draw(st.sampled_from([0.0, 5.0, 10.0])),
        min_quantity=draw(st.sampled_from([Decimal(0), Decimal(2)])),
        max_quantity=draw(st.sampled_from([None, Decimal(500)])),
    )
    grid = Grid(
        side=side,  # type: ignore[arg-type]
        low=low,
        high=high,
        stop_low=low * Decimal("0.9"),
        stop_high=high * Decimal("1.1"),
        budget=draw(decimals("1", "20000")),
        spacing=draw(SPACINGS),
        max_levels=draw(st.integers(2, 25)),
        fee_rate=draw(st.sampled_from([0.0, 0.0004, 0.001])),
        risk_budget=draw(st.none() | decimals("1", "5000")) if bounded else None,
        max_leverage=draw(st.none() | st.floats(0.1, 5.0)) if bounded else None,
    )
    most = {"two_sided": (-5, 5), "long_only": (0, 5), "short_only": (-5, 0)}[side]
    inventory = Decimal(draw(st.integers(*most))) if held else Decimal(0)
    mark = low + (high - low) * draw(decimals("-0.1", "1.1", 3))
    assume(mark > 1)
    market = GridMarket(
        instrument=instrument,
        mark=mark,
        inventory=inventory,
        volatility=draw(st.floats(0.1, 2.0)),
        equity=draw(decimals("100", "20000")),
    )
    return grid, market


@given(cases())
def test_orders_are_legal_and_within_the_budget(case: tuple[Grid, GridMarket]) -> None:
    grid, market = case
    found = plan_grid(grid, market)
    if isinstance(found, GridRefusal):
        assert found.detail and found.reason in (Reason.BUDGET_TOO_SMALL, Reason.LIMIT, Reason.NO_LEVEL)
        return
    instrument, fee = market.instrument, Fraction(Decimal(repr(grid.fee_rate)))
    spent = Fraction(0)
    for level in found.levels:
        price, size = level.price, level.contracts
        assert size > 0 and size % instrument.lot == 0
        assert grid.low <= price <= grid.high
        assert instrument.tick is None or price % instrument.tick == 0
        assert price < market.mark if level.side > 0 else price > market.mark
        assert instrument.max_quantity is None or size <= instrument.max_quantity
        assert Fraction(level.notional) == value(instrument, Fraction(size), Fraction(price))
        if not level.closes:
            assert level.notional >= Decimal(str(instrument.min_notional)) and size >= instrument.min_quantity
            spent += Fraction(level.notional) * (1 + fee)
    assert spent == Fraction(found.committed) <= Fraction(grid.budget)
    assert any(not level.closes for level in found.levels)
    prices = [level.price for level in found.levels]
    assert all(one < other for one, other in pairwise(prices)) and len(prices) <= grid.max_levels


@given(cases())
def test_the_worst_case_is_told_and_bounded(case: tuple[Grid, GridMarket]) -> None:
    grid, market = case
    found = plan_grid(grid, market)
    if isinstance(found, GridRefusal):
        return
    for side, worst in ((1, found.low), (-1, found.high)):
        if worst is None:
            assert not (grid.buys if side > 0 else grid.sells)
            continue
        opening = [level for level in found.levels if level.side == side and not level.closes]
        expected = loss_at_stop(market, opening, side, worst.stop, grid.fee_rate)
        assert abs(Fraction(worst.loss) - max(expected, Fraction(0))) <= SLACK * (1 + abs(expected))
        assert worst.contracts == market.inventory + side * sum((level.contracts for level in opening), Decimal(0))
        if not opening:
            continue
        if grid.risk_budget is not None:
            assert expected <= Fraction(grid.risk_budget) * (1 + SLACK)
            assert market.volatility is not None
            deviation = market.volatility * (grid.horizon_days / 365.0) ** 0.5 * grid.confidence_factor
            assert float(worst.notional) * deviation <= float(grid.risk_budget) * (1 + 1e-12)
        if grid.max_leverage is not None:
            assert worst.margin is not None and market.equity is not None
            assert float(worst.margin) <= float(market.equity) * (1 + 1e-12)


@given(cases(held=False))
def test_what_is_said_to_do_does(case: tuple[Grid, GridMarket]) -> None:
    grid, market = case
    found = plan_grid(grid, market)
    if isinstance(found, GridPlan) or not found.least:
        return
    more: dict[str, Any] = {name: found.least[name] for name in ("budget", "risk_budget") if name in found.least}
    richer = replace(market, equity=found.least.get("equity", market.equity))
    assert isinstance(plan_grid(replace(grid, **more), richer), GridPlan)
    for name, amount in found.least.items():
        little = Decimal("1e-7") + amount * Decimal("1e-7")
        less = {**more, name: amount - little} if name != "equity" else more
        poorer = replace(richer, equity=amount - little) if name == "equity" else richer
        if name == "equity" or less[name] > 0:
            assert isinstance(plan_grid(replace(grid, **less), poorer), GridRefusal), name


@given(cases(), decimals("0.05", "1", 3), st.sampled_from(["budget", "risk_budget", "max_leverage"]))
def test_less_never_gives_more_inventory(case: tuple[Grid, GridMarket], share: Decimal, name: str) -> None:
    grid, market = case
    value_now = getattr(grid, name)
    assume(value_now is not None)
    # Levels closer than ticks merge, and fewer of them may merge into more of one side.
    tick = market.instrument.tick
    assume(tick is None or grid.high - grid.low >= 4 * grid.max_levels * tick)
    smaller = replace(grid, **{name: value_now * (share if isinstance(value_now, Decimal) else float(share))})

    def inventories(terms: Grid) -> list[Decimal]:
        found = plan_grid(terms, market)
        if isinstance(found, GridRefusal):
            return [Decimal(0), Decimal(0)]
        return [
            sum((level.contracts for level in found.levels if level.side == side and not level.closes), Decimal(0))
            for side in (1, -1)
        ]

    assert all(less <= more for less, more in zip(inventories(smaller), inventories(grid), strict=True))


@given(cases(bounded=False))
def test_inventory_is_closed_and_not_turned(case: tuple[Grid, GridMarket]) -> None:
    grid, market = case
    found = plan_grid(grid, market)
    if isinstance(found, GridRefusal):
        return
    closing = [level for level in found.levels if level.closes]
    assert sum((level.contracts for level in closing), Decimal(0)) <= abs(market.inventory)
    assert all(level.side * market.inventory < 0 for level in closing)
    assert grid.side != "two_sided" or closing == []
