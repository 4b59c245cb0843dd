"""Exact neutralisation: every Greek at zero, whatever the units."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.hedging.neutral import neutral_trades


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_every_greek_is_zero_after_the_trades(size: int) -> None:
    rng = np.random.default_rng(size)
    greeks = rng.normal(size=(size, size)) * (10.0 ** rng.uniform(-6, 6, (size, 1)))
    book = rng.normal(size=size) * np.abs(greeks).max(axis=1)
    trades = neutral_trades(book, greeks)
    assert np.abs(book + greeks @ trades) / np.abs(greeks).max(axis=1) == pytest.approx(np.zeros(size), abs=1e-9)


@pytest.mark.parametrize(
    ("book", "greeks", "message"),
    [
        ([1.0, 2.0], [[1.0, 2.0]], "one row and one column"),
        ([1.0, 2.0], [[1.0, 2.0], [2.0, 4.0]], "copies of one another"),
        ([1.0, 2.0], [[1.0, 1.0], [0.0, 0.0]], "no row and no column of zeros"),
        ([1.0, float("nan")], [[1.0, 0.0], [0.0, 1.0]], "must be finite"),
    ],
)
def test_what_has_no_single_answer_is_refused(book: list[float], greeks: list[list[float]], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        neutral_trades(book, greeks)
