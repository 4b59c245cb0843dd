"""Whole decisions on arbitrary legal requests: an answer that fits its model, or a rule that was broken; no crash."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
from hypothesis import event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.catalog import catalog
from app.usecases.call import Door
from app.usecases.decide import Gathered, decide, render
from app.usecases.evaluate_portfolio import splice
from models.api.evaluation import EvaluationRequest, EvaluationResponse
from services.core.errors import InvalidInput
from tests.support.requests import END, closes
from tests.support.sizing import example, members

RECEIVED = datetime(2026, 11, 20, 0, 0, 6, tzinfo=UTC)
SYMBOLS = ["BTC", "BTC-PERP", "ETH-USD", "BTC/USDT:USDT", "BTC-PERPETUAL", "XBTUSD", "OPT", "@107"]
KINDS = ["spot", "linear", "inverse", "quanto", "option"]
decimals = st.sampled_from(["0", "1", "-1", "0.00000001", "123456789.5", "-20", "100000000000", "0.3"])
positive = st.sampled_from(["1", "0.00000001", "0.001", "100", "90000", "100000000000000"])
maybe = st.booleans()
TIERS = [
    {"floor": "0", "maintenance_rate": 0.01},
    {"floor": "5000", "maintenance_rate": 0.3, "initial_rate": 0.5},
]


@st.composite
def instruments(draw: st.DrawFn, symbol: str) -> dict[str, Any]:
    kind = draw(st.sampled_from(KINDS))
    body: dict[str, Any] = {"symbol": symbol, "kind": kind}
    for name, values in {
        "contract_multiplier": positive,
        "lot": positive,
        "tick": positive,
        "min_notional": positive,
        "min_quantity": positive,
        "max_quantity": positive,
        "underlying": st.just("BTC"),
        "base_currency": st.sampled_from(["BTC", "ETH"]),
        "quote_currency": st.sampled_from(["USD", "USDT", "EUR"]),
        "quantity_unit": st.sampled_from(["base", "contracts", "quote"]),
        "max_leverage": st.sampled_from([0.5, 1, 20]),
        "margin_tiers": st.just(TIERS),
    }.items():
        if draw(st.integers(0, 3)) == 0:
            body[name] = draw(values)
    if kind == "option":
        body |= {"strike": draw(positive), "right": draw(st.sampled_from(["call", "put"]))}
        body["expiry"] = draw(st.sampled_from(["2026-11-20T08:00:00Z", "2027-11-20T08:00:00Z", "2020-01-01T00:00:00Z"]))
    if kind == "quanto":
        body |= {"settle_currency": draw(st.sampled_from(["BTC", "USD"])), "quantity_unit": "contracts"}
    return body


@st.composite
def positions(draw: st.DrawFn, symbol: str) -> dict[str, Any]:
    body: dict[str, Any] = {"symbol": symbol, "quantity": draw(decimals)}
    for name, values in {
        "mark_price": positive,
        "venue": st.sampled_from(["a", "b"]),
        "quantity_unit": st.sampled_from(["base", "contracts", "quote"]),
        "open_buys": positive,
        "open_sells": positive,
        "implied_volatility": st.sampled_from([0.01, 0.6, 10]),
        "forward_price": positive,
        "initial_margin": positive,
        "maintenance_margin": positive,
        "greeks": st.sampled_from([{"delta": 1.5}, {"delta": -1e15, "gamma": 1e15}]),
    }.items():
        if draw(st.integers(0, 2)) == 0:
            body[name] = draw(values)
    if draw(st.integers(0, 5)) == 0:
        body |= {"margin_mode": "isolated", "isolated_margin": draw(positive)}
    return body


SERIES = {
    "walk": closes(3, 80, 100.0),
    "small": closes(4, 70, 0.00001),
    "flat": [100.0] * 70,
    "short": [100.0, 101.0],
    "wild": [100.0 * (1.9 if index % 2 else 1.0) for index in range(70)],
    "bad": [100.0] * 30 + [-1.0] + [100.0] * 30,
}


@st.composite
def series(draw: st.DrawFn, symbol: str) -> dict[str, Any]:
    close = SERIES[draw(st.sampled_from(sorted(SERIES)))]
    return {"symbol": symbol, "interval": "P1D", "end": END, "close": close}


def plain(value: Any) -> Any:
    """A parameter object as a client sends it."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not None}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


METHODS = [
    *({**plain(dataclasses.asdict(example(kind)))} for kind in members()),
    {"method": "value_at_risk", "value_at_risk": 0.02, "distribution": "historical"},
    {"method": "fixed_weights", "weights": [{"symbol": symbol, "weight": 0.4} for symbol in SYMBOLS]},
]
OVERLAYS = [
    {"method": method["method"]}
    for block in catalog()["blocks"]
    for method in block["methods"]
    if block["block"] == "overlays" and not any(parameter["required"] for parameter in method["parameters"])
]
BLOCKS: dict[str, list[dict[str, Any]]] = {
    "capital": [{"method": "half"}, {"method": "fixed", "capital": 5000}],
    "scaling": [{"method": "volatility", "target_volatility": 0.2}, {"method": "leverage", "leverage": 2}],
    "split": [{"method": "equal"}, {"method": "held"}],
    "damping": [{"method": "gap_fraction"}, {"method": "weight_step", "step": 0.1}],
    "rounding": [{"method": "joint"}],
    "buffer": [
        {"method": "none"},
        {"method": "tolerance"},
        {"method": "interval", "interval_seconds": 3600},
        {"method": "tracking_error"},
        {"method": "cost_optimal", "risk_aversion": 2, "weight_volatility": 0.5},
    ],
}
MEMORIES = [
    {"high_water_mark": "200000", "initial_capital": "50000", "floor": "90000", "breaker_tier": 3},
    {"high_water_mark": "0", "net_deposits": "-1000000"},
    {"rows": [{"symbol": "BTC", "traded_at": "2026-11-20T00:00:00Z"}]},
    {"contagion": [{"venue": "a", "multiplier": 101, "as_of": "2026-11-19T00:00:00Z"}]},
    {"hedges": [{"underlying": "BTC", "last_hedge_at": "2026-11-19T00:00:00Z", "last_hedge_price": "1"}]},
    {
        "hedges": [
            {
                "underlying": symbol,
                "last_hedge_at": "2026-11-20T00:00:00Z",
                "last_hedge_price": "0.000001",
                "gamma_1pct": -1e300,
                "vega_per_point": 1e300,
            }
            for symbol in SYMBOLS
        ]
    },
]
HEDGING: list[dict[str, Any]] = [
    {"method": "threshold", "max_delta": 0.1},
    {"max_move": 0.01, "max_gamma_drift": 0.1, "max_vega_drift": 1},
    {"method": "price_move", "move_daily_sigmas": 1},
    {"method": "interval", "interval_seconds": 60, "min_move_bps": 5},
    {"method": "adaptive"},
    {"method": "adaptive", "atm_band": 0.01, "atm_gamma_1pct": 1},
    {
        "method": "any_of",
        "triggers": [{"method": "adaptive"}, {"method": "price_move", "move": 0.01}],
        "cooldown_seconds": 60,
        "hard_limit": 1,
    },
]


@st.composite
def figures(draw: st.DrawFn) -> dict[str, Any]:
    """What some methods ask of a signal, likely and absurd."""
    body: dict[str, Any] = {}
    for name, values in {
        "stop_price": positive,
        "entry_price": positive,
        "average_true_range": positive,
        "expected_return": st.sampled_from([-10, -0.3, 0, 0.3, 10]),
    }.items():
        if draw(st.integers(0, 2)) == 0:
            body[name] = draw(values)
    if draw(st.integers(0, 2)) == 0:
        body |= {"win_probability": draw(st.sampled_from([0, 0.2, 0.6, 1])), "win_loss_ratio": 2, "trades": 100}
    return body


@st.composite
def balances(draw: st.DrawFn) -> dict[str, Any]:
    """What a haircut is made of, likely and absurd."""
    body: dict[str, Any] = {}
    for name, values in {
        "price": positive,
        "asset_class": st.sampled_from(["cash", "stable", "major", "other"]),
        "volatility": st.sampled_from([0, 0.5, 50]),
        "market": st.sampled_from(SYMBOLS),
        "venue": st.sampled_from(["a", "c"]),
        "as_of": st.sampled_from([END, "1980-01-01T00:00:00Z"]),
        "heartbeat_seconds": st.sampled_from([1, 31_536_000]),
        "peg_price": st.sampled_from(["0", "1"]),
        "average_daily_volume": st.sampled_from(["0", "0.00000001", "1000000000"]),
        "deposit_cap": positive,
        "wrong_way_correlation": st.sampled_from([-1, 0.9]),
    }.items():
        if draw(st.integers(0, 2)) == 0:
            body[name] = draw(values)
    return body


@st.composite
def loans(draw: st.DrawFn) -> dict[str, Any]:
    debt = {
        "asset": draw(st.sampled_from(["USD", "BTC", "ETH"])),
        "amount": draw(st.sampled_from(["0", "1", "1000000"])),
    }
    return {
        "collateral": {"asset": "BTC", "amount": draw(positive), **draw(balances())},
        "debt": debt,
        "liquidation_threshold": draw(st.sampled_from([0.01, 1])),
        "borrow_rate": draw(st.sampled_from([-1, 0, 100])),
        "margin": draw(st.sampled_from(["cross", "isolated"])),
    }


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(SYMBOLS), unique=True, max_size=4))
    held = draw(st.lists(st.sampled_from(SYMBOLS), unique=True, max_size=4))
    seen = draw(st.lists(st.sampled_from(SYMBOLS), unique=True, max_size=3))
    told = draw(st.lists(st.sampled_from(SYMBOLS), unique=True, max_size=3))
    sizing: dict[str, Any] = dict(draw(st.sampled_from(METHODS)))
    if sizing["method"] == "volatility_target":
        sizing["target_volatility"] = draw(st.sampled_from([0.01, 0.2, 3]))
    if draw(maybe):
        sizing["scope"] = draw(st.sampled_from(["book", "instrument"]))
    policy: dict[str, Any] = {"sizing": sizing}
    for name, choices in BLOCKS.items():
        if draw(st.integers(0, 3)) == 0:
            policy[name] = draw(st.sampled_from(choices))
    if draw(maybe):
        chosen = draw(st.lists(st.sampled_from(OVERLAYS), unique_by=lambda item: item["method"], max_size=4))
        policy["overlays"] = chosen
    if draw(st.integers(0, 2)) == 0:
        policy["hedging"] = {**draw(st.sampled_from(HEDGING)), "instrument": draw(st.sampled_from(SYMBOLS))}
    if draw(st.integers(0, 2)) == 0:
        policy["limits"] = {"max_leverage": 1, "max_weight": 0.3}
    body: dict[str, Any] = {
        "as_of": "2026-11-20T00:00:05Z",
        "account": {"equity": draw(st.sampled_from(["100000", "1", "0", "-5", "0.00000001"])), "currency": "USD"},
        "options": {"view": draw(st.sampled_from(["full", "compact"]))},
        "instruments": [draw(instruments(name)) for name in names],
        "positions": [draw(positions(name)) for name in held],
        "series": [draw(series(name)) for name in seen],
        "fx": [{"currency": "USDT", "rate": "1.0"}, {"currency": "BTC", "rate": "90000"}] if draw(maybe) else [],
        "policy": policy,
    }
    if draw(maybe):
        body["account"]["collateral"] = [{"asset": "BTC", "amount": draw(decimals), **draw(balances())}]
    if draw(maybe):
        policy["collateral"] = draw(st.sampled_from([{}, {"tail_multiple": 20.0, "other_floor": 1.0}]))
        body["account"]["loans"] = [draw(loans())] if draw(maybe) else []
    if draw(st.integers(0, 2)) == 0:
        policy["contagion"] = draw(st.sampled_from([{}, {"tightening": {"cap": 100.0, "sensitivity": 100.0}}]))
        venue = {"metrics": draw(st.sampled_from([{}, {"basis_bps": -1e9, "depth_ratio": 0}]))}
        body["venues"] = [{"venue": name, **venue} for name in draw(st.sampled_from([[], ["a"], ["a", "b"]]))]
    if draw(maybe):
        views = st.sampled_from([-1, 0, 0.5, 1])
        body["signals"] = [{"symbol": name, "direction": draw(views), **draw(figures())} for name in told]
    if draw(maybe):
        body["previous"] = draw(st.sampled_from(MEMORIES))
    return body


@given(requests())
@settings(max_examples=400)
def test_every_legal_request_is_answered_or_refused_by_rule(body: dict[str, Any]) -> None:
    raw = orjson.dumps(body)
    try:
        request = EvaluationRequest.model_validate(body)
        ids = {"evaluation_id": "ev_" + "0" * 32, "received_at": RECEIVED}
        decision = decide(Door.EVALUATIONS, request, raw, Gathered(), **ids)
    except (ValidationError, InvalidInput) as refusal:
        event(f"refused: {type(refusal).__name__}")
        return
    event("answered")
    answer = splice(render(decision, RECEIVED), 0)
    fitted = EvaluationResponse.model_validate_json(answer)
    assert b"Infinity" not in answer
    assert len(answer) < 200_000
    assert orjson.loads(render(decision, RECEIVED)) == orjson.loads(answer[: answer.rindex(b',"audit"')] + b"}")
    open_orders = {item["symbol"] for item in body["positions"] if "open_buys" in item or "open_sells" in item}
    for target in fitted.targets:
        if target.status == "refused":
            assert target.target_quantity is target.order_quantity is None
        elif target.permission == "reduce_only":
            assert target.target_quantity is not None
            if target.symbol not in open_orders:
                assert abs(Decimal(target.target_quantity)) <= abs(Decimal(target.current_quantity))
    orders = {order.client_order_id for order in fitted.orders}
    assert len(orders) == len(fitted.orders)
    assert all(Decimal(order.limit_price) > 0 and Decimal(order.contracts) > 0 for order in fitted.orders)
