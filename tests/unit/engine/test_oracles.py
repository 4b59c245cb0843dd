"""Price sources in a decision: they judge marks, stand in for missing ones, and never raise a size."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from app.translate.state_record import decode_state
from app.usecases.call import Door
from app.usecases.decide import Decision, Gathered, decide, render, state_record
from app.usecases.evaluate_portfolio import splice
from models.api.evaluation import EvaluationRequest, EvaluationResponse
from tests.support import requests

AS_OF = datetime(2026, 11, 20, 0, 0, 5, tzinfo=UTC)
MARK = 41_638.8


def sources(*prices: float, age: float = 2.0, **changes: Any) -> list[dict[str, Any]]:
    moment = (AS_OF - timedelta(seconds=age)).isoformat()
    fixed = {"as_of": moment, "heartbeat_seconds": 60, "currency": "USD"}
    return [{"source": f"s{n}", "price": f"{price:.1f}", **fixed, **changes} for n, price in enumerate(prices)]


def body(observations: list[dict[str, Any]] | None, **changes: Any) -> dict[str, Any]:
    found = requests.smallest(as_of=AS_OF.isoformat(), **changes)
    return (
        found if observations is None else {**found, "oracles": [{"symbol": "BTC-PERP", "observations": observations}]}
    )


def decided(sent: dict[str, Any], gathered: Gathered | None = None) -> Decision:
    raw = orjson.dumps(sent)
    request = EvaluationRequest.model_validate(orjson.loads(raw))
    return decide(
        Door.EVALUATIONS, request, raw, gathered or Gathered(), evaluation_id="ev_" + "0" * 32, received_at=AS_OF
    )


def answer(sent: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(render(decided(sent), AS_OF))
    EvaluationResponse.model_validate_json(splice(orjson.dumps(found), 1))
    return found


def test_sources_that_agree_change_nothing_but_are_told() -> None:
    plain, judged = answer(body(None)), answer(body(sources(MARK, MARK + 5, MARK - 5)))
    assert judged["targets"][0]["target_quantity"] == plain["targets"][0]["target_quantity"]
    assert [row["status"] for row in judged["oracles"]] == ["ok"]
    assert len(judged["oracles"][0]["accepted"]) == 3
    assert judged["targets"][0]["overlays"][0]["multiplier"] == 1.0


@pytest.mark.parametrize(
    ("observations", "why"),
    [
        (sources(MARK, MARK), "2 independent sources agree, 3 must"),
        (sources(MARK, MARK + 5, MARK - 5, age=95.0), "0 independent sources agree"),
        (sources(80_000, 80_001, 80_002), "the mark"),
    ],
    ids=["two of three", "stale", "another price"],
)
def test_a_price_that_its_sources_do_not_support_blocks_increases(observations: list[Any], why: str) -> None:
    plain, judged = answer(body(None))["targets"][0], answer(body(observations))["targets"][0]
    assert float(plain["target_quantity"]) > float(plain["current_quantity"])
    assert judged["target_quantity"] == judged["current_quantity"]
    assert (judged["permission"], judged["overlays"][0]["multiplier"]) == ("reduce_only", 0.0)
    assert why in judged["overlays"][0]["detail"]


def test_a_lost_quorum_never_stops_a_reduction() -> None:
    closing = {"signals": [{"symbol": "BTC-PERP", "direction": 0}]}
    found = answer(body(sources(MARK), **closing))["targets"][0]
    assert (found["action"], found["target_quantity"]) == ("close", "0")


def test_a_row_without_a_mark_takes_the_price_that_sources_agree_on() -> None:
    position = {"positions": [{"symbol": "BTC-PERP", "quantity": "0.85"}]}
    assert answer(body(sources(MARK, MARK + 5, MARK - 5), **position))["targets"][0]["price_used"] == {
        "value": "41638.8",
        "source": "oracle",
        "age_seconds": 2.0,
    }
    assert answer(body(sources(MARK), **position))["targets"][0]["price_used"]["source"] == "close"


def test_an_oracle_in_a_currency_that_cannot_be_compared_blocks() -> None:
    euros = {"account": {"equity": "100000", "currency": "EUR"}, "fx": [{"currency": "USDT", "rate": "0.9"}]}
    instrument = {"symbol": "BTC-PERP", "kind": "linear", "quote_currency": "USDT"}
    found = answer(body(sources(MARK, MARK, MARK), instruments=[instrument], **euros))["targets"][0]
    assert "cannot be compared" in found["overlays"][0]["detail"]
    assert found["permission"] == "reduce_only"


def test_the_decision_replays() -> None:
    sent = body(sources(MARK, MARK + 5, MARK - 5))
    made = decided(sent)
    recorded = decode_state(state_record(made, Gathered()))
    again = decided(sent, Gathered(recorded.registered, recorded.states, recorded.correlation))
    assert render(again, AS_OF) == render(made, AS_OF)
