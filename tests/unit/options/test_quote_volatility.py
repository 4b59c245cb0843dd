"""Volatilities of quotes: which price is used, and the reason where none is."""

from __future__ import annotations

import numpy as np
import pytest

from services.options.black import black_price
from services.options.implied_volatility import ImpliedVolatilityStatus as Status
from services.options.quote_volatility import QuoteReason, QuoteSource, quote_volatilities

NAN = float("nan")


@pytest.mark.parametrize(
    ("bid", "ask", "mark", "source", "reason"),
    [
        (9.5, 10.5, 10.1, QuoteSource.MARK, QuoteReason.NONE),
        (9.5, 10.5, 9.5, QuoteSource.MARK, QuoteReason.NONE),
        (9.5, 10.5, 10.6, QuoteSource.MID, QuoteReason.NONE),
        (9.5, 10.5, NAN, QuoteSource.MID, QuoteReason.NONE),
        (NAN, NAN, 10.1, QuoteSource.MARK, QuoteReason.NONE),
        (10.0, 10.0, NAN, QuoteSource.MID, QuoteReason.NONE),
        (10.5, 9.5, 10.0, QuoteSource.NONE, QuoteReason.CROSSED),
        (0.0, 9.5, 5.0, QuoteSource.NONE, QuoteReason.ZERO_BID),
        (-1.0, 9.5, 5.0, QuoteSource.NONE, QuoteReason.ZERO_BID),
        (9.5, NAN, 9.6, QuoteSource.NONE, QuoteReason.ONE_SIDED),
        (NAN, 9.5, NAN, QuoteSource.NONE, QuoteReason.ONE_SIDED),
        (NAN, NAN, NAN, QuoteSource.NONE, QuoteReason.MISSING),
        (99.0, 130.0, NAN, QuoteSource.NONE, QuoteReason.NOT_INVERTIBLE),
        (float("inf"), float("-inf"), NAN, QuoteSource.NONE, QuoteReason.MISSING),
    ],
)
def test_the_mark_if_inside_else_the_mid_else_a_reason(
    bid: float, ask: float, mark: float, source: QuoteSource, reason: QuoteReason
) -> None:
    found = quote_volatilities(bid, ask, mark, 100.0, 100.0, 0.25, 1)
    assert (int(found.source), int(found.reason)) == (source, reason)
    price = {QuoteSource.MARK: mark, QuoteSource.MID: (bid + ask) / 2.0}.get(source)
    if price is None:
        assert float(found.used) == 0.0
    else:
        assert float(black_price(100.0, 100.0, 0.25, found.used, 1)) == pytest.approx(price, rel=1e-13)


def test_a_bid_below_intrinsic_has_volatility_zero_and_keeps_the_quote() -> None:
    found = quote_volatilities(19.0, 22.0, 20.8, 120.0, 100.0, 0.25, 1)
    assert (float(found.bid), int(found.bid_status)) == (0.0, Status.BELOW_INTRINSIC)
    assert int(found.reason) == QuoteReason.NONE
    assert 0.0 < float(found.mark) == float(found.used) < float(found.ask)


def test_each_side_is_inverted_and_ordered() -> None:
    strikes = np.linspace(80.0, 120.0, 9)
    fair = black_price(100.0, strikes, 0.5, 0.6, 1)
    found = quote_volatilities(fair - 0.2, fair + 0.3, fair, 100.0, strikes, 0.5, 1)
    assert (found.bid < found.mark).all()
    assert (found.mark < found.ask).all()
    np.testing.assert_allclose(found.used, 0.6, rtol=1e-12)


def test_an_expired_quote_says_so_beside_its_reason() -> None:
    found = quote_volatilities([9.5, 9.5], [10.5, 10.5], [NAN, NAN], 100.0, 100.0, [0.5, 0.0], 1)
    assert found.reason.tolist() == [QuoteReason.NONE, QuoteReason.NOT_INVERTIBLE]
    assert found.used_status.tolist() == [Status.OK, Status.EXPIRED]
    assert np.isfinite(found.used).all()
