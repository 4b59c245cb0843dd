"""Laws of margin: never negative, never less for more, the same in every currency; linear and inverse agree."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.instrument import Instrument, Kind
from services.hedging.delta_neutral import hedge_contracts
from services.margin.assembly import MarginRequirement
from services.margin.liquidation import distance_in_sigmas, liquidation_prices_linear, touch_probability
from services.margin.max_position import max_contracts_for_distance
from services.margin.methods.filtered_historical import FilteredHistorical
from services.margin.methods.lognormal_expected_shortfall import LognormalExpectedShortfall
from services.margin.methods.sigma_multiple import SigmaMultiple
from services.margin.procyclicality import AntiProcyclicality
from services.margin.registry import MarginModel, MarginPolicy
from services.margin.size_addons import (
    ImpactAddon,
    LinearAddon,
    MarketSize,
    NoAddon,
    OpenInterestLinear,
    OpenInterestRamp,
    SizeAddon,
    SqrtAddon,
)
from services.margin.view import MarginView

sizes = st.floats(-1e4, 1e4)
orders = st.floats(0.0, 1e4)
values = st.floats(0.01, 1e5)
volatilities = st.floats(1e-3, 20.0)
addons: st.SearchStrategy[SizeAddon] = st.one_of(
    st.just(NoAddon()),
    st.floats(0.0, 0.01).map(lambda c: SqrtAddon(coefficient=c)),
    st.floats(1e-9, 1e-4).map(lambda c: LinearAddon(per_contract=c)),
)
market_addons: st.SearchStrategy[SizeAddon] = st.one_of(
    st.tuples(st.floats(0.0, 1e6), st.floats(1.0, 1e7)).map(
        lambda ends: OpenInterestRamp(lower=ends[0], upper=ends[0] + ends[1])
    ),
    st.floats(1e-12, 1e-6).map(lambda c: OpenInterestLinear(per_notional=c)),
    st.floats(1e-4, 1.0).map(lambda c: ImpactAddon(coefficient=c)),
)
"""Add-ons that read how large a market is."""
amounts = st.one_of(st.just(np.nan), st.floats(0.0, 1e7))
models: st.SearchStrategy[MarginModel] = st.one_of(
    st.builds(LognormalExpectedShortfall, alpha=st.floats(0.5, 0.9999), horizon_days=st.floats(0.01, 30.0)),
    st.builds(
        SigmaMultiple,
        distribution=st.sampled_from(["normal", "student_t"]),
        degrees_of_freedom=st.floats(2.1, 100.0),
        alpha=st.floats(0.5, 0.9999),
        horizon_days=st.floats(0.01, 30.0),
    ),
)
policies = st.builds(MarginPolicy, model=models, floor=st.floats(0.001, 0.2), size_addon=addons)
STEP = 1e-8


def ask(policy: MarginPolicy, size: float, value: float, sigma: float, **orders_: float) -> MarginRequirement:
    return policy.requirement([size], [value], policy.rates([sigma]), **orders_)  # type: ignore[arg-type]


@given(policies, sizes, values, volatilities, orders, orders)
def test_initial_covers_maintenance_and_neither_is_negative(
    policy: MarginPolicy, size: float, value: float, sigma: float, buys: float, sells: float
) -> None:
    asked = ask(policy, size, value, sigma, open_buys=buys, open_sells=sells)
    assert asked.initial >= asked.maintenance >= 0.0
    assert asked.initial >= ask(policy, size, value, sigma).initial
    assert asked.maintenance > 0.0 or size == 0.0 or abs(size) * value < 1e-4


@given(policies, sizes, st.floats(1.0, 10.0), values, volatilities)
def test_a_larger_position_never_needs_less(
    policy: MarginPolicy, size: float, more: float, value: float, sigma: float
) -> None:
    small, large = ask(policy, size, value, sigma), ask(policy, size * more, value, sigma)
    assert large.initial >= small.initial - STEP
    assert large.maintenance >= small.maintenance - STEP


@given(policies, sizes, values, volatilities, st.floats(1.0, 10.0))
def test_more_volatility_never_lowers_margin(
    policy: MarginPolicy, size: float, value: float, sigma: float, more: float
) -> None:
    calm, wild = ask(policy, size, value, sigma), ask(policy, size, value, sigma * more)
    slack = 1e-12 * wild.initial + STEP
    assert wild.initial >= calm.initial - slack
    assert wild.maintenance >= calm.maintenance - slack


@given(policies, sizes, values, volatilities, st.floats(1e-3, 1e3))
def test_a_change_of_currency_scales_margin(
    policy: MarginPolicy, size: float, value: float, sigma: float, rate: float
) -> None:
    one, other = ask(policy, size, value, sigma), ask(policy, size, value * rate, sigma)
    assert other.initial == pytest.approx(rate * one.initial, rel=1e-9, abs=STEP * (1.0 + rate))


@given(st.lists(st.tuples(sizes, values, volatilities), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[tuple[float, float, float]], random: object) -> None:
    shuffled = list(range(len(rows)))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    policy, table = MarginPolicy(), np.array(rows).T
    size, value, sigma = table
    straight = policy.requirement(size, value, policy.rates(sigma)).initial
    size, value, sigma = table[:, shuffled]
    assert policy.requirement(size, value, policy.rates(sigma)).initial.tolist() == straight[shuffled].tolist()


@given(addons, st.floats(0.01, 0.5), st.floats(1e-6, 1e6))
def test_the_largest_size_is_the_one_that_spends_the_units(addon: SizeAddon, base: float, units: float) -> None:
    size = addon.largest(base, units)
    assert size * addon.rate(base, size) == pytest.approx(units, rel=1e-12)


@given(market_addons, st.floats(0.01, 0.5), st.floats(1e-3, 1e6), st.floats(0.0, 1e7), st.floats(1.0, 1e7), values)
def test_the_largest_size_spends_the_units_in_a_market_of_any_size(
    addon: SizeAddon, base: float, units: float, interest: float, volume: float, value: float
) -> None:
    market = MarketSize(interest, volume, value)
    size, slack = addon.largest(base, units, market), 1e-9
    if isinstance(addon, OpenInterestRamp):  # What is left of a last digit of a large notional in a narrow ramp.
        slack += 8.0 * np.finfo(float).eps * addon.lower / (addon.upper - addon.lower) / base
    assert size * addon.rate(base, size, market) == pytest.approx(units, rel=slack)


@given(market_addons, sizes, st.floats(1.0, 10.0), values, volatilities, amounts, amounts)
def test_margin_in_a_market_of_any_size(
    addon: SizeAddon, size: float, more: float, value: float, sigma: float, interest: float, volume: float
) -> None:
    """Initial covers maintenance, more never needs less, an unknown market never needs less than a known one, and
    maintenance does not move with what is unknown or with the positions of others.
    """
    policy = MarginPolicy(model=SigmaMultiple(), floor=0.02, size_addon=addon)
    rates, market = policy.rates([sigma]), MarketSize(interest, volume, value)
    small, large = (policy.requirement([held], [value], rates, market=market) for held in (size, size * more))
    assert small.initial >= small.maintenance - STEP
    assert large.initial >= small.initial - STEP
    assert large.maintenance >= small.maintenance - STEP
    unknown = policy.requirement([size], [value], rates)
    assert unknown.initial >= small.initial - STEP - 1e-12 * small.initial
    plain = MarginPolicy(model=SigmaMultiple(), floor=0.02).requirement([size], [value], rates)
    assert unknown.maintenance == plain.maintenance
    if "open_interest" in addon.requires:
        assert small.maintenance == plain.maintenance


@given(models, volatilities)
def test_a_long_never_loses_more_than_its_notional_and_a_short_risks_more(model: MarginModel, sigma: float) -> None:
    long, short = model.rates(MarginView.of(sigma))
    assert -1e-9 <= long <= 1.0
    assert short >= long - 1e-9


@given(
    st.floats(1.0, 1e5), st.sampled_from([1.0, -1.0]), st.floats(0.0, 0.5), st.floats(0.05, 3.0), st.floats(0.1, 8.0)
)
def test_the_distance_limit_and_the_measured_distance_are_one(
    equity: float, side: float, rate: float, sigma: float, sigmas: float
) -> None:
    size = max_contracts_for_distance(equity, 100.0, sigma, rate, sigmas, side=side)
    price = liquidation_prices_linear(equity, side * size, 100.0, rate)
    assert distance_in_sigmas(100.0, float(price), sigma) == pytest.approx(sigmas, rel=1e-6)


@given(st.floats(0.05, 3.0), st.floats(0.1, 30.0), st.floats(-2.0, 2.0), st.floats(1.0, 5.0))
def test_a_nearer_barrier_and_a_longer_horizon_are_touched_more_often(
    sigma: float, days: float, move: float, more: float
) -> None:
    near, far = 100.0 * np.exp(move), 100.0 * np.exp(move * more)
    assert touch_probability(100.0, near, sigma, days) >= touch_probability(100.0, far, sigma, days) - 1e-12
    assert touch_probability(100.0, near, sigma, days * more) >= touch_probability(100.0, near, sigma, days) - 1e-12


@given(st.floats(-50.0, 50.0), st.floats(1.0, 2e5), st.sampled_from([1.0, 10.0, 100.0]))
def test_linear_and_inverse_hedges_carry_the_same_delta(delta: float, price: float, dollars: float) -> None:
    """Within a lot of either, on the side of less."""
    linear = Instrument(symbol="L", contract_multiplier=0.001, lot=Decimal(1))
    inverse = Instrument(symbol="I", kind=Kind.INVERSE, contract_multiplier=dollars, lot=Decimal(1))
    for instrument in (linear, inverse):
        lot = instrument.base_per_contract(price)
        traded = float(hedge_contracts(delta, instrument, price)) * lot
        assert abs(traded) <= abs(delta) + 2e-6 * lot
        assert abs(delta - traded) <= lot * (1.0 + 1e-6)
        assert traded * delta >= 0.0


def market(seed: int, bars: int) -> np.ndarray:
    """Returns with fat tails whose volatility wanders."""
    rng = np.random.default_rng(seed)
    level = np.exp(np.cumsum(rng.normal(0.0, 0.05, bars)))
    found: np.ndarray = 0.02 * level / level.mean() * rng.standard_t(4.0, bars)
    return found


filtered = st.builds(
    FilteredHistorical,
    window=st.integers(80, 200),
    scaling=st.sampled_from(["none", "half", "full"]),
    measure=st.sampled_from(["expected_shortfall", "value_at_risk"]),
    aggregation=st.sampled_from(["square_root", "overlapping"]),
    alpha=st.floats(0.6, 0.99),
    horizon_days=st.floats(0.5, 4.0),
    min_returns=st.just(60),
)


@given(filtered, st.integers(0, 10_000), st.integers(60, 300), st.integers(1, 100))
def test_a_filtered_margin_never_looks_ahead(model: FilteredHistorical, seed: int, bars: int, more: int) -> None:
    returns = market(seed, bars + more)
    np.testing.assert_allclose(
        model.rates_path(returns, 365.0)[0][: bars + 1], model.rates_path(returns[:bars], 365.0)[0], rtol=1e-12
    )


@given(filtered, st.integers(0, 10_000))
def test_the_last_of_a_path_is_the_margin_of_its_row(model: FilteredHistorical, seed: int) -> None:
    returns = market(seed, 230)
    row = MarginView(np.array([np.nan]), (returns,), np.array([365.0]))
    last = [side[-1] for side in model.rates_path(returns, 365.0)]
    assert [float(side[0]) for side in model.rates(row)] == pytest.approx(last, rel=1e-12)


@given(filtered, st.integers(0, 10_000))
def test_a_mirrored_market_swaps_the_sides(model: FilteredHistorical, seed: int) -> None:
    """In log returns a long of the mirror loses what the short gains less by the curvature alone."""
    returns = market(seed, 150)
    long, short = model.rates_path(returns, 365.0)
    mirrored_long, _ = model.rates_path(-returns, 365.0)
    if model.measure == "value_at_risk":
        np.testing.assert_allclose(np.log1p(short[60:]), -np.log1p(-mirrored_long[60:]), rtol=1e-9)
    assert (short[60:][~np.isnan(long[60:])] >= mirrored_long[60:][~np.isnan(long[60:])] - 1e-12).all()


@given(
    st.lists(st.floats(0.01, 10.0), min_size=2, max_size=40), st.floats(0.0, 1.0), st.floats(0.01, 1.0),
    st.none() | st.floats(0.01, 0.5), st.floats(1e-3, 1e3),
)  # fmt: skip
def test_rules_never_ask_less_than_the_margin_and_scale_with_it(
    base: list[float], buffer: float, rebuild: float, release: float | None, unit: float
) -> None:
    rules, path = AntiProcyclicality(buffer=buffer, rebuild=rebuild, release=release), np.array(base)
    asked = rules.path(path)
    assert (asked >= path * (1.0 - 1e-12)).all()
    np.testing.assert_allclose(rules.path(unit * path), unit * asked, rtol=1e-9)
    if release is not None:
        assert (asked[1:] >= asked[:-1] * (1.0 - release) * (1.0 - 1e-12)).all()
