"""Margin modes of an account: scenarios that bound the whole book, wallets that save no other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.book import Account, Collateral, Row
from services.core.instrument import Instrument, Kind, Right
from services.core.outcome import Reason
from services.engine import Evaluation, EvaluationInputs, Policy, evaluate
from services.engine.outputs import MarginFigures
from services.engine.portfolio_margin import first_crossing, portfolio_margin
from services.guards.breakers import Breakers
from services.margin.methods.sigma_multiple import SigmaMultiple
from services.margin.portfolio_rules import PortfolioRules
from services.margin.registry import MarginPolicy
from services.sizing.buffers import NoBuffer
from services.sizing.limits import Limits
from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.books import AS_OF, inputs, row

LIMITS = Limits(max_leverage=100.0, max_margin_use=0.8, min_liquidation_distance=0.0)
RATE, KEPT = 0.22, 0.174
"""Of a lone perpetual under PMRM_2: 18 % of the worst scenario and 4 % of charges; .8 of it and 3 %."""


def policy(preset: str = "derive_pmrm2", **changes: Any) -> Policy:
    margin = MarginPolicy(model=SigmaMultiple(), portfolio=PortfolioRules(preset=preset))  # type: ignore[arg-type]
    fields = {"sizing": VolatilityTarget(target_volatility=40.0), "limits": LIMITS, "buffer": NoBuffer()}
    return Policy(**{**fields, "margin": margin, **changes})


def case(*rows: Row, mode: str = "portfolio", equity: float = 10_000.0, **changes: Any) -> EvaluationInputs:
    fields = {"policy": policy(), **changes}
    return replace(inputs(*rows, **fields), account=Account(equity, "USD", margin_mode=mode))  # type: ignore[arg-type]


def perpetual(quantity: str, **changes: Any) -> Row:
    return row("PERP", quantity, instrument=described("PERP"), market_key="COIN", **changes)


def described(symbol: str, kind: Kind = Kind.LINEAR, **changes: Any) -> Instrument:
    fields = {"symbol": symbol, "kind": kind, "lot": Decimal("0.01"), "base_currency": "COIN", "underlying": "COIN"}
    return Instrument(**{**fields, **changes})  # type: ignore[arg-type]


def option(quantity: str, right: Right = Right.CALL, strike: float = 110.0, **changes: Any) -> Row:
    expiry = AS_OF + timedelta(days=30)
    terms = described("OPT", Kind.OPTION, strike=strike, expiry=expiry, right=right)
    known = {"implied_volatility": 0.6, "forward": 100.0, "forward_given": True, "market_key": "COIN"}
    return row("OPT", quantity, price=None, instrument=terms, **{**known, **changes})


def current(found: Evaluation) -> MarginFigures:
    assert found.margin_current is not None
    return found.margin_current


def test_a_lone_perpetual_has_the_margin_of_the_preset() -> None:
    found = current(evaluate(case(perpetual("-5"))))
    assert (found.total_initial, found.total_maintenance) == (pytest.approx(500.0 * RATE), pytest.approx(500.0 * KEPT))
    assert found.complete


def test_the_grid_follows_the_volatility_of_the_underlying() -> None:
    """regime: 4 σ √(2/365), and 4 % of charges; at 8 % at least and 40 % at most."""
    for sigma, move in ((0.9, 4.0 * 0.9 * math.sqrt(2.0 / 365.0)), (0.05, 0.08), (5.0, 0.40)):
        found = evaluate(case(perpetual("5"), policy=policy("regime"), volatility={"COIN": sigma}))
        assert current(found).total_initial >= 500.0 * (move + 0.04) - 1e-6
        if sigma == 0.9:
            assert current(found).total_initial == pytest.approx(500.0 * (move + 0.04), rel=1e-9)


def test_a_hedge_leaves_the_charges_alone() -> None:
    """Spot against a perpetual: no scenario loses, 4 % of the perpetual remain; the rows alone would ask far more."""
    spot = row("SPOT", "10", instrument=described("SPOT", Kind.SPOT), market_key="COIN")
    found = current(evaluate(case(spot, perpetual("-10"))))
    assert found.portfolio is not None
    assert found.portfolio.found is not None
    assert found.portfolio.found.worst == 0.0
    assert found.total_initial == pytest.approx(1_000.0 * 0.04)
    assert float(found.initial.sum()) > 2.0 * found.total_initial


def test_the_target_spends_the_limit_and_no_more() -> None:
    """u E / (V · 0.22) contracts, in whole lots; the step says what bound it."""
    found = evaluate(case(perpetual("1", direction=1.0)))
    target = float(found.targets[0].target or 0)
    assert target == pytest.approx(8_000.0 / 22.0, abs=0.02)
    assert found.margin_target is not None
    assert found.margin_target.total_initial <= 8_000.0
    assert target + 0.01 > 8_000.0 / 22.0 - 0.01
    assert found.trail is not None
    assert "portfolio_margin" in {stage.stage for stage in found.trail.stages}
    assert found.targets[0].reason is Reason.LIMIT


def test_options_no_longer_block_what_they_can_be_valued_with() -> None:
    short = option("-10")
    assert not current(evaluate(case(perpetual("1", direction=1.0), short, mode="cross"))).complete
    found = evaluate(case(perpetual("1", direction=1.0), short))
    assert current(found).complete
    assert found.margin_complete
    assert float(found.targets[0].target or 0) > 1.0
    assert found.margin_target is not None
    assert found.margin_target.total_initial <= 8_000.0


def test_what_cannot_be_valued_is_named_and_blocks_increases_unless_its_margin_is_stated() -> None:
    blind = option("-10", implied_volatility=None)
    found = evaluate(case(perpetual("1", direction=1.0), blind))
    whole = current(found).portfolio
    assert whole is not None
    assert [(item.row, "implied_volatility" in item.detail) for item in whole.unmodelled] == [(1, True)]
    assert float(found.targets[0].target or 0) == 1.0
    assert found.targets[0].reason is Reason.MARGIN_UNMODELLED
    stated = replace(blind, initial_margin=300.0, maintenance_margin=200.0)
    known = evaluate(case(perpetual("1", direction=1.0), stated))
    assert current(known).complete
    assert current(known).total_initial == pytest.approx(100.0 * RATE + 300.0)
    assert current(known).total_maintenance == pytest.approx(100.0 * KEPT + 200.0)


def test_open_orders_count_on_the_worse_side() -> None:
    waiting = perpetual("1", open_buys=Decimal(4), open_sells=Decimal(1))
    found = current(evaluate(case(waiting)))
    assert found.total_initial == pytest.approx(500.0 * RATE)
    assert found.total_maintenance == pytest.approx(100.0 * KEPT)


def test_an_unknown_volatility_is_not_made_up() -> None:
    found = current(evaluate(replace(case(perpetual("5"), policy=policy("regime")), states={})))
    assert found.portfolio is not None
    assert [item.detail for item in found.portfolio.unmodelled] == ["the volatility of its underlying is unknown"]
    assert not found.complete


def test_the_liquidation_price_is_where_equity_falls_to_the_maintenance_of_now() -> None:
    """E + q (P − S) = MM."""
    found = current(evaluate(case(perpetual("200"))))
    kept = 20_000.0 * KEPT
    assert float(found.liquidation_price[0]) == pytest.approx(100.0 + (kept - 10_000.0) / 200.0, rel=1e-9)


def test_coin_that_backs_the_account_falls_with_it() -> None:

    backed = case(perpetual("-10"))
    coin = replace(backed, account=replace(backed.account, collateral=(Collateral("COIN", 10.0, 100.0),)))
    assert current(evaluate(coin)).total_initial == pytest.approx(1_000.0 * 0.04)
    long = replace(coin, rows=(perpetual("10"),))
    assert current(evaluate(long)).total_initial > 1_000.0 * RATE


@pytest.mark.parametrize(
    ("function", "limit", "expected"),
    [
        (lambda m: 10.0 * m, 4.0, 0.4),
        (lambda m: 10.0 * m if m < 0.5 else 1.0, 4.0, 0.4),
        (lambda m: 8.0 * (1.0 - m), 9.0, 1.0),
    ],
)
def test_the_first_crossing_counts_where_the_margin_does_not_rise(
    function: Callable[[float], float], limit: float, expected: float
) -> None:
    assert first_crossing(function, limit) == pytest.approx(expected, abs=1e-8)


books = st.lists(st.tuples(st.integers(-40, 40), st.floats(-2.0, 2.0)), min_size=1, max_size=3)


@settings(max_examples=15, deadline=None)
@given(books, st.integers(-30, 30), st.floats(0.2, 2.0), st.floats(500.0, 20_000.0))
def test_the_whole_target_book_is_within_the_limit_or_asks_no_more_than_it_did(
    held: list[tuple[int, float]], options: int, sigma: float, equity: float
) -> None:
    rows = [
        replace(
            row(f"P{place}", str(quantity), direction=direction, instrument=described(f"P{place}")), market_key="COIN"
        )
        for place, (quantity, direction) in enumerate(held)
    ]
    now = case(*rows, option(str(options)), policy=policy("regime"), equity=equity, volatility={"COIN": sigma})
    found = evaluate(now)
    assert found.margin_target is not None
    before = portfolio_margin(now, found.columns, found.columns.contracts).initial
    after = found.margin_target
    assert after.total_initial <= max(0.8 * equity, before) * (1.0 + 1e-9)
    for figures in (current(found), after):
        assert figures.total_initial >= figures.total_maintenance >= 0.0


def wallets(*margins: float, **changes: Any) -> EvaluationInputs:
    rows = [row(f"W{place}", "10", direction=1.0, isolated_margin=margin) for place, margin in enumerate(margins)]
    return case(*rows, mode="isolated", **changes)


def test_a_wallet_bounds_its_own_position_whatever_the_equity() -> None:
    """Initial margin within 0.8 of 500 and of 50, on an equity of a million."""
    found = evaluate(wallets(500.0, 50.0, equity=1e6))
    assert found.margin_target is not None
    initial = found.margin_target.initial.tolist()
    assert initial == pytest.approx([400.0, 40.0], rel=2e-2)
    assert initial[0] <= 400.0
    assert initial[1] <= 40.0


def test_a_row_without_a_wallet_is_not_opened() -> None:
    found = evaluate(case(row("A", "0", direction=1.0, isolated_margin=0.0), mode="isolated"))
    assert float(found.targets[0].target or 0) == 0.0


def test_the_worst_wallet_drives_the_breaker() -> None:
    """Maintenance of 10 contracts is some 6 % of 1,000: next to 65 that is short, next to the equity it is nothing."""
    rules = policy(breakers=Breakers(distance=None, drawdown=None))
    calm = evaluate(wallets(5_000.0, 5_000.0, policy=rules))
    short = evaluate(wallets(5_000.0, 65.0, policy=rules))
    assert calm.breaking is not None
    assert short.breaking is not None
    assert calm.breaking.states["account"].level == 0
    kept = float(current(short).maintenance[1])
    assert short.breaking.readings["account"].maintenance_ratio == pytest.approx(kept / 65.0)
    assert short.breaking.states["account"].level >= 1


def test_a_whole_account_drives_the_breaker_by_its_own_margin() -> None:
    rules = policy(breakers=Breakers(distance=None, drawdown=None))
    spot = row("SPOT", "400", instrument=described("SPOT", Kind.SPOT), market_key="COIN")
    hedged = evaluate(case(spot, perpetual("-400"), policy=rules))
    assert hedged.breaking is not None
    assert hedged.breaking.readings["account"].maintenance_ratio == pytest.approx(40_000.0 * 0.03 / 10_000.0)
    blind = evaluate(case(perpetual("-1"), option("-1", implied_volatility=None), policy=rules))
    assert blind.breaking is not None
    assert np.isnan(blind.breaking.readings["account"].maintenance_ratio or np.nan)
    assert blind.breaking.states["account"].level >= 3
