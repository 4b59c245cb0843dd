"""Every answer fits its response model, and every recorded answer can be recomputed from its record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest
from pydantic import ValidationError

from app.translate.instruments import by_key
from app.translate.state_record import ForeignRecord, decode_state
from app.usecases.call import Door
from app.usecases.decide import AssumptionsRefused, Decision, Gathered, decide, render, state_record
from app.usecases.evaluate_portfolio import REQUEST_MODELS, splice
from app.usecases.read_scalar import scalar_response
from models.api.evaluation import EvaluationResponse, HedgesResponse, MarginResponse, TargetsResponse
from models.api.market import InstrumentIn
from services.core.annualization import Calendar
from services.engine import StateInput
from services.risk.clock import Ring
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.forecast import forecast_series
from tests.support import requests

RECEIVED = datetime(2026, 11, 20, 0, 0, 6, 123456, tzinfo=UTC)
RESPONSES = {
    Door.EVALUATIONS: EvaluationResponse,
    Door.TARGETS: TargetsResponse,
    Door.MARGIN: MarginResponse,
    Door.HEDGES: HedgesResponse,
}
CASES: list[tuple[Door, dict[str, Any]]] = [
    (Door.EVALUATIONS, requests.smallest()),
    (Door.EVALUATIONS, requests.smallest(options={"view": "compact"})),
    (Door.EVALUATIONS, requests.smallest(options={"explain": False})),
    (Door.EVALUATIONS, requests.book()),
    (Door.EVALUATIONS, requests.desk()),
    (Door.EVALUATIONS, requests.smallest(account={"equity": "0", "currency": "USD"})),
    (
        Door.EVALUATIONS,
        requests.smallest(
            account={"equity": "100000", "currency": "EUR"},
            positions=[{"symbol": "BTC/USDT", "quantity": "1"}],
            signals=None,
        ),
    ),
    (
        Door.EVALUATIONS,
        requests.smallest(
            as_of="2026-11-01T00:00:00Z", series=[requests.series("BTC-PERP", end="2026-11-01T00:00:00Z")]
        ),
    ),
    (Door.TARGETS, requests.desk()),
    (Door.MARGIN, requests.margin_only()),
    (Door.HEDGES, requests.hedge_only()),
]


def decision(door: Door, body: dict[str, Any], gathered: Gathered | None = None) -> Decision:
    raw = orjson.dumps(body)
    request = REQUEST_MODELS[door].model_validate(orjson.loads(raw))
    return decide(door, request, raw, gathered or Gathered(), evaluation_id="ev_" + "0" * 32, received_at=RECEIVED)


@pytest.mark.parametrize(("door", "body"), CASES)
def test_answers_fit_their_model(door: Door, body: dict[str, Any]) -> None:
    answer = splice(render(decision(door, body), RECEIVED), 7)
    fitted = RESPONSES[door].model_validate_json(answer)
    assert fitted.audit.index == 7
    again = orjson.loads(fitted.model_dump_json(by_alias=True, exclude_unset=True))
    assert again.keys() == orjson.loads(answer).keys()


def test_historical_answers_have_no_orders() -> None:
    answer = orjson.loads(render(decision(*CASES[7]), RECEIVED))
    assert (answer["mode"], answer["orders"]) == ("historical", [])
    assert answer["targets"][0]["target_quantity"] is not None


def test_no_number_of_an_answer_is_missing_silently() -> None:
    """orjson writes NaN as null: every null is one that the model allows by name."""
    allowed = {
        "data_as_of",
        "target_quantity",
        "order_quantity",
        "age_seconds",
        "initial",
        "maintenance",
        "rate_initial",
        "scope",
        "max_weight",
    }
    allowed |= {
        "sizing",
        "prior_volatility",
        "hedging",
        "forecast_volatility",
        "value_at_risk",
        "expected_shortfall",
        "gamma_1pct",
        "vega_per_point",
    }
    allowed |= {
        "theta_per_day",
        "diversification",
        "exposure_multiplier",
        "current_volatility",
        "max_quantity",
        "scalar",
    }

    allowed |= {"delta_before", "delta_after", "quantity"}  # a refused hedge
    allowed |= {"scaling", "window"}  # policy.margin.model: as its profile has them
    allowed |= {"of"}  # policy.guards: any number of sources
    allowed |= {"max_move", "max_gamma_drift", "max_vega_drift"}  # policy.hedging: one width, no limit on drift

    def nulls(value: Any, key: str = "") -> set[str]:
        if isinstance(value, dict):
            return {name for item, inner in value.items() for name in nulls(inner, item)}
        if isinstance(value, list):
            return {name for inner in value for name in nulls(inner, key)}
        return {key} if value is None else set()

    assert nulls(orjson.loads(render(decision(*CASES[4]), RECEIVED))) <= allowed


def cached() -> Gathered:
    """States of 20 markets, as a store would give them."""
    body = requests.book()
    states = {}
    for item in body["series"]:
        found = forecast_series(
            np.array(item["close"]),
            end=datetime(2026, 11, 20, tzinfo=UTC),
            bar_seconds=86_400,
            calendar=Calendar(),
            estimator=Adaptive(),
        )
        states[item["symbol"]] = StateInput(
            found.readout, Ring(found.readout.last_close_at, 86_400, found.standardized)
        )
    return Gathered(by_key([InstrumentIn(symbol="COIN3-PERP", kind="linear", lot="0.5", tick="0.01")]), states)


@pytest.mark.parametrize("view", ["full", "compact"])
def test_a_decision_on_cached_state_is_recomputed_from_its_record(view: str) -> None:
    body = requests.book(interval="P1D", options={"view": view})
    del body["series"]
    gathered = cached()
    made = decision(Door.EVALUATIONS, body, gathered)
    states, registered, correlation, *_ = decode_state(state_record(made, gathered))
    assert correlation is not None and correlation.matrix is not None
    again = decision(Door.EVALUATIONS, body, Gathered(registered, states, correlation))
    assert render(again, RECEIVED) == render(made, RECEIVED)


def test_series_and_cached_state_of_the_same_bars_give_the_same_targets() -> None:
    body = requests.book()
    posted = orjson.loads(render(decision(Door.EVALUATIONS, body), RECEIVED))
    del body["series"]
    gathered = cached()
    stated = orjson.loads(
        render(decision(Door.EVALUATIONS, {**body, "interval": "P1D"}, Gathered({}, gathered.states)), RECEIVED)
    )
    assert [row["target_quantity"] for row in posted["targets"]] == [
        row["target_quantity"] for row in stated["targets"]
    ]


def test_strict_refuses_what_would_be_assumed() -> None:
    with pytest.raises(AssumptionsRefused) as refused:
        decision(Door.EVALUATIONS, requests.smallest(options={"strict": True}))
    assert {item["pointer"] for item in refused.value.assumptions} == {"/instruments"}


def test_a_described_request_needs_no_assumption() -> None:
    described = {"symbol": "BTC-PERP", "kind": "linear", "quote_currency": "USD", "lot": "0.001"}
    body = requests.smallest(options={"strict": True}, instruments=[described])
    assert orjson.loads(render(decision(Door.EVALUATIONS, body), RECEIVED))["assumptions"] == []


def test_a_state_of_the_future_is_not_looked_into() -> None:
    """A decision of the past on a cached state: refused, whatever the state says today."""
    body = requests.book(interval="P1D", as_of="2020-01-01T00:00:00Z")
    del body["series"]
    answer = orjson.loads(render(decision(Door.EVALUATIONS, body, cached()), RECEIVED))
    assert {(row["status"], row["reason"]) for row in answer["targets"]} == {("refused", "volatility_unavailable")}
    assert "after as_of" in answer["targets"][0]["detail"]
    states = {"COIN0-PERP": cached().states["COIN0-PERP"]}
    pairs = "as_of=2020-01-01T00%3A00%3A00%2B00%3A00&interval=P1D&max_leverage=2.0&symbol=COIN0-PERP"
    scalar = orjson.loads(scalar_response(f"{pairs}&target_volatility=0.2&venue=", states, "ev_1", RECEIVED))
    assert (scalar["status"], scalar["scalar"], scalar["reason"]) == ("refused", None, "volatility_unavailable")


def test_a_record_of_another_build_is_named_as_such() -> None:
    body = requests.book(interval="P1D")
    del body["series"]
    gathered = cached()
    recorded = state_record(decision(Door.EVALUATIONS, body, gathered), gathered)
    assert decode_state(recorded)[0].keys() == gathered.states.keys()
    with pytest.raises(ForeignRecord, match="format 1"):
        decode_state(recorded.replace(b'{"format":2,', b"{", 1))


def test_a_chosen_correlation_is_no_assumption() -> None:
    body = requests.book(2)
    pointers = []
    for method in ("none", "dynamic_conditional"):
        body["policy"]["correlation"] = {"method": method}
        answer = orjson.loads(render(decision(Door.EVALUATIONS, body), RECEIVED))
        pointers.append({item["pointer"] for item in answer["assumptions"]})
    assert "/policy/correlation" not in pointers[0] | pointers[1]
    short = requests.book(2)
    for item in short["series"]:
        item["close"] = item["close"][-70:]
    answer = orjson.loads(render(decision(Door.EVALUATIONS, short), RECEIVED))
    assert "/policy/correlation" in {item["pointer"] for item in answer["assumptions"]}


def test_a_version_without_its_preset_is_refused() -> None:
    body = requests.smallest()
    body["policy"]["version"] = 1
    with pytest.raises(ValidationError, match="name the preset"):
        decision(Door.EVALUATIONS, body)


def test_the_calendar_of_recorded_returns_is_an_assumption() -> None:
    body = requests.smallest(portfolio_id="book", tracking={"interval": "P1D", "returns": [0.01, -0.01]})
    answer = orjson.loads(render(decision(Door.EVALUATIONS, body), RECEIVED))
    assert "/tracking/calendar" in {item["pointer"] for item in answer["assumptions"]}
    body["tracking"]["calendar"] = "24/7"
    answer = orjson.loads(render(decision(Door.EVALUATIONS, body), RECEIVED))
    assert "/tracking/calendar" not in {item["pointer"] for item in answer["assumptions"]}
