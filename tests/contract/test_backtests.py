"""Back-tests over the wire: the answer fits its model, agrees with the engine, and wrong requests are told so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from app.examples import BACKTEST
from app.usecases.run_backtest import report
from models.api.backtest import BacktestAnswer, BacktestRequest
from services.core.errors import InvalidInput

RECEIVED = datetime(2026, 11, 20, 0, 0, 6, tzinfo=UTC)


def answered(**changes: Any) -> BacktestAnswer:
    request = BacktestRequest.model_validate(BACKTEST | changes)
    return BacktestAnswer.model_validate(report(request, RECEIVED))


def test_the_policy_comes_first_and_its_baselines_after() -> None:
    found = answered()
    assert [item.strategy for item in found.strategies] == ["policy", "constant_leverage", "fixed_weights", "calendar"]
    assert found.bars == 60 and found.symbols == ["BTC-PERP"]
    assert found.last_targets[0].steps is not None
    assert len(answered(baselines=False).strategies) == 1


def test_a_path_has_the_first_decision_and_the_last_close() -> None:
    found = answered(points=7).strategies[0].path
    assert len(found) == 7
    assert found[0].close_time == answered().first_decision
    assert found[-1].close_time == datetime(2019, 10, 17, tzinfo=UTC)
    assert answered(points=0).strategies[0].path == []


def test_progress_counts_the_bars_of_all_strategies() -> None:
    told: list[int] = []
    report(BacktestRequest.model_validate(BACKTEST), RECEIVED, told.append)
    assert told == list(range(1, 4 * 60 + 1))


def test_funding_by_year_and_by_bar_agree() -> None:
    rates = [0.1 / 365.0] * 60
    by_bar = answered(funding=[{"symbol": "BTC-PERP", "rates": rates}])
    by_year = answered(funding=[{"symbol": "BTC-PERP", "annual_rate": 0.1}])
    assert by_bar.strategies[0].performance.carry == pytest.approx(by_year.strategies[0].performance.carry, rel=1e-6)
    assert by_year.strategies[0].performance.carry > 0.0


def test_equal_weights_capture_themselves() -> None:
    """Constant leverage 1, no costs, no buffer: what the market did."""
    policy = {
        "sizing": {"method": "constant_leverage"},
        "buffer": {"method": "none"},
        "limits": {"min_liquidation_distance": 0, "max_margin_use": 1},
        "costs": {"fee": 0, "half_spread": 0, "impact_coefficient": 0},
    }
    found = answered(policy=policy, funding=[]).strategies[0].performance
    assert found.upside_capture == pytest.approx(1.0, abs=1e-3)
    assert found.downside_capture == pytest.approx(1.0, abs=1e-3)
    closes = np.array(BACKTEST["series"][0]["close"], dtype=float)
    assert found.total_return == pytest.approx(closes[-1] / closes[30] - 1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"signals": [{"symbol": "ELSE", "direction": 1}]}, "must be for symbols with a series"),
        ({"signals": [{"symbol": "BTC-PERP", "directions": [1, 0]}]}, "one value for each of its 60 bars"),
        ({"funding": [{"symbol": "BTC-PERP", "rates": [0.0]}]}, "one value for each of its 60 bars"),
        ({"warm_up_bars": 59}, "at least 61 bars"),
        ({"account": {"equity": "1", "currency": "EUR"}}, "must hold a rate for every quote currency"),
        ({"instruments": [], "series": [{**BACKTEST["series"][0], "symbol": "BTC-PERPETUAL"}],
          "signals": [{"symbol": "BTC-PERPETUAL", "direction": 1}]}, "must describe symbols"),
    ],
)  # fmt: skip
def test_a_request_that_contradicts_itself_is_told_so(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        answered(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"signals": [{"symbol": "BTC-PERP"}]},
        {"signals": [{"symbol": "BTC-PERP", "direction": 1, "directions": [1]}]},
        {"signals": [{"symbol": "BTC-PERP", "direction": 1}] * 2},
        {"lag_bars": 0},
        {"points": 2_001},
        {"series": [{**BACKTEST["series"][0], "close": [1.0] * 5_001}]},
        {"funding": [{"symbol": "BTC-PERP"}]},
    ],
)
def test_shapes_are_checked(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BacktestRequest.model_validate(BACKTEST | changes)
