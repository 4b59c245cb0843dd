"""ccxt's objects as requests, on stand-ins of their documented form; `make interop` runs the real ones."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from models.api.evaluation import EvaluationRequest
from trimtab_client import models
from trimtab_client.adapters.ccxt import (
    CannotTranslate,
    ccxt_instrument,
    ccxt_order,
    ccxt_request,
    ccxt_request_async,
    equity_of,
)
from trimtab_client.calls import encode

POLICY = {"sizing": {"method": "volatility_target", "target_volatility": 0.2}}


def market(symbol: str, **changes: Any) -> dict[str, Any]:
    pair, _, settle = symbol.partition(":")
    base, quote = pair.split("/")
    contract = bool(settle)
    return {
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "settle": settle or None,
        "contract": contract,
        "linear": contract and settle == quote,
        "inverse": contract and settle == base,
        "option": False,
        "contractSize": 0.01 if contract else None,
        "precision": {"amount": 0.1, "price": 0.5},
        "limits": {"amount": {"min": 0.1, "max": 5000}, "cost": {"min": 10, "max": None}},
    } | changes


class Exchange:
    """What the adapter asks of an exchange."""

    id = "okx"
    precisionMode = 4  # noqa: N815

    def __init__(self, *markets: dict[str, Any], **answers: Any) -> None:
        self.markets = {one["symbol"]: one for one in markets}
        self.has = {"fetchOpenOrders": "orders" in answers}
        self.answers = answers
        self.asked: list[str] = []

    def market(self, symbol: str) -> dict[str, Any]:
        return self.markets[symbol]

    def load_markets(self) -> None:
        self.asked.append("markets")

    def fetch_balance(self) -> Any:
        self.asked.append("balance")
        return {"total": self.answers["total"]}

    def fetch_positions(self, symbols: list[str]) -> Any:
        self.asked.append("positions")
        return [one for one in self.answers.get("positions", []) if one["symbol"] in symbols]

    def fetch_open_orders(self, symbol: str) -> Any:
        return self.answers["orders"].get(symbol, [])

    def fetch_ohlcv(self, symbol: str, timeframe: str, limit: int) -> list[list[float]]:
        return [[1_795_000_000_000 + 86_400_000 * day, 100.0, 101.0, 99.0, 100.0 + day % 2, 5.0] for day in range(3)]


class AsyncExchange:
    """The same, awaited."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._exchange, name)
        if not name.startswith(("fetch_", "load_")):
            return member

        async def awaited(*arguments: Any, **options: Any) -> Any:
            return member(*arguments, **options)

        return awaited


def position(symbol: str, **changes: Any) -> dict[str, Any]:
    return {"symbol": symbol, "side": "long", "contracts": 3.0, "markPrice": 100.5, "unrealizedPnl": -7.0} | changes


def sent(exchange: Exchange, directions: dict[str, float], **options: Any) -> dict[str, Any]:
    """The request as the service reads it: its own model accepts it."""
    made = ccxt_request(exchange, directions, policy=POLICY, **options)
    EvaluationRequest.model_validate(json.loads(encode(made)))
    return dict(json.loads(encode(made)))


LINEAR, INVERSE, SPOT = "BTC/USDT:USDT", "BTC/USD:BTC", "BTC/USDT"


def test_a_linear_position_is_contracts_of_their_size() -> None:
    exchange = Exchange(market(LINEAR), total={"USDT": 1000}, positions=[position(LINEAR, side="short")])
    request = sent(exchange, {LINEAR: -1})
    (instrument,), (row,) = request["instruments"], request["positions"]
    assert (instrument["kind"], instrument["contract_multiplier"]) == ("linear", "0.01")
    assert (instrument["lot"], instrument["min_quantity"], instrument["max_quantity"]) == ("0.1", "0.1", "5000")
    assert (instrument["min_notional"], instrument["tick"]) == ("10", "0.5")
    assert (row["quantity"], row["quantity_unit"], row["mark_price"]) == ("-3", "contracts", "100.5")
    assert request["account"] == {"equity": "993", "currency": "USDT", "collateral": []}


def test_an_inverse_contract_is_worth_dollars_and_its_coin_is_collateral() -> None:
    exchange = Exchange(
        market(INVERSE, contractSize=100.0), total={"BTC": 0.5}, positions=[position(INVERSE, unrealizedPnl=0.1)]
    )
    request = sent(exchange, {INVERSE: 1})
    (instrument,) = request["instruments"]
    assert (instrument["kind"], instrument["contract_multiplier"]) == ("inverse", "100")
    assert "min_notional" not in instrument
    assert request["account"]["collateral"] == [{"asset": "BTC", "amount": "0.5", "price": "100.5"}]
    assert request["account"]["equity"] == "50.25"  # .5 BTC; the gain is left out
    assert request["fx"] == [{"currency": "BTC", "rate": "100.5"}]


def test_coins_behind_an_inverse_position_count_also_where_the_equity_is_given() -> None:
    exchange = Exchange(market(INVERSE), total={"BTC": 0.5})
    request = sent(exchange, {INVERSE: 1}, equity=Decimal(40))
    assert request["account"]["equity"] == "40"
    assert request["account"]["collateral"] == [{"asset": "BTC", "amount": "0.5", "price": "100"}]


def test_spot_is_what_is_held_and_counts_as_equity() -> None:
    request = sent(Exchange(market(SPOT), total={"BTC": 2, "USDT": 100, "DOGE": 7}), {SPOT: 1})
    assert request["positions"][0]["quantity"] == "2"
    assert request["instruments"][0]["quantity_unit"] == "base"
    assert request["account"]["equity"] == "300"  # 2 × 100 + 100; a coin that nothing prices is not counted


def test_both_sides_of_a_hedged_account_are_rows_and_orders_count_once() -> None:
    sides = [position(LINEAR, side=side, hedged=True) for side in ("long", "short")]
    orders = {LINEAR: [{"side": "buy", "remaining": 2.0}, {"side": "sell", "amount": 1.5}]}
    request = sent(Exchange(market(LINEAR), total={"USDT": 1000}, positions=sides, orders=orders), {LINEAR: 1})
    rows = request["positions"]
    assert [(row["position_side"], row["quantity"]) for row in rows] == [("long", "3"), ("short", "-3")]
    assert [(row.get("open_buys"), row.get("open_sells")) for row in rows] == [("2", "1.5"), (None, None)]


def test_nothing_is_read_that_is_given() -> None:
    exchange = Exchange(market(LINEAR))
    request = sent(exchange, {LINEAR: 1}, equity=Decimal("12.5"))
    assert request["account"]["equity"] == "12.5"
    assert exchange.asked == ["markets", "positions"]


@pytest.mark.parametrize(
    ("exchange", "symbol", "text"),
    [
        (Exchange(market(LINEAR, contractSize=None)), LINEAR, "size of a contract"),
        (Exchange(market(LINEAR, option=True)), LINEAR, "options"),
        (Exchange(market("ETH/USD:BTC")), "ETH/USD:BTC", "neither linear nor inverse"),
        (Exchange(market(LINEAR), total={}, positions=[position(LINEAR, side=None)]), LINEAR, "long or short"),
        (Exchange(market(LINEAR), total={}, positions=[position(LINEAR, marginMode="isolated")]), LINEAR, "collateral"),
    ],
)
def test_what_a_size_depends_on_is_never_guessed(exchange: Exchange, symbol: str, text: str) -> None:
    with pytest.raises(CannotTranslate, match=text):
        ccxt_request(exchange, {symbol: 1}, policy=POLICY)


def test_a_coin_without_a_price_is_asked_for() -> None:
    exchange = Exchange(market(INVERSE), total={"BTC": 1, "USD": 0})
    with pytest.raises(CannotTranslate, match="no price of BTC in EUR"):
        ccxt_request(exchange, {INVERSE: 1}, policy=POLICY, currency="EUR")
    request = sent(exchange, {INVERSE: 1}, currency="EUR", prices={"BTC": Decimal(90), "USD": Decimal("0.9")})
    assert request["account"]["equity"] == "90"


def test_awaited_and_blocking_exchanges_give_the_same() -> None:
    exchange = Exchange(market(LINEAR), total={"USDT": 1000})
    options: dict[str, Any] = {"policy": POLICY, "as_of": datetime(2026, 11, 29, tzinfo=UTC)}
    awaited = asyncio.run(ccxt_request_async(AsyncExchange(exchange), {LINEAR: 1}, **options))
    assert awaited == ccxt_request(exchange, {LINEAR: 1}, **options)


def test_decimal_places_are_a_lot_too() -> None:
    exchange = Exchange(market(LINEAR, precision={"amount": 3, "price": 1}))
    exchange.precisionMode = 2
    instrument = ccxt_instrument(exchange, LINEAR)
    assert (instrument.lot, instrument.tick) == (Decimal("0.001"), Decimal("0.1"))


def test_equity_is_never_overstated() -> None:
    """Whether `total` holds the profit or not, the result is at most the true equity."""
    for profit in (Decimal(-300), Decimal(0), Decimal(300)):
        wallet = Decimal(1000)
        true = wallet + profit
        assert equity_of(wallet, profit) <= true
        assert equity_of(true, profit) <= true


def test_an_order_is_in_contracts_and_keeps_its_id() -> None:
    order = models.OrderOut(
        client_order_id="tt1",
        sequence=0,
        bundle_id="b",
        symbol=LINEAR,
        side="sell",
        quantity="0.03",
        quantity_unit="base",
        contracts="3",
        reduce_only=True,
        limit_price="99.5",
        time_in_force="IOC",
        valid_until="2026-11-29T00:00:00Z",
    )
    assert ccxt_order(order) == {
        "symbol": LINEAR,
        "type": "limit",
        "side": "sell",
        "amount": 3.0,
        "price": 99.5,
        "params": {"clientOrderId": "tt1", "timeInForce": "IOC", "reduceOnly": True},
    }
