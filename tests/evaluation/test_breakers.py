"""What the replay of the ladder computes, on a crash that is made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.guards.breakers import Breakers
from tests.evaluation import breakers
from tests.evaluation.breakers import COST, EQUITY, VENUE_RATE, WARM_UP, Crash, ride
from tests.evaluation.breakers import _stop as stop

START = datetime(2020, 3, 1, tzinfo=UTC)


def crash(*closes: float, low: float | None = None) -> Crash:
    """Still until the position is bought at 100, then these closes; `low` is that of the last bar."""
    close = np.array([100.0] * (WARM_UP + 1) + list(closes))
    opened = np.concatenate([close[:1], close[:-1]])
    lows = np.minimum(opened, close)
    if low is not None:
        lows[-1] = low
    times = tuple(START + timedelta(hours=hour) for hour in range(close.size))
    return Crash("made up", "BTC", times, opened, lows, close, np.full(close.size, 0.8))


def test_the_stop_is_where_equity_meets_the_venue() -> None:
    price = stop(3_000.0, EQUITY, 100.0)
    assert EQUITY + 3_000.0 * (price - 100.0) == pytest.approx(VENUE_RATE * 3_000.0 * price)


def test_a_position_that_is_held_earns_what_the_price_does() -> None:
    found = ride(crash(99.0, 98.0, 101.0), 3.0, None, trades=False)
    assert found.equity == pytest.approx(
        [EQUITY, *(EQUITY + 3_000.0 * (price - 100.0) for price in (99.0, 98.0, 101.0))]
    )
    assert found.traded == 0.0


def test_it_is_liquidated_on_the_low_of_a_bar() -> None:
    level = stop(3_000.0, EQUITY, 100.0)
    assert ride(crash(99.0, 98.0, low=level + 0.01), 3.0, None, trades=False).liquidated is None
    found = ride(crash(99.0, 98.0, low=level - 0.01), 3.0, None, trades=False)
    assert found.liquidated == START + timedelta(hours=WARM_UP + 2)
    assert found.equity[-1] == 0.0


def test_the_ladder_sells_pays_and_ends_when_it_has_latched() -> None:
    found = ride(crash(97.0, 94.0, 91.0, 88.0, 85.0, 60.0, 40.0), 3.0, Breakers())
    assert found.liquidated is None
    assert found.tier[-1] == 4
    assert found.tier == sorted(found.tier)
    assert [change[4] for change in found.changes][-1] == "drawdown"
    assert found.leverage[-1] == 0.0
    assert found.traded > 0.0
    assert len(found.equity) < 9, "it does not ride on when everything is closed"
    # Latched at 88, 36 % down; sold at the next open, which is that close.
    sold = 3_000.0 * 88.0
    assert found.traded == pytest.approx(sold)
    assert found.equity[-1] == pytest.approx(EQUITY - 3_000.0 * 12.0 - COST * sold)


@pytest.mark.skipif(not (breakers.DATA / breakers.CRASHES).exists(), reason="no hourly prices beside the repository")
def test_in_march_2020_the_ladder_keeps_what_holding_loses() -> None:
    (found,) = [crash for crash in breakers.crashes(["BTC"]) if crash.name == "March 2020"]
    held, guarded = ride(found, 5.0, None, trades=False), ride(found, 5.0, Breakers())
    assert held.liquidated is not None
    assert guarded.liquidated is None
    assert guarded.equity[-1] > 0.5 * EQUITY
