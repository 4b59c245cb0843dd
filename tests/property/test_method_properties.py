"""Laws of whole sizing methods, at the door of the engine: half the size at twice the volatility, linear is inverse."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.book import Row
from services.core.instrument import Instrument, QuantityUnit
from services.engine import Policy, evaluate
from services.sizing.buffers import NoBuffer
from services.sizing.methods.constant_leverage import ConstantLeverage
from services.sizing.methods.continuous_kelly import ContinuousKelly
from services.sizing.methods.inverse_volatility import InverseVolatility
from services.sizing.methods.risk_budget import RiskBudget
from services.sizing.methods.risk_parity import RiskParity
from services.sizing.methods.signal_scaled import SignalScaled
from services.sizing.methods.value_at_risk import ValueAtRiskBudget
from services.sizing.methods.volatility_target import VolatilityTarget
from services.sizing.registry import SizingMethod
from services.sizing.scaling import NoScaling, Scaling, ToVolatility
from tests.support.books import OPEN, inputs, inverse, row

LOT = Decimal("0.00000001")
TO_VOLATILITY = ToVolatility(target_volatility=0.2)
PROPORTIONAL: list[tuple[SizingMethod, Scaling]] = [
    (VolatilityTarget(target_volatility=0.2), NoScaling()),
    (SignalScaled(target_volatility=0.2), NoScaling()),
    (RiskBudget(budget_fraction=0.01), NoScaling()),
    (ValueAtRiskBudget(value_at_risk=0.02, distribution="normal"), NoScaling()),
    (InverseVolatility(), TO_VOLATILITY),
    (RiskParity(), TO_VOLATILITY),
]
ANY: list[tuple[SizingMethod, Scaling]] = [
    *PROPORTIONAL,
    (ConstantLeverage(leverage=0.7), NoScaling()),
    (ContinuousKelly(max_volatility=0.3, observations=5000), NoScaling()),
]
NAMED = {"ids": lambda value: getattr(value, "method", None)}
PRICES, VOLATILITIES = st.floats(60.0, 190.0), st.floats(0.05, 1.5)


def policy(method: SizingMethod, scaling: Scaling) -> Policy:
    return Policy(sizing=method, scaling=scaling, limits=OPEN, buffer=NoBuffer())


def linear_row(price: float, direction: float) -> Row:
    instrument = Instrument(symbol="A", lot=LOT, quantity_unit=QuantityUnit.BASE)
    return with_view(row("A", price=price, direction=direction, instrument=instrument), direction)


def with_view(item: Row, direction: float) -> Row:
    """With an edge on the side of its direction, for methods that ask for one."""
    assert item.signal is not None
    edge = 0.2 if direction > 0.0 else -0.2
    return replace(item, signal=item.signal._replace(expected_return=edge))


def base_size(item: Row, rules: Policy, volatility: float) -> float:
    target = evaluate(inputs(item, policy=rules, volatility=volatility, equity=1e6)).targets[0]
    assert target.target is not None, target.detail
    assert item.price is not None
    return float(target.target) * item.instrument.base_per_contract(item.price.value)


@pytest.mark.parametrize(("method", "scaling"), PROPORTIONAL, **NAMED)  # type: ignore[arg-type]
@given(PRICES, VOLATILITIES, st.sampled_from([-1.0, 0.5, 1.0]))
@settings(max_examples=25)
def test_twice_the_volatility_is_half_the_size(
    method: SizingMethod, scaling: Scaling, price: float, volatility: float, direction: float
) -> None:
    item, rules = linear_row(price, direction), policy(method, scaling)
    half, whole = base_size(item, rules, 2.0 * volatility), base_size(item, rules, volatility)
    assert half == pytest.approx(0.5 * whole, rel=1e-6)
    assert whole * direction > 0.0


@pytest.mark.parametrize(("method", "scaling"), ANY, **NAMED)  # type: ignore[arg-type]
@given(PRICES, VOLATILITIES, st.sampled_from([-1.0, 1.0]))
@settings(max_examples=25)
def test_linear_and_inverse_contracts_end_at_the_same_base_delta(
    method: SizingMethod, scaling: Scaling, price: float, volatility: float, direction: float
) -> None:
    contract = inverse("A", multiplier=1.0, lot=LOT, quantity_unit=QuantityUnit.CONTRACTS)
    coin = with_view(row("A", price=price, direction=direction, instrument=contract), direction)
    rules = policy(method, scaling)
    expected = base_size(linear_row(price, direction), rules, volatility)
    assert base_size(coin, rules, volatility) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("method", "scaling"), ANY, **NAMED)  # type: ignore[arg-type]
@given(PRICES, VOLATILITIES, st.floats(0.01, 100.0))
@settings(max_examples=25)
def test_the_account_currency_changes_no_quantity(
    method: SizingMethod, scaling: Scaling, price: float, volatility: float, rate: float
) -> None:
    """The same account, counted in a currency of which one unit of quote buys `rate`."""
    item, rules = linear_row(price, 1.0), policy(method, scaling)
    here = evaluate(inputs(item, policy=rules, volatility=volatility, equity=1e6)).targets[0].target
    other = replace(item, fx=rate)
    there = evaluate(inputs(other, policy=rules, volatility=volatility, equity=1e6 * rate)).targets[0].target
    assert here is not None and there is not None
    assert float(there) == pytest.approx(float(here), rel=1e-6)
