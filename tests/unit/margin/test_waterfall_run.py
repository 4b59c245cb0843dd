"""The waterfall as a whole: nothing is lost or made, slices stop where they should, others pay last, within bounds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import InvalidInput
from services.margin.liquidation_waterfall import Counterparty
from services.margin.waterfall_run import LiquidatedAccount, Waterfall, WaterfallRules, run_waterfall

SMALL = WaterfallRules(slice_quote=0.0)


def account(equity: float, quantity: float = 10.0, **changes: float) -> LiquidatedAccount:
    given = {"mark": 100.0, "maintenance_rate": 0.05, **changes}
    return LiquidatedAccount(quantity=quantity, equity=equity, **given)


def others(side: float = -1.0, size: float = 8.0) -> list[Counterparty]:
    """Those who gained: shorts from 140 and 120, and one who is barely backed."""
    return [
        Counterparty(name="a", quantity=side * size, entry_price=100.0 - side * 40.0, equity=500.0),
        Counterparty(name="b", quantity=side * size, entry_price=100.0 - side * 20.0, equity=400.0),
        Counterparty(
            name="c", quantity=side * size, entry_price=100.0 - side * 50.0, equity=4.0, maintenance_rate=0.004
        ),
    ]


def balance(before: LiquidatedAccount, found: Waterfall, fund: float) -> float:
    """Gains against the mark of the account, the fund, the buyers and the deleveraged, less what nobody bears."""
    side = math.copysign(1.0, before.quantity)
    buyers = sum(side * (before.mark - one.price) * one.quantity for one in found.slices)
    costs = 0.0 if found.deleveraging is None else sum(one.cost for one in found.deleveraging.filled)
    return (found.equity - before.equity) + (found.fund_left - fund) + buyers - costs - found.socialised


def test_a_healthy_account_is_left_alone() -> None:
    found = run_waterfall(account(50.01), SMALL, fund=10.0, counterparties=others())
    assert (found.ended, found.slices, found.deleveraging, found.equity, found.fund_left) == (
        "healthy",
        (),
        None,
        50.01,
        10.0,
    )


def test_no_more_is_sold_than_restores_margin() -> None:
    """Without a fee and at a price of one basis point below the mark: (1.1 · 50 − 40) / (1.1 · 5 − 0.01) units."""
    found = run_waterfall(account(40.0), WaterfallRules(slippage=1e-4, fee_rate=0.0, slice_quote=1e9), fund=0.0)
    assert found.ended == "restored"
    assert len(found.slices) == 1
    assert found.needed == found.slices[0].quantity == pytest.approx(15.0 / (5.5 - 0.01))
    assert found.account is not None
    assert found.equity == pytest.approx(1.1 * found.account.maintenance)


@pytest.mark.parametrize("slippage", [None, 0.001])
def test_slices_are_a_tenth_of_the_position_or_a_notional(slippage: float | None) -> None:
    rules = WaterfallRules(slippage=slippage, slice_quote=150.0)
    found = run_waterfall(account(20.0), rules, fund=100.0)
    sizes = [one.quantity for one in found.slices]
    assert max(sizes) == 1.5
    assert sum(sizes) == pytest.approx(10.0 - abs(found.account.quantity) if found.account else 10.0)
    for one in found.slices:
        assert one.worst_price <= one.price <= 100.0


def test_the_fund_is_paid_while_the_price_is_better_than_bankruptcy_and_pays_beyond() -> None:
    better = run_waterfall(account(40.0), WaterfallRules(slippage=0.001, slice_quote=1e9), fund=0.0)
    assert all(one.to_fund > 0.0 for one in better.slices)
    worse = run_waterfall(account(-20.0), WaterfallRules(slippage=0.001, slice_quote=1e9), fund=100.0)
    # 20 that the account lacks, and a tenth of a per cent of 1,000 that the price does.
    assert worse.ended == "closed"
    assert worse.fund_left == pytest.approx(100.0 - 21.0)
    assert worse.equity == pytest.approx(0.0, abs=1e-12)


def test_where_the_fund_cannot_pay_others_do_at_a_bounded_price() -> None:
    rules = WaterfallRules(slippage=0.001, slice_quote=1e9, price_cap=0.03)
    found = run_waterfall(account(-60.0), rules, fund=10.0, counterparties=others())
    assert (found.ended, found.slices) == ("fund_exhausted", ())
    assert found.deleveraging is not None
    # Bankruptcy is 106: 6 % beyond the mark, of which others bear 3, the fund 10 of the rest of 30.
    assert found.deleveraging.price == pytest.approx(103.0)
    assert (found.fund_left, found.uncovered) == (0.0, 0.0)
    assert found.socialised == pytest.approx(20.0)
    assert found.equity == pytest.approx(0.0, abs=1e-12)
    assert ("c", "would_fall_under_maintenance") in found.deleveraging.skipped or found.deleveraging.filled[
        0
    ].name != "c"


def test_what_nobody_takes_stays_open() -> None:
    found = run_waterfall(account(-60.0), SMALL, fund=0.0, counterparties=others(size=2.0)[:1])
    assert found.uncovered == 8.0
    assert found.account is not None
    assert found.account.quantity == 8.0
    assert found.account.equity == found.equity


def test_a_price_that_is_not_allowed_ends_the_sale() -> None:
    thin = run_waterfall(account(45.0), WaterfallRules(slippage=0.2), fund=1e6, counterparties=others())
    assert (thin.ended, thin.slices) == ("not_fillable", ())
    # Under maintenance, so others take it, at its bankruptcy price of 95.5.
    assert thin.deleveraging is not None
    assert thin.deleveraging.price == pytest.approx(95.5)


@given(
    st.floats(-80.0, 49.0),
    st.sampled_from([10.0, -10.0]),
    st.floats(0.0, 60.0),
    st.one_of(st.none(), st.floats(0.0, 0.05)),
    st.floats(0.0, 0.02),
    st.floats(0.0, 20.0),
    st.floats(0.0, 0.1),
)
def test_nothing_is_lost_or_made(
    equity: float, quantity: float, fund: float, slippage: float | None, fee: float, other: float, cap: float
) -> None:
    before = account(equity, quantity, other_maintenance=other)
    rules = WaterfallRules(slippage=slippage, fee_rate=fee, slice_quote=0.0, price_cap=cap)
    found = run_waterfall(before, rules, fund=fund, counterparties=others(-math.copysign(1.0, quantity)))
    assert balance(before, found, fund) == pytest.approx(0.0, abs=1e-8)
    assert found.fund_left >= 0.0
    assert found.socialised >= 0.0
    closed = sum(one.quantity for one in found.slices)
    closed += sum(one.quantity for one in found.deleveraging.filled) if found.deleveraging else 0.0
    left = abs(found.account.quantity) if found.account else 0.0
    assert closed + left == pytest.approx(10.0, rel=1e-8)
    # Whoever is deleveraged keeps equity above maintenance, and nobody is for an account that is not short.
    if found.deleveraging is not None and not found.uncovered and not other:
        assert found.equity >= -1e-8


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"quantity": 0.0}, "quantity"),
        ({"mark": 0.0}, "mark"),
        ({"maintenance_rate": 0.0}, "maintenance_rate"),
        ({"other_maintenance": -1.0}, "other_maintenance"),
    ],
)
def test_broken_accounts_are_named(changes: dict[str, float], parameter: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        account(10.0, **changes)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    "changes", [{"slippage": 1.0}, {"slice_fraction": 0.0}, {"restore_to": 0.9}, {"fee_rate": -0.1}]
)
def test_broken_rules_are_named(changes: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(changes))):
        WaterfallRules(**changes)
    with pytest.raises(InvalidInput, match="fund"):
        run_waterfall(account(10.0), SMALL, fund=-1.0)
