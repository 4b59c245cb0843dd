"""Revaluation of a book over shocks: identities, small shocks against Greeks, QuantLib on a random book."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - as everybody writes it

from services.core.errors import InvalidInput, Refusal
from services.core.explain import Floats
from services.core.outcome import Reason
from services.options.exposures import leg_exposures, summed
from services.options.ladder import LadderGrid, revalue, volatility_scale, worst_cell
from services.options.portfolio_greeks import LegGreeks, OptionLeg, leg_greeks
from services.options.positions import LinearLeg, OwnLeg, Scenarios
from tests.support.option_books import linear_legs, random_legs

GRID = LadderGrid()
LEG = OptionLeg(
    quantity=-3.0, multiplier=1.0, right=1, strike=62e3, forward=6e4, time_to_expiry=0.25, volatility=0.55, skew=-0.2
)


def grid(spot: list[float], volatility: list[float], **more: float) -> LadderGrid:
    return LadderGrid(spot_shocks=np.array(spot), volatility_shocks=np.array(volatility), **more)


def quantlib_price(leg: OptionLeg, forward: float, volatility: float, time: float) -> float:
    kind = ql.Option.Call if leg.right > 0 else ql.Option.Put
    rate = -np.log(leg.discount) / leg.time_to_expiry
    deviation, discount = volatility * np.sqrt(time), float(np.exp(-rate * time))
    payoff = ql.PlainVanillaPayoff(kind, leg.strike)
    return float(ql.BlackCalculator(payoff, forward, deviation, discount).value())


def slow_ladder(leg: OptionLeg, shocks: LadderGrid) -> Floats:
    """One price after the other, by QuantLib."""
    found, size = np.zeros(shocks.shape), leg.quantity * leg.multiplier
    days = min(max(leg.time_to_expiry * 365, 1.0), 30.0)
    now = quantlib_price(leg, leg.forward, leg.volatility, leg.time_to_expiry)
    for row, move in enumerate(shocks.spot_shocks.tolist()):
        for column, shock in enumerate(shocks.volatility_shocks.tolist()):
            sigma = leg.volatility * (1 + shock * np.sqrt(30 / days)) - shocks.stickiness * leg.skew * np.log1p(move)
            forward, time = leg.forward * (1 + move), leg.time_to_expiry - shocks.days_forward / 365
            after = quantlib_price(leg, forward, max(sigma, 0.1 * leg.volatility), time)
            if leg.coin_settled:
                found[row, column] = size * (after / forward - now / leg.forward) * forward
            else:
                found[row, column] = size * (after - now)
    return found


@pytest.mark.parametrize(("stickiness", "days"), [(0.0, 0.0), (0.7, 0.5)])
def test_a_random_book_is_revalued_as_by_quantlib(stickiness: float, days: float) -> None:
    legs = random_legs(np.random.default_rng(11), 60)
    shocks = LadderGrid(stickiness=stickiness, days_forward=days)
    found = revalue(legs, shocks)
    expected = np.array([slow_ladder(leg, shocks) for leg in legs])
    scale = np.array([abs(leg.quantity * leg.multiplier) * leg.forward for leg in legs])[:, None, None]
    assert np.abs((found.pnl - expected) / scale).max() < 1e-12
    coin = expected / (np.array([leg.forward for leg in legs])[:, None, None] * (1 + shocks.spot_shocks)[:, None])
    np.testing.assert_allclose(found.pnl_coin, coin, atol=1e-10)


def test_nothing_happens_without_a_shock() -> None:
    rng = np.random.default_rng(3)
    legs = [*random_legs(rng, 50), *linear_legs(rng), OwnLeg(greeks=LegGreeks(delta=4.0, gamma_1pct=2.0), price=6e4)]
    here = revalue(legs, grid([0.0], [0.0], stickiness=0.9))
    assert not here.pnl.any()
    assert not here.pnl_coin.any()


def test_small_shocks_are_delta_gamma_vega_to_third_order() -> None:
    """Halving the shock divides what the Greeks leave by eight."""
    rng = np.random.default_rng(7)
    legs = [replace(leg, time_to_expiry=max(leg.time_to_expiry, 20 / 365)) for leg in random_legs(rng, 40)]
    stickiness = 0.6

    def rest(size: float) -> Floats:
        move, shock = size, 1.5 * size
        found = revalue(legs, grid([move], [shock], stickiness=stickiness)).pnl[:, 0, 0]
        explained = []
        for leg in legs:
            greeks, change = leg_greeks(leg), leg.forward * move
            scale = float(volatility_scale(np.array(leg.time_to_expiry)))
            points = 100 * (leg.volatility * shock * scale - stickiness * leg.skew * np.log1p(move))
            gamma = 100 * greeks.gamma_1pct / leg.forward
            explained.append(
                greeks.delta * change
                + 0.5 * gamma * change**2
                + greeks.vega_per_point * points
                + greeks.vanna_per_point * points * change
                + 0.5 * greeks.volga_per_point * points**2
            )
        return np.asarray(found - explained)

    whole, half = rest(4e-3), rest(2e-3)
    scale = np.array([abs(leg.quantity * leg.multiplier * leg.forward) for leg in legs])
    assert (np.abs(half) <= 100 * 2e-3**3 * scale).all()
    clear = np.abs(whole) > 1e-9 * scale
    assert clear.sum() > 20
    assert np.median(whole[clear] / half[clear]) == pytest.approx(8.0, rel=0.05)


def test_the_slope_of_a_ladder_is_the_delta_of_the_hedge() -> None:
    rng = np.random.default_rng(9)
    legs = [*random_legs(rng, 40), *linear_legs(rng)]
    stickiness, bump = 0.5, 1e-5
    up, down = revalue(legs, grid([bump, -bump], [0.0], stickiness=stickiness)).pnl.sum(axis=0)[:, 0]
    found = summed(leg_exposures(legs, stickiness=stickiness))
    sticky = sum(summed(leg_exposures([leg], stickiness=stickiness)).skew_delta * leg.forward for leg in legs[:40])
    assert (up - down) / (2 * bump) == pytest.approx(found.delta_usd + sticky, rel=1e-6)


def test_a_coin_settled_option_and_its_hedge_in_the_inverse_perpetual_are_flat_to_first_order() -> None:
    leg = replace(LEG, coin_settled=True)
    notional = -leg_greeks(leg).delta * leg.forward
    hedge = LinearLeg(kind="inverse", quantity=notional, multiplier=1.0, price=leg.forward)
    moves = [-1e-3, 1e-3]
    together = revalue([leg, hedge], grid(moves, [0.0]))
    assert np.abs(together.pnl.sum(axis=0)).max() < 1e-3 * np.abs(together.pnl[1]).max() * 5
    # in coin as in money: the profit of the one is that of the other at the shocked price
    moved = 6e4 * (1 + np.array(moves))[:, None]
    np.testing.assert_allclose(together.pnl_coin * moved, together.pnl, rtol=1e-12)


def test_inverse_contracts_pay_coin() -> None:
    leg = LinearLeg(kind="inverse", quantity=50.0, multiplier=100.0, price=40_000.0)
    found = revalue([leg], GRID)
    coin = 5_000.0 * (1 / 40_000.0 - 1 / (40_000.0 * (1 + GRID.spot_shocks)))
    np.testing.assert_allclose(found.pnl_coin[0, :, 0], coin, rtol=1e-12, atol=1e-18)
    np.testing.assert_allclose(found.pnl[0, :, 0], 5_000.0 * GRID.spot_shocks, rtol=1e-12)


def test_short_expiries_move_more_and_no_volatility_falls_below_a_tenth() -> None:
    week = replace(LEG, time_to_expiry=7.5 / 365, strike=6e4)
    found = revalue([week], grid([0.0], [0.1, -0.1])).pnl[0, 0]
    expected = [
        leg_greeks(replace(week, volatility=0.55 * factor)).value - leg_greeks(week).value for factor in (1.2, 0.8)
    ]
    assert found.tolist() == pytest.approx(expected)
    hour = replace(LEG, time_to_expiry=1 / 8760, strike=6e4)
    floor, deeper = revalue([hour], grid([0.0], [-0.25, -0.9])).pnl[0, 0]
    assert floor == deeper == pytest.approx(leg_greeks(replace(hour, volatility=0.055)).value - leg_greeks(hour).value)


def test_what_settles_before_the_shock_is_at_its_pay_off() -> None:
    found = revalue([replace(LEG, time_to_expiry=1 / 365)], grid([0.1], [-0.25, 0.25], days_forward=2.0)).pnl[0, 0]
    now = leg_greeks(replace(LEG, time_to_expiry=1 / 365)).value
    assert found.tolist() == pytest.approx([-3.0 * 4_000.0 - now] * 2)


def test_time_alone_is_theta() -> None:
    found = revalue([LEG], grid([0.0], [0.0], days_forward=0.01)).pnl[0, 0, 0]
    assert found == pytest.approx(0.01 * leg_greeks(LEG).theta_per_day, rel=1e-3)


def test_settlement_by_average_fades_the_position() -> None:
    late = replace(LEG, time_to_expiry=15 / 525_600)
    full, faded = (revalue([replace(late, averaged_settlement=flag)], GRID).pnl for flag in (False, True))
    np.testing.assert_allclose(faded, full / 2)


def test_own_greeks_are_expanded_and_named() -> None:
    greeks = leg_greeks(LEG)
    own = OwnLeg(greeks=greeks, price=LEG.forward, volatility=LEG.volatility, time_to_expiry=LEG.time_to_expiry)
    shocks = grid([-0.01, 0.01], [-0.02, 0.02])
    found, model = revalue([own], shocks), revalue([LEG], shocks)
    assert found.expanded == {0}
    np.testing.assert_allclose(found.pnl, model.pnl, rtol=5e-3)


def test_a_vega_without_a_volatility_cannot_be_shocked() -> None:
    own = OwnLeg(greeks=LegGreeks(delta=1.0, vega_per_point=5.0), price=100.0)
    refusal = revalue([own], GRID).refused[0]
    assert refusal.reason is Reason.SCENARIO_MISSING
    assert not revalue([own], grid([0.1], [0.0])).refused


def own_ladder(days: float | None = 0.0) -> OwnLeg:
    spot, volatility = np.array([0.2, -0.2, 0.0]), np.array([0.0, 0.25])
    pnl = np.array([[1.0, 2.0], [3.0, 4.0], [0.0, 5.0]])
    scenarios = Scenarios(spot_shocks=spot, volatility_shocks=volatility, pnl=pnl, days_forward=days)
    return OwnLeg(greeks=LegGreeks(delta=1.0), price=100.0, scenarios=scenarios)


def test_own_scenarios_are_taken_at_their_nodes_in_any_order() -> None:
    found = revalue([own_ladder()], grid([-0.2, 0.2], [0.25, 0.0]))
    assert found.pnl[0].tolist() == [[4.0, 3.0], [2.0, 1.0]]
    assert not found.expanded


@pytest.mark.parametrize(
    ("shocks", "words"),
    [
        (grid([-0.1], [0.0]), "no spot shock of -0.1"),
        (grid([0.2], [0.1]), "no volatility shock of 0.1"),
        (grid([0.2], [0.0], days_forward=1.0), "0 days forward, not 1"),
    ],
)
def test_nothing_is_interpolated(shocks: LadderGrid, words: str) -> None:
    found = revalue([own_ladder()], shocks)
    refusal = found.refused[0]
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.SCENARIO_MISSING
    assert words in refusal.detail
    assert not found.pnl.any()


def test_the_worst_cell_is_the_least() -> None:
    straddle = [replace(LEG, right=right, strike=6e4) for right in (1, -1)]
    pnl = revalue(straddle, GRID).pnl.sum(axis=0)
    worst = worst_cell(pnl, GRID)
    assert worst.pnl == pnl.min()
    assert (worst.spot_shock, worst.volatility_shock) == (0.3, 0.25)


def test_chunks_make_no_difference() -> None:
    legs = random_legs(np.random.default_rng(2), 300)
    wide = LadderGrid(spot_shocks=np.linspace(-0.5, 0.5, 40), volatility_shocks=np.linspace(-0.3, 0.3, 5))
    together = revalue(legs, wide).pnl
    one_by_one = np.array([revalue([leg], wide).pnl[0] for leg in legs])
    np.testing.assert_array_equal(together, one_by_one)


def test_bad_grids_are_named() -> None:
    for arguments, words in (
        ({"spot_shocks": np.array([-1.0])}, "spot_shocks must be a list of numbers > -1"),
        ({"volatility_shocks": np.array([-1.5])}, "volatility_shocks must be a list of numbers >= -1"),
        ({"stickiness": float("nan")}, "stickiness must be finite"),
        ({"days_forward": -1.0}, "days_forward must be finite and >= 0"),
    ):
        with pytest.raises(InvalidInput, match=words):
            LadderGrid(**arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="pnl must have one row"):
        Scenarios(spot_shocks=np.zeros(2), volatility_shocks=np.zeros(1), pnl=np.zeros((1, 2)))
