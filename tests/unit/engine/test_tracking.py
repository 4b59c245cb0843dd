"""Calibration on the held book: reported always, applied from 126 bars on, never against a fault."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest
from pydantic import ValidationError

from app.usecases.decide import Door, Gathered, decide, render
from models.api.evaluation import EvaluationRequest
from services.engine.tracking import Tracking, tracking_figures
from services.volatility.calibration import PORTFOLIO_LARGEST, PORTFOLIO_SMALLEST
from tests.support import requests

TARGET = 0.20
RECEIVED = datetime(2026, 11, 20, 0, 0, 6, tzinfo=UTC)
OTHER = {"symbol": "OTHER", "kind": "linear", "quote_currency": "USD", "lot": "1"}


def answered(returns: list[float] | None, **changes: Any) -> dict[str, Any]:
    body = requests.smallest(portfolio_id="book", **changes)
    body["policy"] = {
        "sizing": {"method": "volatility_target", "target_volatility": TARGET},
        "buffer": {"method": "none"},
    }
    if returns is not None:
        body["tracking"] = {"interval": "P1D", "returns": returns}
    request = EvaluationRequest.model_validate(body)
    made = decide(Door.EVALUATIONS, request, b"{}", Gathered(), evaluation_id="ev_" + "0" * 32, received_at=RECEIVED)
    found: dict[str, Any] = orjson.loads(render(made, RECEIVED))
    return found


def record(bars: int, ratio: float) -> list[float]:
    """Returns of one size, whose realised volatility is `ratio` times the target."""
    return [ratio * TARGET / math.sqrt(365.0) * (-1) ** bar for bar in range(bars)]


@pytest.mark.parametrize(("ratio", "factor"), [(1.2, PORTFOLIO_LARGEST), (0.8, PORTFOLIO_SMALLEST), (1.0, 1.0)])
def test_the_size_is_divided_by_the_factor(ratio: float, factor: float) -> None:
    plain, tracked = answered(None), answered(record(400, ratio))
    before, after = (float(found["targets"][0]["weight"]) for found in (plain, tracked))
    assert after == pytest.approx(before / factor, rel=2e-3)  # lots
    figures = tracked["portfolio"]["tracking"]
    assert figures["bars"] == 400
    assert figures["realized_volatility"] == pytest.approx(ratio * TARGET, rel=1e-7)
    assert figures["error"] == pytest.approx(ratio - 1.0, abs=1e-7)
    assert figures["factor"] == pytest.approx(factor, abs=1e-7)
    stages = [step["stage"] for step in tracked["targets"][0]["steps"]]
    assert ("tracking" in stages) == (factor != 1.0)
    assert "tracking" not in plain["portfolio"]


def test_below_126_bars_it_is_only_reported() -> None:
    found = answered(record(125, 1.5))
    assert found["portfolio"]["tracking"]["factor"] == 1.0
    assert found["targets"][0]["target_quantity"] == answered(None)["targets"][0]["target_quantity"]


def test_a_fault_keeps_the_record_from_scaling_up() -> None:
    """A market that cannot be sized leaves its share unused; a book that ran below its target does not fill it."""
    broken = [*requests.smallest()["signals"], {"symbol": "OTHER", "direction": 1}]
    described = [*requests.smallest().get("instruments", []), OTHER]
    plain = answered(None, signals=broken, instruments=described)
    low = answered(record(400, 0.8), signals=broken, instruments=described)
    high = answered(record(400, 1.2), signals=broken, instruments=described)
    sizes = [float(found["targets"][0]["target_quantity"]) for found in (plain, low, high)]
    assert sizes[1] == sizes[0]
    assert sizes[2] < sizes[0]


def test_a_record_needs_an_owner() -> None:
    body = requests.smallest()
    body["tracking"] = {"interval": "P1D", "returns": [0.0, 0.01]}
    with pytest.raises(ValidationError, match="portfolio_id"):
        EvaluationRequest.model_validate(body)


def test_figures_of_a_silent_book() -> None:
    figures = tracking_figures(Tracking(np.zeros(300), 365.0), TARGET)
    assert (figures.realized_volatility, figures.error, figures.factor) == (0.0, -1.0, PORTFOLIO_SMALLEST)
