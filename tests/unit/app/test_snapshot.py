"""Rows, markets and conversions of a request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from app.translate.instruments import by_key
from app.translate.snapshot import Snapshot, describe_instruments, states_needed, translate
from models.api.evaluation import EvaluationRequest
from services.core.errors import InvalidInput
from services.core.outcome import Reason
from tests.support.requests import smallest

NOW = datetime(2026, 11, 20, 0, 0, 6, tzinfo=UTC)


def request(**changes: Any) -> EvaluationRequest:
    return EvaluationRequest.model_validate(smallest(**{"series": [], **changes}))


def snapshot(asked: EvaluationRequest, hedge_symbol: str | None = None) -> Snapshot:
    described = describe_instruments(asked, {})
    return translate(asked, described=described, states={}, received_at=NOW, hedge_symbol=hedge_symbol)


def test_a_quanto_is_converted_from_its_settlement_currency() -> None:
    """One contract pays 1e-6 BTC per dollar: at 90,000 a bitcoin its notional is 0.09 × price, not 1e-6 × price."""
    quanto = {
        "symbol": "ETHUSD",
        "kind": "quanto",
        "contract_multiplier": "0.000001",
        "quote_currency": "USD",
        "settle_currency": "BTC",
    }
    position = {"symbol": "ETHUSD", "quantity": "1", "mark_price": "3000"}
    with_rate = snapshot(request(instruments=[quanto], positions=[position], fx=[{"currency": "BTC", "rate": "90000"}]))
    row = with_rate.rows[0]
    assert row.fx is not None
    assert row.instrument.notional_per_contract(3000.0) * row.fx == pytest.approx(0.000001 * 3000.0 * 90_000.0)
    assert snapshot(request(instruments=[quanto], positions=[position])).rows[0].problem is Reason.FX_REQUIRED


def test_a_signal_for_another_venue_gets_a_row_of_its_own() -> None:
    position = {"symbol": "X", "quantity": "1", "mark_price": "100", "venue": "okx"}
    signal = {"symbol": "X", "direction": 1, "venue": "binance"}
    rows = snapshot(request(positions=[position], signals=[signal])).rows
    assert [(row.venue, row.signal is not None) for row in rows] == [("okx", False), ("binance", True)]


def test_each_venue_has_a_state_of_its_own() -> None:
    positions = [{"symbol": "X", "quantity": "1", "mark_price": "100", "venue": venue} for venue in ("okx", "binance")]
    needs = states_needed(request(positions=positions, signals=None), {})
    assert [(need.symbol, need.venue) for need in needs] == [("X", "okx"), ("X", "binance")]
    assert len({need.market_key for need in needs}) == 2


def test_the_hedge_instrument_is_a_row_and_needs_its_market() -> None:
    asked = request(positions=[{"symbol": "X", "quantity": "1", "mark_price": "100"}], signals=None)
    assert [row.symbol for row in snapshot(asked, "PERP").rows] == ["X", "PERP"]
    assert [need.symbol for need in states_needed(asked, by_key([]), "PERP")] == ["X", "PERP"]


@pytest.mark.parametrize("block", ["marks", "signals"])
def test_what_comes_from_the_future_is_refused(block: str) -> None:
    rows = {"marks": [{"symbol": "X", "price": "1"}], "signals": [{"symbol": "X", "direction": 1}]}
    late = [{**row, "as_of": "2027-01-01T00:00:00Z"} for row in rows[block]]
    with pytest.raises(InvalidInput, match=rf"{block}\.0\.as_of must not lie after as_of"):
        snapshot(request(**{block: late}))
