"""What the measurement of deltas computes, on a move that is known and on the chains where they are at hand."""

from __future__ import annotations

import numpy as np
import pytest

from services.options.black import black_greeks, black_price
from tests.evaluation import hedge_deltas


def repriced(move: float, right: float) -> hedge_deltas.Held:
    """One option on one coin, a month to live, the forward moved at once, volatility unchanged."""
    strike, time, volatility = np.array([90.0, 100.0, 120.0]), np.full(3, 30 / 365), np.full(3, 0.8)
    before, after = np.full(3, 100.0), np.full(3, 100.0 * (1.0 + move))
    terms = (strike, time, volatility, np.full(3, right))
    return hedge_deltas.Held(
        pair=np.array([0.0, 0.0, 1.0]),
        right=terms[3],
        strike=strike,
        time=time,
        volatility=volatility,
        forward_before=before,
        forward_after=after,
        before=black_price(before, *terms) / before,
        after=black_price(after, *terms) / after,
        change=np.zeros(3),
    )


@pytest.mark.parametrize("right", [1.0, -1.0])
def test_the_adjusted_error_is_of_second_order_and_the_plain_one_of_first(right: float) -> None:
    """Halving a small move quarters the error of the right delta and halves that of the wrong one."""
    wide, narrow = (hedge_deltas.hedge_errors(repriced(move, right), without_vega=False) for move in (2e-3, 1e-3))
    assert wide[0] / narrow[0] == pytest.approx(np.full(3, 2.0), rel=0.1)
    assert wide[1] / narrow[1] == pytest.approx(np.full(3, 4.0), rel=0.1)


def test_vega_takes_the_change_of_volatility_out() -> None:
    held = repriced(0.0, 1.0)
    greeks = black_greeks(100.0, held.strike, held.time, held.volatility, 1)
    moved = hedge_deltas.Held(
        **{name: getattr(held, name) for name in held.__slots__ if name not in ("after", "change")},
        after=held.before + greeks.vega * 1e-3 / 100.0,
        change=np.full(3, 1e-3),
    )
    assert np.abs(hedge_deltas.hedge_errors(moved, without_vega=False)[1]).min() > 1e-6
    assert np.abs(hedge_deltas.hedge_errors(moved, without_vega=True)[1]).max() < 1e-15


def test_the_interval_holds_the_ratio_and_closes_where_pairs_agree() -> None:
    generator = np.random.default_rng(1)
    plain, pair = generator.normal(size=600), np.repeat(np.arange(6.0), 100)
    assert hedge_deltas.ratio_interval(plain, 0.3 * plain, pair) == pytest.approx((0.3, 0.3))
    other = 0.3 * generator.normal(size=600)
    low, high = hedge_deltas.ratio_interval(plain, other, pair)
    assert low < float(np.sqrt(np.sum(other**2) / np.sum(plain**2))) < high


def test_a_quarter_of_the_error_is_left_in_the_crash() -> None:
    if not hedge_deltas.CHAINS.exists():
        pytest.skip("the option chains are not beside the repository")
    rows = hedge_deltas.rows_of(hedge_deltas.held_options(hedge_deltas.CHAINS), without_vega=False)
    assert rows[0].count > 10_000
    assert all(gate.held for gate in hedge_deltas.gates_of(rows))
    assert all(row.ratio < 1.0 for row in rows)
