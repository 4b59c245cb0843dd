"""Units of the Turtles: by hand, against their own example, and with ranges from a series."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.book import Signal
from services.core.outcome import Reason, Status
from services.engine import Evaluation, Policy, SeriesInput, evaluate
from services.sizing.buffers import NoBuffer
from services.sizing.methods.average_true_range import AverageTrueRangeUnit
from tests.support.books import OPEN, inputs, inverse, row

UNIT = AverageTrueRangeUnit()


def decided(*rows: Any, method: AverageTrueRangeUnit = UNIT, **changes: Any) -> Evaluation:
    return evaluate(inputs(*rows, policy=Policy(sizing=method, limits=OPEN, buffer=NoBuffer()), **changes))


def ranged(value: float | None = 4.0, direction: float = 1.0, **changes: Any) -> Any:
    return row(signal=Signal(direction, average_true_range=value), **changes)


def size(result: Evaluation) -> float:
    return float(result.targets[0].target or 0)


def test_two_ranges_of_four_lose_one_percent_of_ten_thousand() -> None:
    assert size(decided(ranged())) == 12.5
    assert size(decided(ranged(direction=-1.0))) == -12.5


def test_a_direction_counts_units() -> None:
    pyramid = AverageTrueRangeUnit(range_multiple=1.0, max_units=4.0)
    assert [size(decided(ranged(direction=units / 4.0), method=pyramid)) for units in (1, 2, 4)] == [25.0, 50.0, 100.0]


def test_twice_the_range_is_half_the_size() -> None:
    assert size(decided(ranged(8.0))) == 6.25


def test_a_unit_is_worth_less_in_a_strong_currency() -> None:
    assert size(decided(ranged(fx=0.5))) == 25.0


def test_an_inverse_contract_has_the_same_base_delta() -> None:
    """Notional is 12.5 · 100 either way; an inverse contract of 100 is one coin at 100."""
    assert size(decided(ranged(instrument=inverse(multiplier=1.0)))) == 1_250.0


def series(bars: int, **changes: Any) -> SeriesInput:
    rng = np.random.default_rng(1)
    closes = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, bars)))
    high, low = closes * (1.0 + rng.uniform(0.0, 0.02, bars)), closes * (1.0 - rng.uniform(0.0, 0.02, bars))
    fields: dict[str, Any] = {"closes": closes, "high": high, "low": low}
    end = datetime(2026, 11, 20, tzinfo=UTC)
    return SeriesInput(end=end, bar_seconds=86_400, calendar=Calendar(), **{**fields, **changes})


def wilder(item: SeriesInput, window: int = 20) -> float:
    """Wilder's average, one bar after the other."""
    assert item.high is not None and item.low is not None
    ranges = [
        max(high, before) - min(low, before)
        for high, low, before in zip(item.high[1:], item.low[1:], item.closes[:-1], strict=True)
    ]
    found = sum(ranges[:window]) / window
    for one in ranges[window:]:
        found += (one - found) / window
    return found


def test_the_range_of_a_posted_series_is_wilders() -> None:
    item = series(120)
    held = row(price=float(item.closes[-1]), signal=Signal(1.0))
    result = decided(held, series={"A": item}, states={})
    assert size(result) == pytest.approx(100.0 / (2.0 * wilder(item)), abs=0.01)
    sent = row(price=float(item.closes[-1]), signal=Signal(1.0, average_true_range=5.0))
    assert size(decided(sent, series={"A": item}, states={})) == 10.0


@pytest.mark.parametrize("value", [None, 0.0])
def test_no_range_and_a_range_of_zero_are_refused(value: float | None) -> None:
    target = decided(ranged(value, quantity="2")).targets[0]
    assert (target.status, target.target) == (Status.REFUSED, None)
    assert target.reason is (Reason.DATA_REQUIRED if value is None else Reason.UNUSABLE_DATA)
    assert decided(ranged(value, direction=0.0, quantity="2")).targets[0].target == Decimal(0)
