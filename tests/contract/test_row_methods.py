"""Methods that size each row alone, on the wire: answers fit their model, explain themselves and replay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest
from pydantic import ValidationError

from app.translate.state_record import decode_state
from app.usecases.call import Door
from app.usecases.decide import Decision, Gathered, decide, render, state_record
from app.usecases.evaluate_portfolio import REQUEST_MODELS, splice
from models.api.evaluation import EvaluationResponse
from services.core.errors import InvalidInput
from tests.support import requests

RECEIVED = datetime(2026, 11, 20, 0, 0, 6, tzinfo=UTC)
PRICE = requests.closes()[-1]
SIGNAL: dict[str, Any] = {
    "symbol": "BTC-PERP",
    "direction": 1,
    "stop_price": f"{0.9 * PRICE:.2f}",
    "average_true_range": f"{0.03 * PRICE:.2f}",
    "expected_return": 0.6,
    "win_probability": 0.55,
    "win_loss_ratio": 1.4,
    "trades": 400,
}
METHODS: list[dict[str, Any]] = [
    {"method": "risk_budget", "budget": 1_000},
    {"method": "risk_budget", "budget_fraction": 0.01, "distribution": "student_t", "confidence": 0.975},
    {"method": "average_true_range", "max_units": 4},
    {"method": "fixed_risk", "slippage": 0.002},
    {"method": "discrete_kelly", "max_volatility": 0.3, "loss": 0.1},
    {"method": "continuous_kelly", "max_volatility": 0.3, "shrink": False},
    {"method": "multi_asset_kelly", "max_volatility": 0.3, "observations": 20_000},
    {"method": "value_at_risk", "value_at_risk": 0.03, "expected_shortfall": 0.03},
    {"method": "value_at_risk", "value_at_risk": 0.03, "distribution": "historical"},
    {"method": "value_at_risk", "value_at_risk": 0.03, "distribution": "cornish_fisher", "horizon_days": 5},
]
METHOD = pytest.mark.parametrize("sizing", METHODS, ids=lambda sizing: "-".join(map(str, sizing.values())))


def body(sizing: dict[str, Any], **signal: Any) -> dict[str, Any]:
    sent = {name: value for name, value in {**SIGNAL, **signal}.items() if value is not None}
    return requests.smallest(signals=[sent], policy={"sizing": sizing, "buffer": {"method": "none"}})


def decision(sent: dict[str, Any], gathered: Gathered | None = None) -> Decision:
    raw = orjson.dumps(sent)
    request = REQUEST_MODELS[Door.EVALUATIONS].model_validate(orjson.loads(raw))
    found = gathered or Gathered()
    return decide(Door.EVALUATIONS, request, raw, found, evaluation_id="ev_" + "0" * 32, received_at=RECEIVED)


def target(sent: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(render(decision(sent), RECEIVED))["targets"][0]
    return found


@METHOD
def test_answers_fit_their_model_and_replay(sizing: dict[str, Any]) -> None:
    sent = body(sizing)
    made = decision(sent)
    written = render(made, RECEIVED)
    fitted = EvaluationResponse.model_validate_json(splice(written, 7))
    assert fitted.targets[0].status in ("ok", "limited")
    assert float(fitted.targets[0].target_quantity or 0) > 0.0
    recorded = decode_state(state_record(made, Gathered()))
    again = decision(sent, Gathered(recorded.registered, recorded.states, recorded.correlation))
    assert render(again, RECEIVED) == written


@METHOD
def test_the_product_of_the_steps_is_the_size(sizing: dict[str, Any]) -> None:
    steps = target(body(sizing))["steps"]
    chain = [step for step in steps if step.get("factor") is not None]
    product = float(np.prod([step["factor"] for step in chain]))
    assert float(chain[0]["in"]) * product == pytest.approx(float(chain[-1]["out"]), rel=1e-6)


@pytest.mark.parametrize(
    ("sizing", "missing", "said"),
    [
        (METHODS[2], "average_true_range", "average_true_range"),
        (METHODS[3], "stop_price", "signals[].stop_price"),
        (METHODS[5], "expected_return", "signals[].expected_return"),
    ],
)
def test_a_missing_figure_is_named_and_refused(sizing: dict[str, Any], missing: str, said: str) -> None:
    found = target(body(sizing, **{missing: None}))
    assert (found["status"], found["reason"], found["target_quantity"]) == ("refused", "data_required", None)
    assert said in found["detail"]


def test_kelly_tells_of_survival() -> None:
    answer = orjson.loads(render(decision(body(METHODS[5])), RECEIVED))
    survival = answer["portfolio"]["survival"]
    assert (survival["method"], survival["horizon"]) == ("continuous_kelly", "ever")
    assert 0.0 < survival["probability_of_drawdown"] <= 0.0079
    assert 0.0 < survival["growth_share"] <= 0.4376


def test_a_budget_of_nothing_closes() -> None:
    found = target(body({"method": "risk_budget", "budget": 0}))
    assert (found["status"], found["action"], found["target_quantity"]) == ("ok", "close", "0")
    short = target(body({"method": "risk_budget", "budget": 0}, direction=-1))
    assert short["target_quantity"] == "0"


@pytest.mark.parametrize(
    ("sizing", "said"),
    [
        ({"method": "risk_budget"}, "budget_fraction must be given"),
        ({"method": "value_at_risk"}, "or expected_shortfall must be given"),
        ({"method": "continuous_kelly", "max_volatility": 0.3, "fraction": 0.9}, "or forced set"),
        ({"method": "discrete_kelly"}, "max_volatility"),
        ({"method": "average_true_range", "risk_fraction": 2}, "less than or equal to 0.5"),
    ],
)
def test_wrong_parameters_are_named(sizing: dict[str, Any], said: str) -> None:
    with pytest.raises((ValidationError, InvalidInput)) as caught:
        decision(body(sizing))
    assert said in str(caught.value)
