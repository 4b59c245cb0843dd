"""Margin-linked sizes: the margin that they use, and where they would be liquidated."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from services.core.instrument import Instrument, Kind, QuantityUnit
from services.engine import Evaluation, Policy, evaluate
from services.margin.max_position import notional_at_distance
from services.sizing.buffers import NoBuffer
from services.sizing.limits import Limits
from services.sizing.methods.margin_linked import MarginLinked
from tests.support.books import OPEN, inputs, row

LOT = Decimal("0.000001")


def fine(symbol: str, **changes: Any):  # type: ignore[no-untyped-def]
    return row(symbol, instrument=Instrument(symbol=symbol, lot=LOT, quantity_unit=QuantityUnit.BASE), **changes)


def decided(*rows: Any, limits: Limits = OPEN, volatility: float = 0.4, **parameters: Any) -> Evaluation:
    policy = Policy(sizing=MarginLinked(**parameters), limits=limits, buffer=NoBuffer())
    return evaluate(inputs(*rows, policy=policy, volatility=volatility))


def initial(result: Evaluation) -> float:
    assert result.margin_target is not None
    return float(np.nansum(result.margin_target.initial))


@pytest.mark.parametrize("directions", [(1.0,), (-1.0,), (1.0, -1.0), (0.5, -1.0, 1.0)])
def test_the_margin_of_the_book_is_what_is_asked_for(directions: tuple[float, ...]) -> None:
    """Each row uses |d|/n of 80 % of the equity, by the margin that the answer itself reports."""
    result = decided(*(fine(f"S{i}", direction=d) for i, d in enumerate(directions)))
    share = sum(abs(d) for d in directions) / len(directions)
    assert initial(result) == pytest.approx(8_000.0 * share, rel=1e-3)


def test_a_held_book_keeps_its_composition() -> None:
    result = decided(fine("A", quantity="3"), fine("B", quantity="-1"), margin_buffer=0.5)
    sizes = [float(target.target or 0) for target in result.targets]
    assert sizes[0] / sizes[1] == pytest.approx(-3.0, rel=1e-5)
    assert initial(result) == pytest.approx(5_000.0, rel=1e-3)


def test_the_margin_of_other_positions_is_not_spent_twice() -> None:
    """A row without a signal keeps its margin: together they use 80 % of what is left, and its own."""
    result = decided(fine("A", direction=1.0), fine("B", quantity="100"))
    assert result.margin_target is not None
    own, other = result.margin_target.initial.tolist()
    assert own == pytest.approx(0.8 * (10_000.0 - other), rel=2e-2)
    assert own + other < 10_000.0


def test_the_liquidation_price_stays_at_the_distance() -> None:
    """The closed form of the margin model, for a long alone in the book."""
    limits = replace(OPEN, min_liquidation_distance=20.0)
    result = decided(fine("A", direction=1.0), limits=limits, volatility=0.8, margin_buffer=0.0)
    evidence = result.columns.sizing
    assert evidence is not None and evidence.evidence is not None and evidence.evidence.distance_long is not None
    rate = 0.6 * evidence.evidence.initial_margin_long[0]
    weight = float(result.targets[0].target or 0) * 100.0 / 10_000.0
    assert weight == pytest.approx(float(notional_at_distance(20 * 0.8 / 365**0.5, rate, 1)), rel=1e-3)
    assert result.margin_target is not None
    assert result.margin_target.distance_sigma[0] >= 20.0 * (1 - 1e-6)


def test_two_rows_survive_a_joint_move() -> None:
    """Both at the distance at once: losses and maintenance together are the equity, no more."""
    limits = replace(OPEN, min_liquidation_distance=20.0)
    rows = (fine("A", direction=1.0), fine("B", direction=1.0))
    result = decided(*rows, limits=limits, volatility=0.8, margin_buffer=0.0)
    seen = result.columns.sizing
    assert seen is not None and seen.evidence is not None
    notional = np.array([float(target.target or 0) * 100.0 for target in result.targets])
    move = 20 * 0.8 / 365**0.5
    lost = notional * -np.expm1(-move) + 0.6 * seen.evidence.initial_margin_long * notional * np.exp(-move)
    assert lost.sum() == pytest.approx(10_000.0, rel=1e-3)


def test_owned_spot_pays_its_price() -> None:
    spot = Instrument(symbol="A", kind=Kind.SPOT, lot=LOT, quantity_unit=QuantityUnit.BASE)
    result = decided(row("A", direction=1.0, instrument=spot))
    assert float(result.targets[0].target or 0) == pytest.approx(80.0, rel=1e-6)


def test_a_strong_forecast_spends_no_more_than_there_is() -> None:
    assert initial(decided(fine("A", direction=2.0))) == pytest.approx(8_000.0, rel=1e-3)
