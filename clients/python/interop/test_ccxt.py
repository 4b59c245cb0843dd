"""Real ccxt: markets, positions and balances parsed by its own classes from raw answers, sized by a running service.

The raw answers are written here after the venues' documentation, and handed in where ccxt would call the venue; every
line of ccxt between its public methods and that call is real.
"""

from __future__ import annotations

import asyncio
import math
import time
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.async_support
import pytest

from trimtab_client import Trimtab, members
from trimtab_client.adapters.ccxt import ccxt_instrument, ccxt_order, ccxt_request, ccxt_request_async
from trimtab_client.models import InstrumentIn, PolicyIn, VolatilityTarget

DAY = 86_400_000
LINEAR, INVERSE, SPOT = "BTC/USDT:USDT", "BTC/USD:BTC", "ETH/USDT"
POLICY = PolicyIn(sizing=VolatilityTarget(target_volatility=0.2))


def okx_contract(kind: str, size: str, unit: str, settle: str, quote: str) -> dict[str, str]:
    return {
        "instType": "SWAP",
        "instId": f"BTC-{quote}-SWAP",
        "uly": f"BTC-{quote}",
        "instFamily": f"BTC-{quote}",
        "settleCcy": settle,
        "ctVal": size,
        "ctMult": "1",
        "ctValCcy": unit,
        "ctType": kind,
        "baseCcy": "",
        "quoteCcy": "",
        "lever": "100",
        "tickSz": "0.1",
        "lotSz": "0.1" if kind == "linear" else "1",
        "minSz": "0.1" if kind == "linear" else "1",
        "maxLmtSz": "100000",
        "maxMktSz": "10000",
        "state": "live",
        "alias": "",
        "category": "1",
        "expTime": "",
        "listTime": "1606468572000",
        "optType": "",
        "stk": "",
        "ruleType": "normal",
    }


def okx_spot() -> dict[str, str]:
    return okx_contract("", "", "", "", "USDT") | {
        "instType": "SPOT",
        "instId": "ETH-USDT",
        "uly": "",
        "instFamily": "",
        "baseCcy": "ETH",
        "quoteCcy": "USDT",
        "tickSz": "0.01",
        "lotSz": "0.000001",
        "minSz": "0.0001",
        "maxLmtSz": "999999",
        "ctMult": "",
    }


RAW = [
    okx_contract("linear", "0.01", "BTC", "USDT", "USDT"),
    okx_contract("inverse", "100", "USD", "BTC", "USD"),
    okx_spot(),
]


def rows() -> list[list[str]]:
    """400 closed days and one under way, newest first as OKX sends them: ±1 %, so that a volatility is known."""
    today = int(time.time() * 1000) // DAY * DAY
    closes = [50_000.0 * math.exp(0.01 * (day % 2)) for day in range(400)]
    made = []
    for day, close in enumerate(closes):
        made.append([str(today - DAY * (399 - day)), *[f"{close:.1f}"] * 4, "10", "10", "10", "1"])
    return made[::-1]


def raw_position(instrument: str, size: str, profit: str) -> dict[str, str]:
    return {
        "instType": "SWAP",
        "instId": instrument,
        "pos": size,
        "posSide": "net",
        "mgnMode": "cross",
        "avgPx": "51000",
        "markPx": "50000",
        "upl": profit,
        "uplRatio": "0",
        "lever": "5",
        "liqPx": "",
        "imr": "100",
        "mmr": "10",
        "notionalUsd": "1500",
        "cTime": "1700000000000",
        "uTime": "1700000000000",
        "margin": "",
        "mgnRatio": "10",
        "posId": "1",
        "ccy": "USDT",
    }


def held(coin: str, equity: str, cash: str) -> dict[str, str]:
    return {"ccy": coin, "eq": equity, "cashBal": cash, "availEq": equity, "availBal": equity, "frozenBal": "0"}


ANSWERS = {
    "account/balance": [
        {
            "uTime": "1700000000000",
            "details": [held("USDT", "20000", "20030"), held("BTC", "0.5", "0.5"), held("ETH", "2", "2")],
        }
    ],
    "account/positions": [raw_position("BTC-USDT-SWAP", "-3", "-30"), raw_position("BTC-USD-SWAP", "7", "0.001")],
    "trade/orders-pending": [],
}


def answer(url: str) -> dict[str, Any]:
    """What OKX would send."""
    data = next((found for path, found in ANSWERS.items() if path in url), None)
    return {"code": "0", "msg": "", "data": rows() if "candles" in url else data}


def blocking() -> ccxt.okx:
    exchange = ccxt.okx({"apiKey": "k", "secret": "s", "password": "p", "enableRateLimit": False})
    exchange.set_markets([exchange.parse_market(raw) for raw in RAW])
    exchange.fetch = lambda url, *arguments, **options: answer(url)
    return exchange


def awaiting() -> ccxt.async_support.okx:
    exchange = ccxt.async_support.okx({"apiKey": "k", "secret": "s", "password": "p", "enableRateLimit": False})
    exchange.set_markets([exchange.parse_market(raw) for raw in RAW])

    async def fetch(url: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        return answer(url)

    exchange.fetch = fetch
    return exchange


def test_terms_of_each_kind_of_market() -> None:
    linear, inverse, spot = (ccxt_instrument(blocking(), symbol) for symbol in (LINEAR, INVERSE, SPOT))
    assert (linear.kind, linear.contract_multiplier, linear.lot) == ("linear", Decimal("0.01"), Decimal("0.1"))
    assert (inverse.kind, inverse.contract_multiplier, inverse.lot) == ("inverse", Decimal(100), Decimal(1))
    assert (inverse.settle_currency, inverse.quote_currency) == ("BTC", "USD")
    assert (spot.kind, spot.lot, spot.min_quantity) == ("spot", Decimal("0.000001"), Decimal("0.0001"))


def test_a_whole_account_is_sized(service_url: str) -> None:
    """One contract of 0.01 BTC and one of 100 USD: notionals of the answer are counted by hand."""
    exchange = blocking()
    prices = {"USD": Decimal(1)}
    request = ccxt_request(exchange, {LINEAR: 1, INVERSE: 1, SPOT: 0.5}, policy=POLICY, prices=prices)
    held = {row.symbol: row.quantity for row in request.positions or ()}
    assert held == {LINEAR: Decimal(-3), INVERSE: Decimal(7), SPOT: Decimal(2)}
    with Trimtab(service_url) as client:
        targets = {row.symbol: row for row in client.evaluate(request).targets}
        orders = client.evaluate(request).orders
    assert {row.status for row in targets.values()} <= {"ok", "limited"}
    mark = {LINEAR: 50_000.0, INVERSE: 50_000.0}
    worth = {LINEAR: 0.01 * mark[LINEAR], INVERSE: 100.0}
    for symbol in (LINEAR, INVERSE):
        row = targets[symbol]
        assert float(row.target_notional) == pytest.approx(float(row.target_contracts) * worth[symbol], rel=1e-9)
        assert float(row.target_base) == pytest.approx(float(row.target_notional) / mark[symbol], rel=1e-9)
    for order in orders:
        made = ccxt_order(order)
        assert exchange.amount_to_precision(order.symbol, made["amount"]) == f"{order.contracts:f}"


def test_awaited_ccxt_gives_the_same() -> None:
    async def read() -> Any:
        exchange = awaiting()
        try:
            return await ccxt_request_async(exchange, {LINEAR: 1}, policy=POLICY)
        finally:
            await exchange.close()

    awaited, blocked = asyncio.run(read()), ccxt_request(blocking(), {LINEAR: 1}, policy=POLICY)
    assert members(awaited) | {"as_of": None} == members(blocked) | {"as_of": None}


@pytest.mark.parametrize("name", ["binanceusdm", "bybit", "kraken", "deribit", "coinbase", "kucoin"])
def test_ways_of_stating_a_lot_that_other_venues_use_are_understood(name: str) -> None:
    """Every class of ccxt says how it states precision; a lot comes of all but significant digits."""
    exchange = getattr(ccxt, name)()
    assert exchange.precisionMode in (ccxt.TICK_SIZE, ccxt.DECIMAL_PLACES)
    assert InstrumentIn.model_fields["lot"]
