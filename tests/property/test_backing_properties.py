"""Properties of collateral and contagion: more distress never more size, more volatility never more credit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.book import Account, AccountLoan, AssetClass, Collateral, LoanMargin, PriceUsed
from services.core.market_conditions import MarketConditions, VenueCondition
from services.engine import EvaluationInputs, Policy, evaluate
from services.margin.collateral import Backing, Seen, backing_of
from services.margin.haircuts import VolatilityHaircut
from services.risk.tightening import ContagionPolicy
from services.sizing.buffers import NoBuffer
from services.sizing.limits import Limits
from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.books import inputs, row

shares = st.floats(0.0, 1.0)
amounts = st.floats(-1e4, 1e4)


@st.composite
def accounts(draw: st.DrawFn) -> tuple[Account, list[Seen]]:
    """Balances, owed ones among them, and a loan in either margin."""
    kinds = st.sampled_from(list(AssetClass))
    balances = tuple(
        Collateral(
            f"C{place}", draw(amounts), None, asset_class=draw(kinds), age_seconds=draw(st.floats(0.0, 120.0)),
            heartbeat_seconds=60.0, peg_price=draw(st.sampled_from([None, 0.9, 1.0])),
        )
        for place in range(draw(st.integers(1, 4)))
    )  # fmt: skip
    loan = AccountLoan(
        name="loan", collateral=Collateral("L", draw(st.just(0.0) | st.floats(1e-6, 100.0)), None),
        debt=Collateral("USD", draw(st.floats(0.0, 100.0)), None), liquidation_threshold=0.8,
        maximum_loan_to_value=draw(st.floats(0.0, 0.8)), margin=draw(st.sampled_from(list(LoanMargin))),
    )  # fmt: skip
    account = Account(draw(st.floats(-1e5, 1e6)), "USD", balances, loans=(loan,))
    seen = [
        Seen(draw(st.floats(0.01, 100.0)), draw(st.floats(0.0, 3.0)), draw(st.floats(-1, 1))) for _ in account.balances
    ]
    return account, seen


def equities(found: Backing) -> tuple[float, float]:
    return found.equity_initial, found.equity_maintenance


@settings(deadline=None)
@given(accounts(), st.floats(0.0, 3.0), st.floats(0.0, 600.0), st.floats(1.0, 3.0), shares)
def test_what_is_worse_never_counts_for_more(
    case: tuple[Account, list[Seen]], more: float, older: float, multiplier: float, correlated: float
) -> None:
    account, seen = case
    policy = VolatilityHaircut()
    base = equities(backing_of(account, seen, policy))
    aged = tuple(replace(item, age_seconds=(item.age_seconds or 0.0) + older) for item in account.collateral)
    for worse in (
        backing_of(account, [item._replace(volatility=item.volatility + more) for item in seen], policy),
        backing_of(account, [item._replace(volatility=float("nan")) for item in seen], policy),
        backing_of(account, [item._replace(multiplier=multiplier) for item in seen], policy),
        backing_of(account, [item._replace(correlation=max(item.correlation, correlated)) for item in seen], policy),
        backing_of(replace(account, collateral=aged), seen, policy),
    ):
        for before, after in zip(base, equities(worse), strict=True):
            assert after <= before + 1e-9 * (1.0 + abs(before))


@given(accounts())
def test_initial_margin_counts_no_more_than_maintenance_and_neither_more_than_the_equity(
    case: tuple[Account, list[Seen]],
) -> None:
    account, seen = case
    found = backing_of(account, seen, VolatilityHaircut())
    slack = 1e-9 * (1.0 + abs(account.equity))
    assert found.equity_initial <= found.equity_maintenance + slack
    assert found.equity_maintenance <= account.equity + slack
    assert 0.0 <= found.demanded_maintenance <= found.demanded_initial + slack
    assert found.demanded_initial <= account.equity - found.equity_initial + slack
    for item in found.credits:
        assert item.value < 0.0 or 0.0 <= item.initial <= item.maintenance + slack
        assert item.value >= 0.0 or item.initial == item.maintenance == item.value


@given(accounts(), st.floats(1e-3, 1e3))
def test_the_unit_of_the_account_does_not_matter(case: tuple[Account, list[Seen]], rate: float) -> None:
    account, seen = case
    found = backing_of(account, seen, VolatilityHaircut())
    other = backing_of(
        replace(account, equity=account.equity * rate),
        [item._replace(price=item.price * rate) for item in seen],
        VolatilityHaircut(),
    )
    for before, after in zip(equities(found), equities(other), strict=True):
        assert after == pytest.approx(before * rate, rel=1e-9, abs=1e-6 * rate)
    if found.health_factor is not None:
        assert other.health_factor == pytest.approx(found.health_factor)


def book(held: list[float], directions: list[float], **changes: Any) -> EvaluationInputs:
    rows = [
        row(f"R{place}", quantity=f"{size:.2f}", direction=direction, venue=f"v{place % 2}")
        for place, (size, direction) in enumerate(zip(held, directions, strict=True))
    ]
    policy = Policy(
        sizing=VolatilityTarget(target_volatility=1.0),
        limits=Limits(max_leverage=5.0, max_margin_use=0.5, min_liquidation_distance=3.0),
        buffer=NoBuffer(),
        contagion=ContagionPolicy(),
        collateral=VolatilityHaircut(),
    )
    coin = Collateral("ELSE", 50.0, 100.0, volatility=0.8, venue="v0", wrong_way_correlation=0.0)
    return inputs(*rows, policy=policy, account=Account(10_000.0, "USD", (coin,)), **changes)


def sizes(case: EvaluationInputs, distress: tuple[float, float]) -> list[float]:
    venues = {f"v{place}": VenueCondition(distress=value) for place, value in enumerate(distress)}
    found = evaluate(replace(case, conditions=MarketConditions(venues=venues)))
    return [abs(float(item.target or 0)) for item in found.targets]


positions = st.lists(st.tuples(st.floats(-200.0, 200.0), st.floats(-1.0, 1.0)), min_size=1, max_size=3)


@settings(deadline=None, max_examples=60)
@given(positions, shares, shares, shares)
def test_more_distress_never_makes_a_larger_size(
    rows: list[tuple[float, float]], first: float, second: float, more: float
) -> None:
    case = book([held for held, _ in rows], [direction for _, direction in rows])
    calm = sizes(case, (first, second))
    worse = sizes(case, (min(first + more, 1.0), second))
    assert all(after <= before + 1e-9 for before, after in zip(calm, worse, strict=True))


@settings(deadline=None, max_examples=30)
@given(positions, shares, st.sampled_from([0.01, 0.92, 7.0]))
def test_sizes_do_not_depend_on_the_currency_of_the_account(
    rows: list[tuple[float, float]], distress: float, rate: float
) -> None:
    case = book([held for held, _ in rows], [direction for _, direction in rows])
    account = case.account
    coins = tuple(replace(item, price=(item.price or 0.0) * rate) for item in account.collateral)
    other = replace(
        case,
        account=replace(account, equity=account.equity * rate, collateral=coins),
        rows=tuple(replace(item, fx=rate, price=PriceUsed(100.0, "position", None)) for item in case.rows),
    )
    assert sizes(other, (distress, distress)) == pytest.approx(sizes(case, (distress, distress)), abs=0.011)
