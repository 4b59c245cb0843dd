"""Every overlay from a request to its line in the answer, and back from the record."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import orjson
import pytest
from pydantic import ValidationError

from app.shapes import tag_of
from app.usecases.call import Door
from app.usecases.decide import render
from app.usecases.evaluate_portfolio import splice
from models.api.evaluation import EvaluationResponse
from services.sizing.registry import Overlay
from tests.contract.test_answers import RECEIVED, decision
from tests.support import requests

METHODS = [tag_of(member) for member in get_args(Overlay)]
CLOSES = requests.closes()


def body(*overlays: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """One perpetual held at a venue, with everything around it that an overlay may ask for."""
    policy = {"sizing": {"method": "volatility_target", "target_volatility": 0.2}, "overlays": list(overlays)}
    around = {
        "positions": [
            {
                "symbol": "BTC-PERP",
                "quantity": "0.05",
                "mark_price": str(CLOSES[-1]),
                "venue": "dex",
                "greeks": {"delta": 0.05, "gamma": 0.0, "vega": 2.0},
            }
        ],
        "series": [requests.series("BTC-PERP", implied_volatility=np.linspace(0.5, 0.6, 300).tolist())],
        "signals": [{"symbol": "BTC-PERP", "direction": 1, "confidence": 0.9, "as_of": requests.END}],
        "venues": [
            {
                "venue": "dex",
                "protocol": "amm",
                "chain": "l2",
                "risk_grade": "B",
                "distress": 0.3,
                "latency_seconds": 3.5,
            }
        ],
        "protocols": [{"protocol": "amm", "max_share": 0.4}],
        "chains": [{"chain": "l2", "block_time_seconds": 2, "finality_blocks": 300, "congestion": 0.25}],
        "volatilities": [{"symbol": "BTC-PERP", "shock_volatility": 1.1}],
        "events": [{"at": "2026-11-20T00:30:00Z", "move": 0.02}],
        "books": [
            {
                "symbol": "BTC-PERP",
                "as_of": requests.END,
                "bids": [[CLOSES[-1] * 0.9999, 5.0]],
                "asks": [[CLOSES[-1] * 1.0001, 0.8]],
            }
        ],
        "flow": [
            {
                "symbol": "BTC-PERP",
                "venue": "dex",
                "as_of": requests.END,
                "order_flow_imbalance": -0.6,
                "funding_rate": 0.0001,
                "funding_interval": "PT8H",
            }
        ],
        "previous": {"net_deposits": "0", "breaker_tier": 1},
    }
    return requests.smallest(**{**around, "policy": policy, **changes})


def overlay(method: str, **parameters: Any) -> dict[str, Any]:
    return {"method": method, **parameters}


def answered(request: dict[str, Any]) -> dict[str, Any]:
    """Answer of a request, fitted to its model, and the same when it is computed again."""
    raw = render(decision(Door.EVALUATIONS, request), RECEIVED)
    assert render(decision(Door.EVALUATIONS, orjson.loads(orjson.dumps(request))), RECEIVED) == raw
    EvaluationResponse.model_validate_json(splice(raw, 7))
    answer: dict[str, Any] = orjson.loads(raw)
    return answer


def lines(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["overlay"]: item for item in answer["targets"][0]["overlays"]}


def test_all_at_once_are_reported_and_none_lacks_data() -> None:
    answer = answered(body(*map(overlay, METHODS)))
    found = lines(answer)
    assert sorted(found) == sorted(METHODS)
    assert [name for name, item in found.items() if "data_missing" in item] == []
    assert all(0.0 <= item["multiplier"] <= 1.0 for item in found.values())
    expected = {
        "contagion": 0.7,
        "scheduled_events": 0.0,
        "breaker_tier": 0.75,
        "flow": 0.75,
        "implied_volatility_velocity": 1.0,
        "latency": (1.0 + (3.5 + 2.0 / 0.75 + 600.0) / 86_400.0) ** -0.5,
    }
    assert {name: found[name]["multiplier"] for name in expected} == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_one_alone_never_gives_a_larger_position(method: str) -> None:
    plain, bent = answered(body()), answered(body(overlay(method)))
    sizes = [abs(float(answer["targets"][0]["target_quantity"])) for answer in (plain, bent)]
    assert sizes[1] <= sizes[0]
    assert list(lines(bent)) == [method]


@pytest.mark.parametrize("method", METHODS)
def test_without_its_data_it_holds_what_is_held(method: str) -> None:
    """Bare request: overlays that need what was not sent block the increase, the others do as they do."""
    bare: dict[str, Any] = {
        "venues": [],
        "protocols": [],
        "chains": [],
        "volatilities": [],
        "events": [],
        "books": [],
        "flow": [],
    }
    bare["series"], bare["signals"] = [requests.series("BTC-PERP")], [{"symbol": "BTC-PERP", "direction": 1}]
    bare["series"][0]["close"] = bare["series"][0]["close"][-70:]
    answer = answered(body(overlay(method), **bare))
    item, row = lines(answer)[method], answer["targets"][0]
    if "data_missing" in item:
        assert item["increase_blocked"] and item["detail"]
        assert row["target_quantity"] == row["current_quantity"] == "0.05"
    assert ("data_missing" in item) is (
        method
        in {
            "contagion",
            "latency",
            "venue_caps",
            "protocol_caps",
            "volatility_shock",
            "volatility_attenuation",
            "implied_volatility_velocity",
            "flow",
            "liquidity",
        }
    )


def test_the_book_limits_the_trade_that_is_left() -> None:
    """A quarter of the 0.8 asked is 0.2: from 0.05 held to 0.25, whatever the method wants."""
    answer = answered(body(overlay("liquidity"), positions=body()["positions"]))
    row = answer["targets"][0]
    assert float(row["capacity"]["long"]) > 0.25
    (step,) = [step for step in row["steps"] if step["stage"] == "overlay_liquidity"]
    assert (step["out"], step["bound_by"]) == ("0.25", "overlays.liquidity")
    assert "depth_share" in lines(answer)["liquidity"]["detail"]


def test_a_pool_stands_for_a_book() -> None:
    pool = {
        "kind": "constant_product",
        "symbol": "BTC-PERP",
        "venue": "dex",
        "as_of": requests.END,
        "base_reserve": "20",
        "quote_reserve": str(round(20 * CLOSES[-1], 2)),
        "fee": 0.0005,
    }
    item = lines(answered(body(overlay("liquidity"), books=[], pools=[pool])))["liquidity"]
    assert 0.0 < item["multiplier"] < 1.0


def test_the_step_names_what_bound() -> None:
    answer = answered(body(overlay("contagion"), overlay("breaker_tier")))
    steps = {step["stage"]: step for step in answer["targets"][0]["steps"]}
    assert steps["overlay_contagion"]["bound_by"] == "overlays.contagion"
    assert steps["overlay_breaker_tier"]["bound_by"] == "overlays.breaker_tier"
    assert answer["targets"][0]["status"] == "limited"


@pytest.mark.parametrize(
    ("block", "rows", "match"),
    [
        ("venues", [{"venue": "a"}, {"venue": "a"}], "more than once"),
        ("venues", [{"venue": "a", "distress": 1.5}], "less than or equal to 1"),
        ("venues", [{"venue": "a", "distress": "0.5"}], "valid number"),
        ("venues", [{"venue": "a", "risk_grade": "F"}], "risk_grade"),
        ("venues", [{"venue": "a", "grade": "A"}], "Extra inputs"),
        ("protocols", [{"protocol": "a"}, {"protocol": "a"}], "more than once"),
        ("chains", [{"chain": "a", "block_time_seconds": 1}], "finality_blocks or finality_seconds"),
        ("chains", [{"chain": "a", "block_time_seconds": 0, "finality_seconds": 0}], "greater than 0"),
        ("chains", [{"chain": "a", "block_time_seconds": 1, "finality_seconds": 0, "sequencer_up": 1}], "boolean"),
        ("volatilities", [{"symbol": "A"}], "must hold shock_volatility"),
        ("volatilities", [{"symbol": "A", "shock_volatility": 1.0}] * 2, "more than once"),
        ("books", [{"symbol": "A", "as_of": requests.END, "bids": []}], "bids and asks"),
        ("pools", [{"kind": "other"}], "kind"),
        ("flow", [{"symbol": "A", "as_of": requests.END, "order_flow_imbalance": 2}], "less than or equal to 1"),
        ("venues", [{"venue": f"v{index}"} for index in range(101)], "at most 100"),
    ],
)
def test_bad_blocks_are_refused(block: str, rows: list[dict[str, Any]], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        decision(Door.EVALUATIONS, body(**{block: rows}))
