"""Forecasts into positions: Carver's chain by hand, and the combination of rules."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.engine import Policy, evaluate
from services.sizing.buffers import NoBuffer
from services.sizing.diversification import combined_forecast
from services.sizing.methods.signal_scaled import SignalScaled
from tests.support.books import OPEN, inputs, row
from tests.support.columns import columns
from tests.support.sizing import everything


def test_by_hand() -> None:
    """Two uncorrelated markets, σ .4 and .2, forecasts 20 and −5: τ/σ · 1/2 · √2 · f/10."""
    book = columns([0.4, 0.2], np.eye(2), direction=np.array([2.0, -0.5]))
    found = SignalScaled(target_volatility=0.2).size_instruments(book, everything(book)).value
    assert found == pytest.approx([0.5 * 0.5 * 2**0.5 * 2.0, -1.0 * 0.5 * 2**0.5 * 0.5])


def test_weak_forecasts_leave_the_book_below_its_target() -> None:
    """Half the forecasts, half the risk: nothing scales them up."""
    full = columns([0.4, 0.4], np.eye(2))
    half = columns([0.4, 0.4], np.eye(2), direction=np.full(2, 0.5))
    method = SignalScaled(target_volatility=0.2)
    risk = [book.portfolio_volatility(method.size_instruments(book, everything(book)).value) for book in (full, half)]
    assert risk == pytest.approx([0.2, 0.1])


def test_diversification_is_capped_and_off_where_a_member_is_missing() -> None:
    book = columns([0.4] * 9, np.eye(9))
    sizes = [
        SignalScaled(target_volatility=0.2, **cap).size_instruments(book, everything(book)).value[0]
        for cap in ({"max_diversification": 1.0}, {}, {"max_diversification": 5.0})
    ]
    assert sizes == pytest.approx([0.5 / 9, 0.5 / 9 * 2.5, 0.5 / 9 * 3.0])
    sizable = np.arange(9) > 0
    blind = columns([0.4] * 9, np.eye(9), sizable=sizable)
    assert SignalScaled(target_volatility=0.2).size_instruments(blind, sizable).value[1] == pytest.approx(0.5 / 9)


def test_an_instrument_weight_of_ones_own() -> None:
    """A tenth of a larger portfolio: .1 · .2/.4 of 10,000 at 100."""
    policy = Policy(sizing=SignalScaled(target_volatility=0.2, instrument_weight=0.1), limits=OPEN, buffer=NoBuffer())
    assert evaluate(inputs(row(direction=1.0), policy=policy)).targets[0].target == 5


def test_rules_are_combined_by_weight_and_capped() -> None:
    """pysystemtrade: weights .5, .3, .2 on forecasts 10, −10, 20, FDM 1.3: 1.3 · (5 − 3 + 4) = 7.8."""
    weights = np.array([0.5, 0.3, 0.2])
    assert combined_forecast(np.array([10.0, -10.0, 20.0]), weights, 1.3) == pytest.approx(7.8)
    assert combined_forecast(np.array([10.0, -10.0, 20.0]), 7.0 * weights, 1.3) == pytest.approx(7.8)
    assert combined_forecast(np.array([50.0, 50.0, 50.0]), weights, 2.0) == 20.0
    assert combined_forecast(np.array([-50.0, -50.0, -50.0]), weights, 2.0) == -20.0


@pytest.mark.parametrize("weights", [[0.0, 0.0], [-1.0, 2.0]])
def test_weights_that_are_none_are_refused(weights: list[float]) -> None:
    with pytest.raises(InvalidInput, match="weights"):
        combined_forecast(np.array([10.0, 10.0]), np.array(weights))
