"""Intents against their orders: units, sides, bundles, and the words of the bundle hash built by hand."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.translate.intents import INTENT_TYPE, intent_rows, intent_warnings
from models.api.auto import AutoIn, IntentOut
from services.core.book import Row
from services.core.instrument import Instrument, Kind, QuantityUnit
from services.engine.outputs import Order
from tests.support.books import inputs, inverse, row

UNTIL = datetime(2026, 11, 20, 0, 1, 5, 900_000, tzinfo=UTC)
SETTLEMENT: dict[str, Any] = {
    "venue": "chain",
    "kind": "eip712",
    "chain_id": 42161,
    "verifying_contract": "0x" + "5f" * 20,
    "name": "Perpchain",
    "version": "1",
    "quantity_decimals": 3,
    "price_decimals": 2,
}


def auto(*settlements: dict[str, Any]) -> AutoIn:
    return AutoIn.model_validate(
        {"max_orders_per_day": 1, "max_notional_per_day": "1", "schedule": "PT1H", "settlements": list(settlements)}
    )


def order(contracts: str, number: int = 0, price: str = "100.5", **changes: Any) -> Order:
    fields: dict[str, Any] = {
        "row": 0,
        "sequence": number,
        "client_order_id": f"{'0123456789abcdef0123456789abcd'}{number:02x}",
        "bundle_id": "0123456789abcdef0123456789abcd",
        "contracts": Decimal(contracts),
        "reduce_only": False,
        "limit_price": Decimal(price),
        "valid_until": UNTIL,
    }
    return Order(**{**fields, **changes})


def written(one: Row, *orders: Order, settlements: tuple[dict[str, Any], ...] = ()) -> list[dict[str, Any]]:
    rows = intent_rows(inputs(one), orders, auto(*settlements), "desk")
    for item in rows:
        IntentOut.model_validate(item)
    return rows


@pytest.mark.parametrize(
    ("instrument", "contracts", "amount", "reduces"),
    [
        (
            Instrument(symbol="A", kind=Kind.LINEAR, contract_multiplier=0.01, quantity_unit=QuantityUnit.BASE),
            "7",
            "7",
            True,
        ),
        (inverse(multiplier=100.0), "7", "7", True),
        (Instrument(symbol="A", kind=Kind.SPOT, contract_multiplier=0.001), "2500", "2.5", False),
    ],
    ids=["linear", "inverse", "spot"],
)
def test_amounts_are_what_the_venue_counts(instrument: Instrument, contracts: str, amount: str, reduces: bool) -> None:
    """Contracts of a derivative, coins of a spot market, which has no reduce-only."""
    (intent,) = written(row(instrument=instrument), order(f"-{contracts}", reduce_only=True))
    arguments = intent["ccxt"]
    assert (arguments["side"], arguments["amount"], arguments["price"]) == ("sell", amount, "100.5")
    assert arguments["params"].get("reduceOnly", False) is reduces


def test_in_hedge_mode_the_side_of_the_position_is_named() -> None:
    (intent,) = written(row(position_side="short", account_id="sub1"), order("-1"))
    assert intent["ccxt"]["params"]["positionSide"] == "SHORT"
    assert intent["account_id"] == "sub1"
    (net,) = written(row(position_side="net"), order("-1"))
    assert "positionSide" not in net["ccxt"]["params"]


def test_a_reversal_is_one_bundle_in_order() -> None:
    first, second = written(row(), order("-5", 0, reduce_only=True), order("-3", 1))
    assert [item["bundle"]["position"] for item in (first, second)] == [0, 1]
    assert {item["bundle"]["size"] for item in (first, second)} == {2}
    assert first["bundle"]["bundle_id"] == second["bundle"]["bundle_id"]
    assert int(second["nonce"]) == int(first["nonce"]) + 1


def test_typed_data_says_exactly_the_order_and_its_bundle() -> None:
    legs = (order("-5", 0, reduce_only=True), order("-3.125", 1, price="100.505"))
    first, second = written(row(venue="chain", account_id="sub"), *legs, settlements=(SETTLEMENT,))
    word = lambda number: number.to_bytes(32, "big")  # noqa: E731
    deadline = int(datetime(2026, 11, 20, 0, 1, 5, tzinfo=UTC).timestamp())
    nonce = int("0123456789abcdef0123456789abcd00", 16)
    market = hashlib.sha256(b"A").digest()
    by_hand = hashlib.sha256(
        market
        + b"".join(map(word, (0, 5000, 10050, 1, nonce, deadline)))
        + market
        + b"".join(map(word, (0, 3125, 10051, 0, nonce + 1, deadline)))  # a sale at 100.505: not below it
    )
    assert second["eip712"]["message"] == {
        "portfolio": "desk",
        "account": "sub",
        "market": "A",
        "buy": False,
        "quantity": "3125",
        "limitPrice": "10051",
        "reduceOnly": False,
        "nonce": str(nonce + 1),
        "deadline": str(deadline),
        "bundle": "0x" + by_hand.hexdigest(),
        "position": "1",
        "size": "2",
    }
    assert first["eip712"]["message"]["bundle"] == second["eip712"]["message"]["bundle"]
    assert tuple(second["eip712"]["message"]) == tuple(name for name, _ in INTENT_TYPE)
    (bought,) = written(row(venue="chain"), order("1", price="100.505"), settlements=(SETTLEMENT,))
    assert bought["eip712"]["message"]["limitPrice"] == "10050"


def test_a_bundle_with_a_finer_leg_is_left_out_whole() -> None:
    legs = (order("-5", 0), order("-3.1234", 1))
    one, rules = row(venue="chain"), auto(SETTLEMENT)
    assert intent_rows(inputs(one), legs, rules, "desk") == []
    (warning,) = intent_warnings(inputs(one), legs, rules)
    assert (warning["code"], warning["symbol"]) == ("intent_inexact", "A")
    assert intent_warnings(inputs(one), legs[:1], rules) == []


def test_large_quantities_keep_every_digit() -> None:
    fine = {**SETTLEMENT, "quantity_decimals": 18}
    (intent,) = written(row(venue="chain"), order("12345678901.123456789012345678"), settlements=(fine,))
    assert intent["eip712"]["message"]["quantity"] == "12345678901123456789012345678"


def test_the_deadline_is_never_after_the_expiry() -> None:
    late = order("1", valid_until=UNTIL + timedelta(seconds=0.099999))
    (intent,) = written(row(venue="chain"), late, settlements=(SETTLEMENT,))
    assert int(intent["eip712"]["message"]["deadline"]) <= late.valid_until.timestamp()
