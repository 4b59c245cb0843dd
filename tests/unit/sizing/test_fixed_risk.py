"""Fixed risk to a stop: by hand, and by playing the stop out to the last coin."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.book import Account, PriceUsed, Signal
from services.core.outcome import Reason, Status
from services.engine import Evaluation, Policy, evaluate
from services.sizing.buffers import NoBuffer
from services.sizing.methods.fixed_risk import FixedRisk, stop_loss
from tests.support.books import OPEN, inputs, inverse, row

FREE = FixedRisk(fee=0.0)
LINEAR = row().instrument


def decided(*rows: Any, method: FixedRisk = FREE, **changes: Any) -> Evaluation:
    return evaluate(inputs(*rows, policy=Policy(sizing=method, limits=OPEN, buffer=NoBuffer()), **changes))


def planned(direction: float = 1.0, *, stop: float | None, entry: float | None = None, **changes: Any) -> Any:
    return row(signal=Signal(direction, stop_price=stop, entry_price=entry), **changes)


def size(result: Evaluation) -> float:
    return float(result.targets[0].target or 0)


def test_one_percent_of_ten_thousand_over_four_points_is_25_contracts() -> None:
    assert size(decided(planned(stop=96.0))) == 25.0
    assert size(decided(planned(-1.0, stop=104.0))) == -25.0
    assert size(decided(planned(0.5, stop=96.0))) == 12.5


def test_fees_are_charged_on_notional_once_each_way() -> None:
    """Entry 107.703, stop 107.403, 2 bp: (0.3 + 2 · 0.0002 · 107.703) · fx a unit, for 10,000: 3,130,5.. of them."""
    rate = 0.009310726888448181
    yen = planned(stop=107.403, entry=107.703, price=107.703, fx=rate)
    found = size(decided(yen, method=FixedRisk(fee=0.0002), equity=1_000_000.0))
    assert found == pytest.approx(10_000.0 / ((0.3 + 0.0004 * 107.703) * rate), abs=0.01)
    assert found // 1_000 == 3_130


def test_slippage_is_paid_at_the_exit() -> None:
    assert size(decided(planned(stop=96.0), method=FixedRisk(fee=0.0, slippage=0.01))) == 20.0


def test_the_entry_may_lie_away_from_the_mark() -> None:
    """A breakout: in at 110, out at 105, while the mark is 100."""
    assert size(decided(planned(stop=105.0, entry=110.0))) == 20.0


def lost_in_quote(contracts: float, entry: float, stop: float, multiplier: float) -> float:
    """Inverse contract in an account kept in the quote currency: coins lost, sold at the stop."""
    return contracts * multiplier * abs(1.0 / entry - 1.0 / stop) * stop


@pytest.mark.parametrize(("direction", "stop"), [(1.0, 80.0), (-1.0, 125.0)])
def test_an_inverse_contract_loses_the_risk_when_stopped_out(direction: float, stop: float) -> None:
    result = decided(planned(direction, stop=stop, instrument=inverse(multiplier=1.0)), equity=1_000_000.0)
    assert lost_in_quote(abs(size(result)), 100.0, stop, 1.0) == pytest.approx(10_000.0, rel=1e-3)


@pytest.mark.parametrize(("direction", "stop"), [(1.0, 80.0), (-1.0, 125.0)])
@pytest.mark.parametrize("kind", ["inverse", "linear"])
def test_an_account_in_the_coin_loses_coins(kind: str, direction: float, stop: float) -> None:
    """1,000 coins at 100; one per cent is 10 coins, whatever a coin is worth at the stop."""
    instrument = inverse(multiplier=1.0) if kind == "inverse" else replace(LINEAR, base_currency="COIN")
    held = planned(direction, stop=stop, instrument=instrument, fx=0.01)
    result = evaluate(
        inputs(
            held,
            policy=Policy(sizing=FREE, limits=OPEN, buffer=NoBuffer()),
            account=Account(1_000.0, "COIN"),
        )
    )
    coins = abs(1.0 / 100.0 - 1.0 / stop) if kind == "inverse" else abs(stop - 100.0) / stop
    assert abs(size(result)) * coins == pytest.approx(10.0, rel=1e-3)


@pytest.mark.parametrize(
    ("direction", "stop", "said"),
    [
        (1.0, 100.0, "stop_price 100 of a long must be below its entry 100"),
        (1.0, 104.0, "must be below"),
        (-1.0, 96.0, "stop_price 96 of a short must be above its entry 100"),
    ],
)
def test_a_stop_on_the_wrong_side_is_refused(direction: float, stop: float, said: str) -> None:
    target = decided(planned(direction, stop=stop, quantity="3")).targets[0]
    assert (target.status, target.reason, target.target) == (Status.REFUSED, Reason.UNUSABLE_DATA, None)
    assert said in target.detail


def test_without_a_stop_nothing_is_sized_and_flat_needs_none() -> None:
    target = decided(planned(stop=None)).targets[0]
    assert (target.status, target.reason, target.target) == (Status.REFUSED, Reason.DATA_REQUIRED, None)
    assert "signals[].stop_price" in target.detail
    assert decided(planned(0.0, stop=None, quantity="3")).targets[0].target == Decimal(0)


def test_one_bad_stop_fails_no_other_row() -> None:
    good = row("B", signal=Signal(1.0, stop_price=96.0))
    found = decided(planned(stop=104.0), good).targets
    assert [target.status for target in found] == [Status.REFUSED, Status.OK]
    assert found[1].target == Decimal("25.00")


def test_rows_are_sized_alone_and_capacity_says_the_same() -> None:
    result = decided(planned(stop=96.0), row("B", signal=Signal(1.0, stop_price=90.0)))
    assert [target.target for target in result.targets] == [Decimal("25.00"), Decimal("10.00")]
    assert result.capacity is not None
    assert result.capacity.long == (Decimal("25.00"), Decimal("10.00"))


@given(
    st.floats(1.0, 1e5),
    st.floats(0.01, 0.5),
    st.floats(0.0, 0.01),
    st.floats(0.0, 0.05),
    st.sampled_from([1.0, -1.0]),
)
def test_a_stop_out_never_costs_more_than_the_risk(
    entry: float, distance: float, fee: float, slippage: float, side: float
) -> None:
    """Played out: in at the entry, out at the stop less slippage, fees on what was really traded."""
    stop = entry * (1.0 - side * distance)
    seen = np.array([entry])
    loss = stop_loss(seen, np.array([stop]), per_notional=seen, fee=fee, slippage=slippage)
    contracts = 100.0 / (float(loss[0]) * entry)
    out = stop - side * slippage * entry
    lost = contracts * (side * (entry - out) + fee * (entry + out))
    assert lost <= 100.0 * (1.0 + 1e-9)
    assert lost >= 100.0 * (1.0 - 1e-9) - contracts * fee * entry * (distance + 2.0 * slippage)


def test_the_mark_of_a_row_does_not_change_its_contracts() -> None:
    found = [
        size(decided(row(price=price, signal=Signal(1.0, entry_price=100.0, stop_price=96.0)))) for price in (90, 100)
    ]
    assert found == [25.0, 25.0]


def test_prices_used_are_seen_in_the_explanation() -> None:
    result = decided(planned(stop=96.0))
    assert result.trail is not None
    steps = {step.stage: step for step in result.trail.steps(0)}
    assert steps["risk_fraction"].factor == pytest.approx(0.01)
    assert steps["stop_distance"].factor == pytest.approx(25.0)
    assert np.prod([step.factor for step in result.trail.steps(0) if step.factor]) * 100.0 == pytest.approx(25.0)


def test_a_stale_mark_is_refused_although_no_volatility_is_needed() -> None:
    old = replace(planned(stop=96.0), price=PriceUsed(100.0, "position", 1e6))
    assert decided(old).targets[0].reason is Reason.STALE_PRICE
