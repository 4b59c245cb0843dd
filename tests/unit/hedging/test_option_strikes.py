"""Strikes of deltas and volatilities of prices, against QuantLib and back."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
import QuantLib

from services.core.errors import InvalidInput
from services.hedging.option_quotes import OptionFees, whole_lots
from services.hedging.option_strikes import away_from_spot, strike_at_delta


@pytest.mark.parametrize("right", [1, -1])
@pytest.mark.parametrize("delta", [0.01, 0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("total", [0.02, 0.083, 0.6])
def test_the_strike_is_that_of_quantlib(right: int, delta: float, total: float) -> None:
    side = QuantLib.Option.Call if right > 0 else QuantLib.Option.Put
    theirs = QuantLib.BlackDeltaCalculator(side, QuantLib.DeltaVolQuote.Fwd, 60_000.0, 1.0, 1.0, total)
    ours = float(strike_at_delta(60_000.0, 0.25, 2.0 * total, right, delta))
    assert ours == pytest.approx(theirs.strikeFromDelta(right * delta), rel=1e-9)


def test_the_strike_moves_away_as_the_delta_falls() -> None:
    deltas = np.linspace(0.01, 0.99, 99)
    calls, puts = (strike_at_delta(100.0, 0.1, 0.8, right, deltas) for right in (1, -1))
    assert (np.diff(calls) < 0.0).all() and (np.diff(puts) > 0.0).all()


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("forward", (0.0, 0.1, 0.5, 1, 0.1)),
        ("time_to_expiry", (1.0, 0.0, 0.5, 1, 0.1)),
        ("volatility", (1.0, 0.1, np.nan, 1, 0.1)),
        ("delta", (1.0, 0.1, 0.5, 1, 1.0)),
    ],
)
def test_what_has_no_strike_is_refused(name: str, terms: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput, match=name):
        strike_at_delta(*terms)


@pytest.mark.parametrize(
    ("strike", "step", "right", "found"),
    [
        (66_972.49, "1000", 1, "67000"),
        (66_972.49, "1000", -1, "66000"),
        (67_000.0, "1000", 1, "67000"),
        (67_000.0, "1000", -1, "67000"),
        (0.4, "1000", -1, "1000"),
        (123.456, None, 1, "123.456"),
    ],
)
def test_strikes_are_rounded_away_from_the_spot(strike: float, step: str | None, right: int, found: str) -> None:
    assert away_from_spot(strike, None if step is None else Decimal(step), right) == Decimal(found)


def test_fees_are_capped_by_the_premium() -> None:
    fees = OptionFees(rate=0.0003, cap=0.125)
    assert fees.per_unit(Decimal("0.01"), Decimal(60_000), coin_settled=True) == Decimal("0.0003")
    assert fees.per_unit(Decimal("0.0008"), Decimal(60_000), coin_settled=True) == Decimal("0.0001")
    assert fees.per_unit(Decimal(600), Decimal(60_000), coin_settled=False) == Decimal(18)
    assert OptionFees(share=0.1).per_unit(Decimal(600), Decimal(60_000), coin_settled=False) == Decimal(60)
    with pytest.raises(InvalidInput, match=r"fees\.cap"):
        OptionFees(cap=1.5)


def test_lots_are_exact() -> None:
    assert [whole_lots(Decimal(text), Decimal("0.1")) for text in ("0.3", "0.29999999999999999999", "0", "-1")] == [
        3, 2, 0, 0,
    ]  # fmt: skip
