"""Volatile against stable: weights, both legs, the band that the price moves by itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.core.outcome import Reason, Status
from services.engine import Evaluation, Policy, StateInput, evaluate
from services.sizing.buffers import Buffer, NoBuffer, VolatilityBuffer
from services.sizing.methods.volatility_rebalancing import VolatilityRebalancing
from tests.support.books import OPEN, inputs, readout, row
from tests.support.columns import columns, standing
from tests.support.sizing import book, everything

D = Decimal


def decided(*rows: Any, buffer: Buffer | None = None, volatility: float = 0.4, **parameters: Any) -> Evaluation:
    method = VolatilityRebalancing(**(parameters or {"account_volatility": 0.2}))
    policy = Policy(sizing=method, limits=OPEN, buffer=buffer or NoBuffer())
    state = {item.market_key: StateInput(readout(volatility, long_run=0.5)) for item in rows}
    return evaluate(inputs(*rows, policy=policy, states=state))


@pytest.mark.parametrize(("volatility", "weight"), [(0.4, 50), (0.8, 25), (0.1, 100)])
def test_weight_by_volatility_never_borrows(volatility: float, weight: int) -> None:
    result = decided(row(direction=1.0), volatility=volatility)
    assert result.targets[0].target == D(weight)
    assert f"stable leg {1 - weight / 100:.4f}" in result.targets[0].detail


def test_a_weight_of_ordinary_times() -> None:
    """.4 while σ is its long run of .5; at σ = .8 it is .4 · .5/.8 = .25."""
    assert decided(row(direction=1.0), volatility=0.8, weight=0.4).targets[0].target == D(25)
    assert decided(row(direction=1.0), volatility=0.2, weight=0.4, max_weight=0.6).targets[0].target == D(60)


def test_directions_share_and_halve_but_never_double() -> None:
    assert [target.target for target in decided(row("A", direction=1.0), row("B", direction=0.5)).targets] == [
        D(25),
        D("12.5"),
    ]
    assert decided(row(direction=2.0), volatility=0.25).targets[0].target == D(80)


def test_exactly_one_of_both() -> None:
    for parameters in ({}, {"weight": 0.5, "account_volatility": 0.2}):
        with pytest.raises(InvalidInput, match="weight"):
            VolatilityRebalancing(**parameters)  # type: ignore[arg-type]


def test_an_unknown_long_run_is_refused() -> None:
    seen = book(0)
    assert list(VolatilityRebalancing(weight=0.5).unusable(seen, everything(seen))) == [0, 1, 2, 3, 4]
    assert VolatilityRebalancing(account_volatility=0.5).unusable(seen, everything(seen)) == {}


@pytest.mark.parametrize(("held", "target"), [("51", "51"), ("60", None), ("49", "49")])
def test_what_a_week_moves_by_itself_is_left_alone(held: str, target: str | None) -> None:
    """.4 · √(7/365) · .5 · .5 of the equity is 1.385 contracts: around 50, 49 and 51 are within, 60 is not."""
    half = 0.4 * (7 / 365) ** 0.5 * 0.5 * 50
    decision = decided(row(quantity=held, direction=1.0), buffer=VolatilityBuffer()).targets[0]
    if target is not None:
        assert (decision.status, decision.reason) == (Status.HELD, Reason.WITHIN_BUFFER)
    assert float(decision.target or 0) == pytest.approx(50 + half if target is None else float(target), abs=0.01)


def test_the_band_is_the_standard_deviation_of_the_weight_itself() -> None:
    """200,000 weeks of an untouched weight of .3: its deviation is k σ √h w (1 − w), to the first order."""
    rng = np.random.default_rng(2)
    price = np.exp(rng.normal(0.0, 0.4 * (7 / 365) ** 0.5, 200_000))
    weight = 0.3 * price / (0.3 * price + 0.7)
    seen = columns([0.4])
    band = VolatilityBuffer().half_width(standing(seen, [0.3]))[0]
    assert weight.std() == pytest.approx(band, rel=0.01)


def test_nothing_is_left_alone_of_a_whole_or_levered_weight() -> None:
    seen = columns([0.4, 0.4])
    assert VolatilityBuffer().half_width(standing(seen, [1.0, -2.0])).tolist() == [0.0, 0.0]
