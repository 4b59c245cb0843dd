"""Volatility target of a portfolio where the risk that it is scaled by is none."""

from __future__ import annotations

import numpy as np
import pytest

from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.columns import columns


def test_a_book_whose_risk_is_rounding_noise_is_not_scaled_by_it() -> None:
    """Two markets that move as one, long and short: at full directions the risks cancel to 1.4e-17 of the equity, and
    each stays at ``target · direction / (rows · volatility)``.
    """
    volatility, direction = np.array([0.6095693498571635, 0.31582937101109626]), np.array([1.0, -0.5])
    book = columns(volatility, np.ones((2, 2)), direction=direction)
    assert 0.0 < book.portfolio_volatility(0.1 * np.sign(direction) / volatility) < 1e-12
    found = VolatilityTarget(target_volatility=0.2).size_instruments(book, np.ones(2, dtype=bool))
    assert found.value.tolist() == pytest.approx((0.2 * direction / (2.0 * volatility)).tolist(), rel=1e-12)
