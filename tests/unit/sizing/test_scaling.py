"""Portfolio scaling by hand: to a volatility, to a leverage, never up on a fault."""

from __future__ import annotations

import numpy as np
import pytest

from services.sizing.scaling import NoScaling, ToLeverage, ToVolatility
from tests.support.overlays import columns

ALL = np.array([True, True])
BOOK = columns([0.0, 0.0], volatility=[0.3, 0.4])
"""30 and 40 contracts of it have, uncorrelated, a volatility of sqrt(0.09² + 0.16²)."""
RISK = (0.09**2 + 0.16**2) ** 0.5


def test_no_scaling_is_one() -> None:
    assert NoScaling().factor(BOOK, np.array([30.0, 40.0]), ALL) == 1.0
    assert NoScaling().alone(np.array([0.7]), BOOK).tolist() == [0.7]


def test_to_a_volatility() -> None:
    found = ToVolatility(target_volatility=0.2).factor(BOOK, np.array([30.0, 40.0]), ALL)
    assert found == pytest.approx(0.2 / RISK, rel=1e-12)
    full = ToVolatility(target_volatility=0.2).alone(np.array([9.0, 9.0]), BOOK)
    assert full.tolist() == pytest.approx([0.2 / 0.3, 0.5])


def test_a_cap_only_scales_down() -> None:
    low, high = (ToVolatility(target_volatility=target, mode="cap") for target in (0.05, 0.5))
    assert low.factor(BOOK, np.array([30.0, 40.0]), ALL) == pytest.approx(0.05 / RISK)
    assert high.factor(BOOK, np.array([30.0, 40.0]), ALL) == 1.0
    assert high.alone(np.array([0.1, 9.0]), BOOK).tolist() == pytest.approx([0.1, 1.25])


def test_what_is_not_resized_is_part_of_the_book() -> None:
    """20 contracts that stay have 0.06; the other row may have sqrt(0.1² − 0.06²) = 0.08."""
    book = columns([20.0, 0.0], volatility=[0.3, 0.4])
    found = ToVolatility(target_volatility=0.1).factor(book, np.array([20.0, 40.0]), np.array([False, True]))
    assert found == pytest.approx(0.08 / 0.16)


def test_to_a_leverage() -> None:
    assert ToLeverage(leverage=1.4).factor(BOOK, np.array([30.0, -40.0]), ALL) == pytest.approx(2.0)
    assert ToLeverage(leverage=1.4).alone(np.array([9.0]), BOOK).tolist() == [1.4]


@pytest.mark.parametrize("scaling", [ToVolatility(target_volatility=3.0), ToLeverage(leverage=50.0)])
@pytest.mark.parametrize("fault", [{"risk_complete": False}, {"sizable": [True, False]}])
def test_nothing_is_scaled_up_on_a_fault(scaling: ToVolatility | ToLeverage, fault: dict[str, object]) -> None:
    book = columns([0.0, 0.0], volatility=[0.3, 0.4], **fault)
    resized = book.sizable
    assert scaling.factor(BOOK, np.array([30.0, 40.0]), ALL) > 1.0
    assert scaling.factor(book, np.array([30.0, 40.0]), resized) == 1.0


@pytest.mark.parametrize("scaling", [ToVolatility(target_volatility=0.2), ToLeverage(leverage=1.0)])
def test_an_empty_book_stays_as_it_is(scaling: ToVolatility | ToLeverage) -> None:
    assert scaling.factor(BOOK, np.zeros(2), ALL) == 1.0
