"""From a ccxt exchange to an evaluation, and from its orders back to ``create_order``.

::

    exchange = ccxt.okx({"apiKey": …, "secret": …, "password": …, "options": {"defaultType": "swap"}})
    request = ccxt_request(
        exchange, {"BTC/USDT:USDT": 1.0, "ETH/USDT:USDT": -0.5},
        policy=PolicyIn(sizing=VolatilityTarget(target_volatility=0.2)), timeframe="1d",
    )
    for order in Trimtab().evaluate(request).orders:
        exchange.create_order(**ccxt_order(order))

With an exchange of `ccxt.async_support`: ``await ccxt_request_async(…)``. ccxt itself is not imported.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from trimtab_client.decimals import plain
from trimtab_client.models import (
    AccountIn,
    CollateralIn,
    EvaluationRequest,
    FxIn,
    InstrumentIn,
    OrderOut,
    PolicyIn,
    PolicyReference,
    PositionIn,
    PreviousIn,
    SeriesIn,
    SignalIn,
)

TICK_SIZE, DECIMAL_PLACES = 4, 2
"""`exchange.precisionMode`; ccxt's third, significant digits, gives no lot."""
_TIMEFRAME = re.compile(r"(\d{1,3})([smhdw])\Z")
Policy = PolicyIn | PolicyReference | Mapping[str, Any]


class CannotTranslate(ValueError):
    """What the exchange says is not enough for a size that could be relied on; the text says what to pass instead."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Call this method of the exchange."""

    method: str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def ccxt_request(exchange: Any, directions: Mapping[str, float], **options: Any) -> EvaluationRequest:
    """Everything that one evaluation of an account needs, read from an exchange.

    Parameters
    ----------
    exchange : ccxt.Exchange
        With keys, unless `equity` is given and no balance is needed.
    directions : mapping
        Unified symbol to direction in [-1, 1]; 0 says: be flat.
    policy : PolicyIn, PolicyReference or mapping
        How to size.
    timeframe : str
        Of the bars, such as ``1d`` (default) or ``4h``.
    bars : int
        How many, default 400.
    currency : str, optional
        Of the account; default: what the first symbol is quoted in.
    equity : Decimal, optional
        Default: see `equity_of`.
    prices : mapping
        Price of a coin in the account currency where no symbol says it.
    portfolio_id, previous : optional
        As in an evaluation.
    as_of : datetime, optional
        Default: now.
    open_orders : bool
        Read the open orders too (default), where the exchange can: they count as if they were filled.

    Raises
    ------
    CannotTranslate
        If a market, position or balance lacks what a size depends on.
    """
    reading = _read(exchange, directions, **options)
    step = next(reading)
    while True:
        result = getattr(exchange, step.method)(*step.arguments, **step.options)
        try:
            step = reading.send(result)
        except StopIteration as end:
            request: EvaluationRequest = end.value
            return request


async def ccxt_request_async(exchange: Any, directions: Mapping[str, float], **options: Any) -> EvaluationRequest:
    """`ccxt_request` for an exchange of ``ccxt.async_support`` or ``ccxt.pro``."""
    reading = _read(exchange, directions, **options)
    step = next(reading)
    while True:
        result = await getattr(exchange, step.method)(*step.arguments, **step.options)
        try:
            step = reading.send(result)
        except StopIteration as end:
            request: EvaluationRequest = end.value
            return request


def ccxt_order(order: OrderOut) -> dict[str, Any]:
    """Arguments of ``exchange.create_order`` for an order of an answer.

    The amount is a number, as ccxt asks for it: contracts on a contract market, base coins on a spot market. The id
    of the order makes it the same order when it is sent twice.
    """
    parameters: dict[str, Any] = {"clientOrderId": order.client_order_id, "timeInForce": order.time_in_force}
    if order.reduce_only:
        parameters["reduceOnly"] = True
    return {
        "symbol": order.symbol,
        "type": "limit",
        "side": order.side,
        "amount": float(order.contracts),
        "price": float(order.limit_price),
        "params": parameters,
    }


def ccxt_instrument(exchange: Any, symbol: str) -> InstrumentIn:
    """Contract terms of a unified symbol, from the markets that the exchange has loaded.

    Lot, least and greatest quantity are contracts, of `contractSize` base coins each where linear, and of
    `contractSize` in the quote currency where inverse. An option, and an inverse contract that settles in neither of
    its two currencies (quanto), is not translated.
    """
    market = exchange.market(symbol)
    kind = _kind(market)
    limits = market.get("limits") or {}
    terms: dict[str, Any] = {
        "symbol": symbol,
        "venue": exchange.id,
        "kind": kind,
        "base_currency": market["base"],
        "quote_currency": market["quote"],
        "quantity_unit": "base" if kind == "spot" else "contracts",
        "lot": _step(exchange, market, "amount"),
        "tick": _step(exchange, market, "price"),
        "min_quantity": _bound(limits, "amount", "min"),
        "max_quantity": _bound(limits, "amount", "max"),
    }
    if kind != "spot":
        terms |= {"contract_multiplier": _contract_size(market), "settle_currency": market["settle"]}
    if kind != "inverse":  # there, venues state it in contracts or not at all
        terms["min_notional"] = _bound(limits, "cost", "min")
    return InstrumentIn(**{name: value for name, value in terms.items() if value is not None})


def equity_of(total: Decimal, open_profit: Decimal) -> Decimal:
    """Equity of a coin's balance: ``total + min(0, profit of open positions)``.

    Some venues report the wallet balance as ccxt's ``total``, some the margin balance, which holds the profit already,
    and ccxt does not say which. The sum with a loss is right for the first kind and too small for the second; a gain
    is left out. So it never says more than there is; pass `equity` where you know it.
    """
    return total + min(Decimal(0), open_profit)


def interval_of(timeframe: str) -> str:
    """ISO 8601 duration of a ccxt timeframe.

    >>> [interval_of(text) for text in ("1d", "4h", "15m", "1w")]
    ['P1D', 'PT4H', 'PT15M', 'P1W']
    """
    found = _TIMEFRAME.match(timeframe)
    if not found:
        raise CannotTranslate(f"timeframe must be a number with s, m, h, d or w, such as '4h', found {timeframe!r:.20}")
    count, unit = found.groups()
    return f"P{count}{unit.upper()}" if unit in "dw" else f"PT{count}{unit.upper()}"


@dataclass(frozen=True, slots=True)
class _Account:
    """What was read."""

    balance: Mapping[str, Any] | None
    positions: Sequence[Mapping[str, Any]]
    orders: Mapping[str, Sequence[Mapping[str, Any]]]
    bars: Mapping[str, list[list[float]]]


def _read(
    exchange: Any,
    directions: Mapping[str, float],
    *,
    policy: Policy,
    timeframe: str = "1d",
    bars: int = 400,
    currency: str | None = None,
    equity: Decimal | None = None,
    prices: Mapping[str, Decimal] | None = None,
    portfolio_id: str | None = None,
    previous: PreviousIn | Mapping[str, Any] | None = None,
    as_of: datetime | None = None,
    open_orders: bool = True,
) -> Generator[Fetch, Any, EvaluationRequest]:
    if not directions:
        raise CannotTranslate("directions must name at least one symbol")
    yield Fetch("load_markets")
    symbols = list(directions)
    instruments = [ccxt_instrument(exchange, symbol) for symbol in symbols]
    contracts = [item.symbol for item in instruments if item.kind != "spot"]
    coins_move = any(item.kind in ("spot", "inverse") for item in instruments)
    balance = (yield Fetch("fetch_balance")) if equity is None or coins_move else None
    positions = (yield Fetch("fetch_positions", (contracts,))) if contracts else ()
    orders, candles = {}, {}
    for symbol in symbols:
        if open_orders and exchange.has.get("fetchOpenOrders"):
            orders[symbol] = yield Fetch("fetch_open_orders", (symbol,))
        candles[symbol] = yield Fetch("fetch_ohlcv", (symbol, timeframe), {"limit": bars})
    account = _Account(balance=balance, positions=positions, orders=orders, bars=candles)
    unit = currency or str(instruments[0].quote_currency)
    rows = [row for item in instruments for row in _rows(account, item)]
    worth = _Prices(unit, instruments, rows, account.bars, prices or {})
    held, collateral = _holdings(account, instruments, worth, equity)
    members: dict[str, Any] = {
        "as_of": as_of or datetime.now(UTC),
        "account": AccountIn(equity=held, currency=unit, collateral=collateral),
        "instruments": instruments,
        "positions": rows,
        "series": [
            SeriesIn(symbol=symbol, interval=interval_of(timeframe), ohlcv=account.bars[symbol], calendar="24/7")
            for symbol in symbols
        ],
        "signals": [
            SignalIn(symbol=symbol, venue=exchange.id, direction=direction) for symbol, direction in directions.items()
        ],
        "fx": [FxIn(currency=other, rate=worth.of(other)) for other in worth.others()],
        "policy": policy,
    }
    optional = {"portfolio_id": portfolio_id, "previous": previous}
    return EvaluationRequest(**members, **{name: value for name, value in optional.items() if value is not None})


def _rows(account: _Account, instrument: InstrumentIn) -> list[PositionIn]:
    """Positions of a symbol with its open orders; one of quantity 0 where there is none."""
    orders = account.orders.get(instrument.symbol, ())
    working = {
        "open_buys": _remaining(orders, "buy"),
        "open_sells": _remaining(orders, "sell"),
    }
    common = {"symbol": instrument.symbol, "venue": instrument.venue, "quantity_unit": instrument.quantity_unit}
    if instrument.kind == "spot":
        total = ((account.balance or {}).get("total") or {}).get(instrument.base_currency)
        return [PositionIn(**common, **working, quantity=_exact(total or 0))]
    found = [one for one in account.positions if one["symbol"] == instrument.symbol and one.get("contracts")]
    if not found:
        return [PositionIn(**common, **working, quantity=Decimal(0))]
    # Of two sides that are held at once, the orders stand with the first: their sum is what counts.
    return [PositionIn(**common, **_held(one), **(working if one is found[0] else {})) for one in found]


def _held(position: Mapping[str, Any]) -> dict[str, Any]:
    side = position.get("side")
    if side not in ("long", "short"):
        raise CannotTranslate(f"{position['symbol']}: side must be long or short, found {side!r:.20}")
    size = abs(_exact(position["contracts"]))
    row: dict[str, Any] = {"quantity": size if side == "long" else -size}
    for name, key in (("mark_price", "markPrice"), ("entry_price", "entryPrice")):
        if position.get(key):
            row[name] = _exact(position[key])
    if position.get("hedged"):
        row["position_side"] = side
    if position.get("marginMode") == "isolated":
        if not position.get("collateral"):
            raise CannotTranslate(
                f"{position['symbol']}: the exchange does not say the collateral of the isolated position"
            )
        row |= {"margin_mode": "isolated", "isolated_margin": _exact(position["collateral"])}
    return row


def _remaining(orders: Iterable[Mapping[str, Any]], side: str) -> Decimal:
    sizes = [order.get("remaining", order.get("amount")) or 0 for order in orders if order.get("side") == side]
    return sum(map(_exact, sizes), Decimal(0))


class _Prices:
    """Price of each coin in the account currency, from the caller, marks and closes."""

    def __init__(
        self,
        unit: str,
        instruments: Sequence[InstrumentIn],
        rows: Sequence[PositionIn],
        bars: Mapping[str, list[list[float]]],
        given: Mapping[str, Decimal],
    ) -> None:
        self._unit, self._instruments = unit, instruments
        marks = {row.symbol: row.mark_price for row in rows if row.mark_price is not None}
        known = {
            str(item.base_currency): marks.get(item.symbol) or _exact(bars[item.symbol][-1][4])
            for item in reversed(instruments)
            if item.quote_currency == unit and bars[item.symbol]
        }
        self._known = known | dict(given) | {unit: Decimal(1)}

    def of(self, coin: str) -> Decimal:
        """Price of one coin."""
        if coin not in self._known:
            raise CannotTranslate(f"no price of {coin} in {self._unit}: pass prices={{'{coin}': …}}")
        return self._known[coin]

    def others(self) -> list[str]:
        """Currencies of the instruments that are not the account's."""
        named = {code for item in self._instruments for code in (item.quote_currency, item.settle_currency) if code}
        return sorted(named - {self._unit})


def _holdings(
    account: _Account, instruments: Sequence[InstrumentIn], worth: _Prices, equity: Decimal | None
) -> tuple[Decimal, list[CollateralIn]]:
    """Equity in the account currency, and the coins behind it whose price moves."""
    if account.balance is None:
        return equity or Decimal(0), []
    total = account.balance.get("total") or {}
    settled = {item.settle_currency or item.quote_currency for item in instruments}
    spot = {item.base_currency for item in instruments if item.kind == "spot"}
    worth_of_coins, collateral = Decimal(0), []
    for coin in sorted({str(code) for code in settled | spot}):
        amount = equity_of(_exact(total.get(coin) or 0), _open_profit(account, instruments, coin))
        worth_of_coins += amount * worth.of(coin)
        if any(item.kind == "inverse" and item.settle_currency == coin for item in instruments):
            collateral.append(CollateralIn(asset=coin, amount=amount, price=worth.of(coin)))
    return (worth_of_coins if equity is None else equity), collateral


def _open_profit(account: _Account, instruments: Sequence[InstrumentIn], coin: str) -> Decimal:
    settled = {item.symbol for item in instruments if item.settle_currency == coin}
    profits = [one.get("unrealizedPnl") or 0 for one in account.positions if one["symbol"] in settled]
    return sum(map(_exact, profits), Decimal(0))


def _kind(market: Mapping[str, Any]) -> str:
    if market.get("option"):
        raise CannotTranslate(f"{market['symbol']}: options are not translated; describe them in the request yourself")
    if not market.get("contract"):
        return "spot"
    if market.get("linear") and market["settle"] == market["quote"]:
        return "linear"
    if market.get("inverse") and market["settle"] == market["base"]:
        return "inverse"
    raise CannotTranslate(f"{market['symbol']}: settles in {market.get('settle')}, which is neither linear nor inverse")


def _contract_size(market: Mapping[str, Any]) -> Decimal:
    if not market.get("contractSize"):
        raise CannotTranslate(f"{market['symbol']}: the exchange does not say the size of a contract")
    return _exact(market["contractSize"])


def _step(exchange: Any, market: Mapping[str, Any], name: str) -> Decimal | None:
    value = (market.get("precision") or {}).get(name)
    if value is None:
        return None
    if exchange.precisionMode == TICK_SIZE:
        return _exact(value) or None
    return Decimal(1).scaleb(-int(value)) if exchange.precisionMode == DECIMAL_PLACES else None


def _bound(limits: Mapping[str, Any], name: str, end: str) -> Decimal | None:
    value = (limits.get(name) or {}).get(end)
    return _exact(value) if value else None


def _exact(value: Any) -> Decimal:
    """The decimal that a venue meant by a number: the shortest that reads back as it, within the wire's 18 places."""
    exact = Decimal(str(value))
    if not exact.is_finite():
        raise CannotTranslate(f"must be a finite number, found {value!r:.40}")
    return Decimal(plain(round(exact, 18).normalize()))


__all__ = [
    "CannotTranslate",
    "ccxt_instrument",
    "ccxt_order",
    "ccxt_request",
    "ccxt_request_async",
    "equity_of",
    "interval_of",
]
