"""Methods with memory on the wire: answers fit their model, `state` goes back as `previous`, records replay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest

from app.translate.control import control_of
from app.translate.state_record import decode_state
from app.usecases.call import Door
from app.usecases.decide import Decision, Gathered, decide, render, state_record
from app.usecases.evaluate_portfolio import REQUEST_MODELS, splice
from models.api.control import PreviousIn
from models.api.evaluation import EvaluationResponse
from services.core.errors import InvalidInput
from tests.support import requests

RECEIVED = datetime(2026, 11, 20, 0, 0, 6, tzinfo=UTC)
INSURED = {"method": "portfolio_insurance", "protection": 0.8}
METHODS: list[dict[str, Any]] = [
    INSURED,
    {**INSURED, "floor": "growing", "growth_rate": 0.04, "multiplier": 2, "worst_loss": 0.3},
    {"method": "drawdown_control", "max_drawdown": 0.25},
    {"method": "risk_constrained_kelly", "max_drawdown": 0.3, "drawdown_probability": 0.05},
    {"method": "historical_risk_constrained_kelly", "max_drawdown": 0.3, "drawdown_probability": 0.05},
    {"method": "inventory_skew", "target_weight": 0.6, "half_range": 0.2},
    {"method": "volatility_rebalancing", "weight": 0.5},
    {"method": "margin_linked"},
]


def body(sizing: dict[str, Any], **changes: Any) -> dict[str, Any]:
    signals = [{"symbol": "BTC-PERP", "direction": 1, "expected_return": 0.2}]
    return requests.smallest(signals=signals, policy={"sizing": sizing, "buffer": {"method": "none"}}, **changes)


def decision(sent: dict[str, Any], gathered: Gathered | None = None) -> Decision:
    raw = orjson.dumps(sent)
    request = REQUEST_MODELS[Door.EVALUATIONS].model_validate(orjson.loads(raw))
    found = gathered or Gathered()
    return decide(Door.EVALUATIONS, request, raw, found, evaluation_id="ev_" + "0" * 32, received_at=RECEIVED)


def answer(sent: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(render(decision(sent), RECEIVED))
    return found


@pytest.mark.parametrize("sizing", METHODS, ids=lambda sizing: sizing["method"])
def test_answers_fit_their_model_and_replay(sizing: dict[str, Any]) -> None:
    sent = body(sizing)
    made = decision(sent)
    bytes_of = render(made, RECEIVED)
    fitted = EvaluationResponse.model_validate_json(splice(bytes_of, 7))
    assert fitted.targets[0].status in ("ok", "limited")
    recorded = decode_state(state_record(made, Gathered()))
    again = decision(sent, Gathered(recorded.registered, recorded.states, recorded.correlation))
    assert render(again, RECEIVED) == bytes_of


@pytest.mark.parametrize(
    ("sizing", "horizon"),
    [(METHODS[0], "year"), (METHODS[2], "year"), (METHODS[3], "ever"), (METHODS[4], "ever")],
    ids=lambda value: value["method"] if isinstance(value, dict) else value,
)
def test_survival_is_in_the_answer(sizing: dict[str, Any], horizon: str) -> None:
    survival = answer(body(sizing))["portfolio"]["survival"]
    assert (survival["method"], survival["horizon"]) == (sizing["method"], horizon)
    assert 0.0 <= survival["probability_of_drawdown"] <= 0.0501


def test_other_methods_have_no_survival_and_no_quotes() -> None:
    found = answer(requests.smallest())
    assert "survival" not in found["portfolio"]
    assert "quote_skew" not in found["targets"][0]


def test_quotes_and_legs_are_in_the_answer() -> None:
    skewed = answer(body(METHODS[5]))["targets"][0]["quote_skew"]
    assert skewed["bid"] + skewed["ask"] == pytest.approx(2.0)
    assert "stable leg" in answer(body(METHODS[6]))["targets"][0]["detail"]


def test_state_goes_back_as_previous() -> None:
    """100,000; then 130,000 of which 10,000 were paid in; then 90,000. Mark and floor follow, to the digit."""
    first = answer(body(INSURED))
    assert first["state"]["high_water_mark"] == "100000"
    assert first["state"]["floor"] == "80000"
    account = {"equity": "130000", "currency": "USD", "net_deposits": "10000"}
    second = answer(body(INSURED, account=account, previous=first["state"]))
    assert second["state"]["initial_capital"] == "110000"
    assert second["state"]["high_water_mark"] == "130000"
    assert second["state"]["floor"] == "104000"
    assert second["state"]["net_deposits"] == "10000"
    fallen = {**account, "equity": "90000"}
    third = answer(body(INSURED, account=fallen, previous=second["state"]))
    assert third["state"]["floor"] == "104000"
    assert third["targets"][0]["target_quantity"] == "0"
    assert third["targets"][0]["detail"].startswith("cash_locked")
    assert third["state"] == answer(body(INSURED, account=fallen, previous=third["state"]))["state"]


def test_a_floor_is_forgotten_without_its_state() -> None:
    account = {"equity": "90000", "currency": "USD"}
    assert answer(body(INSURED, account=account))["state"]["floor"] == "72000"


@pytest.mark.parametrize("seed", range(20))
def test_amounts_survive_the_wire(seed: int) -> None:
    """An answer's state, read back, is the state that it was written from, to twelve significant digits."""
    equity = float(np.random.default_rng(seed).lognormal(8.0, 4.0))
    sizing = {**METHODS[1], "growth_rate": 0.0371}
    account = {"equity": f"{equity:.8f}", "currency": "USD", "net_deposits": "0"}
    before = {"initial_capital": f"{equity:.8f}", "floor": f"{equity / 3:.8f}", "as_of": "2026-01-01T00:00:00Z"}
    made = decision(body(sizing, account=account, previous=before))
    kept = made.result.control
    state = orjson.loads(render(made, RECEIVED))["state"]
    back = control_of(PreviousIn.model_validate(state))
    assert kept is not None and back is not None
    assert back.floor == pytest.approx(kept.floor, rel=1e-11)
    assert back.high_water_mark == pytest.approx(kept.high_water_mark, rel=1e-11)
    assert (back.as_of, back.rows.keys()) == (kept.as_of, kept.rows.keys())


@pytest.mark.parametrize(
    ("block", "value"),
    [
        ("scaling", {"method": "volatility", "target_volatility": 0.2}),
        ("scaling", {"method": "leverage", "leverage": 2}),
        ("capital", {"method": "fixed", "capital": 1000000}),
    ],
)
def test_a_policy_that_could_raise_a_bound_is_refused(block: str, value: dict[str, Any]) -> None:
    sent = body(INSURED)
    sent["policy"][block] = value
    with pytest.raises(InvalidInput, match="must not raise"):
        decision(sent)


def test_parameters_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(InvalidInput, match="or else account_volatility"):
        decision(body({"method": "volatility_rebalancing"}))
