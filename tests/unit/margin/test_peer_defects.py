"""Defects of other people's margin engines, each with the case that shows it; none may become ours.

Elsewhere: linear DebtRank with unequal equity, and stopped early (`neva`): `tests/unit/risk/test_contagion.py`. SPAN's
worst case taken over gains (`OptionStratLib`), and the order in which confidences are folded in (Derive, kept):
`test_scenario_margin.py`. Left out: Vega's MCAL-211, whose printed 85,690 is not what its formula gives, and its first
example, whose slippage is on another volume than the code's: no margin here is made of order-book slippage.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from services.core.book import Account
from services.core.instrument import Instrument, MarginTier
from services.engine import Policy, evaluate
from services.engine.outputs import MarginFigures
from services.margin.assembly import tier_maintenance
from services.margin.coverage import kupiec
from services.margin.liquidation import liquidation_price_linear
from services.margin.scenario_margin import valued
from services.margin.scenario_presets import DERIVE_PMRM2
from services.sizing.limits import Limits
from tests.support.books import inputs, row
from tests.support.scenario_books import book_from

TIERS = (
    MarginTier(floor=0.0, maintenance_rate=0.004),
    MarginTier(floor=50_000.0, maintenance_rate=0.01, maintenance_amount=300.0),
    MarginTier(floor=250_000.0, maintenance_rate=0.05, maintenance_amount=10_300.0),
)


def cross(other: str, equity: float) -> MarginFigures:
    """A long of 100 at 100 and another position at 100 on one account."""
    rows = [
        row(symbol, quantity=quantity, instrument=Instrument(symbol=symbol, margin_tiers=TIERS))
        for symbol, quantity in (("A", "100"), ("B", other))
    ]
    found = evaluate(inputs(*rows, policy=Policy(limits=Limits()), account=Account(equity, "USD")))
    assert found.margin_current is not None
    return found.margin_current


@pytest.mark.parametrize("other", ["-300", "300"])
def test_other_positions_of_a_cross_account_count_with_their_own_sign(other: str) -> None:
    """freqtrade gives other shorts the sign of a long, TorchTrade #344 and #354 leave others out.

    Equity is sent mark to market, so what the other position has lost is in it whatever its side; its maintenance is
    not free either.
    """
    equity = 9_000.0
    found = cross(other, equity)
    price, kept = float(found.liquidation_price[0]), float(found.maintenance[1])
    assert kept > 1_000.0
    assert equity + 100.0 * (price - 100.0) - kept == pytest.approx(tier_maintenance(100.0 * price, TIERS), abs=1e-9)
    alone = liquidation_price_linear(equity_quote=equity, base_quantity=100.0, mark=100.0, tiers=[(0.0, 0.004, 0.0)])
    assert alone is not None
    assert price > alone + 10.0


def test_the_tier_is_that_of_the_notional_and_not_of_the_stake() -> None:
    """freqtrade picks it by the stake: 10,000 at 20 times leverage would be in the first tier of 0.4 %."""
    table = [(tier.floor, tier.maintenance_rate, tier.maintenance_amount) for tier in TIERS]
    found = liquidation_price_linear(equity_quote=10_000.0, base_quantity=20.0, mark=10_000.0, tiers=table)
    assert found is not None
    assert 10_000.0 + 20.0 * (found - 10_000.0) == pytest.approx(0.01 * 20.0 * found - 300.0, abs=1e-9)
    by_stake = liquidation_price_linear(equity_quote=10_000.0, base_quantity=20.0, mark=10_000.0, tiers=table[:1])
    assert by_stake is not None
    assert found > by_stake


def test_no_cliff_at_the_edge_of_a_tier() -> None:
    for tier in TIERS[1:]:
        below, above = (tier_maintenance(tier.floor + step, TIERS) for step in (-1e-6, 1e-6))
        assert above - below == pytest.approx(0.0, abs=1e-6)
        sizes = tier.floor / 100.0 + np.array([-1e-3, 1e-3])
        prices = [
            liquidation_price_linear(
                equity_quote=0.2 * size * 100.0,
                base_quantity=size,
                mark=100.0,
                tiers=[(one.floor, one.maintenance_rate, one.maintenance_amount) for one in TIERS],
            )
            for size in sizes.tolist()
        ]
        assert None not in prices
        assert prices[0] == pytest.approx(prices[1], abs=0.01)


def test_the_likelihood_ratio_is_not_doubled() -> None:
    """ryanoconnellfinance's calculator prints 0.189 for 3 breaches of 250 at 1 %."""
    rate = 3 / 250
    log_ratio = 247 * math.log(0.99 / (1.0 - rate)) + 3 * math.log(0.01 / rate)
    assert kupiec(3, 250, 0.01).statistic == pytest.approx(-2.0 * log_ratio, rel=1e-12)
    assert kupiec(3, 250, 0.01).statistic == pytest.approx(0.0949, abs=5e-5)


@pytest.mark.parametrize("quantity", [1.0, -1.0])
def test_the_static_discount_is_the_right_way_round(quantity: float) -> None:
    """Derive's deployment script holds 0.95 for shorts and 1.05 for longs: that flatters both up to some 0.3 years."""
    option = {"expiry_s": 30 * 86_400.0, "strike": 100.0, "type": "call", "qty": quantity, "vol": 0.6}
    feed = {"expiry_s": 30 * 86_400.0, "forward": 100.0, "rate": 0.0}
    book = book_from({"cash": 0.0, "spot": 100.0, "feeds": [feed], "options": [option]})
    (part, _) = valued(book.underlyings[0], DERIVE_PMRM2, 1.0)
    standing = [
        place
        for place, (move, state) in enumerate(zip(part.rows.move.tolist(), part.rows.state.tolist(), strict=True))
        if move == 0.0 and state == 0
    ]
    discount = part.pnl[standing[0]]
    years = 30.0 / 365.0
    factor = 0.95 * math.exp(-0.16 * years) if quantity > 0.0 else 1.0
    assert discount == pytest.approx(part.value * (factor - 1.0), rel=1e-9)
    assert discount <= 0.0
