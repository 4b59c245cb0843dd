"""Books, pools and flow of the wire as domain objects by (symbol, venue), in contracts of the instrument."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

import numpy as np

from app.translate.instruments import InstrumentKey, assumed_instrument, find
from models.api.liquidity import BookIn, ConcentratedPoolIn, ConstantProductPoolIn, FlowIn
from services.core.annualization import parse_interval
from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.core.instrument import Instrument, Kind, QuantityUnit
from services.liquidity.book import OrderBook
from services.liquidity.concentrated import ConcentratedPool
from services.liquidity.constant_product import ConstantProductPool
from services.liquidity.depth import Depth
from services.liquidity.flow import Flow
from services.liquidity.markets import MarketKey, PostedDepth
from services.liquidity.summary import DepthSummary

POOLED_KINDS = frozenset({Kind.SPOT, Kind.LINEAR})
PoolWire = ConstantProductPoolIn | ConcentratedPoolIn


class _Posted(Protocol):
    @property
    def symbol(self) -> str: ...
    @property
    def venue(self) -> str | None: ...
    @property
    def as_of(self) -> datetime: ...


Item = TypeVar("Item", bound=_Posted)


def depths(
    books: Sequence[BookIn],
    pools: Sequence[PoolWire],
    described: Mapping[InstrumentKey, Instrument],
    latest: datetime,
) -> dict[MarketKey, PostedDepth]:
    """Books and pools by market, sizes in contracts of its instrument.

    Parameters
    ----------
    latest : datetime
        Time after which nothing may be dated: `as_of` of the request, with the skew that clocks are allowed.

    Raises
    ------
    InvalidInput
        Naming the book or pool: levels out of order, a time in the future, a market named twice, a pool of an
        instrument that is no spot and no linear contract.
    """
    found: dict[MarketKey, PostedDepth] = {}
    for pointer, book in _distinct("books", books, latest):
        instrument = find(described, book.venue, book.symbol) or assumed_instrument(book.symbol)
        found[book.symbol, book.venue] = PostedDepth(
            _at(f"{pointer}.depth" if book.depth else pointer, book_depth, book, instrument), book.as_of
        )
    for pointer, pool in _distinct("pools", pools, latest):
        key = (pool.symbol, pool.venue)
        if key in found:
            rule = "must not speak of a market that books[] speaks of: send one of them"
            raise InvalidInput(pointer, rule, pool.symbol)
        instrument = find(described, pool.venue, pool.symbol) or assumed_instrument(pool.symbol)
        found[key] = PostedDepth(_at(pointer, pool_depth, pool, instrument), pool.as_of)
    return found


def flows(
    items: Sequence[FlowIn], described: Mapping[InstrumentKey, Instrument], latest: datetime
) -> dict[MarketKey, Flow]:
    """Flow by market; volumes stay in their unit, because contracts of some need a price (`Instrument.contracts`).

    Raises
    ------
    InvalidInput
        For a time in the future, or a market named twice.
    """
    found: dict[MarketKey, Flow] = {}
    for _, item in _distinct("flow", items, latest):
        instrument = find(described, item.venue, item.symbol) or assumed_instrument(item.symbol)
        found[item.symbol, item.venue] = _flow(item, instrument)
    return found


def _flow(item: FlowIn, instrument: Instrument) -> Flow:
    forced = item.liquidations
    return Flow(
        as_of=item.as_of,
        unit=QuantityUnit(item.quantity_unit or instrument.quantity_unit),
        order_flow_imbalance=item.order_flow_imbalance,
        funding_rate=item.funding_rate,
        funding_interval_seconds=float(parse_interval(item.funding_interval)) if item.funding_interval else None,
        next_funding_at=item.next_funding_at,
        funding_spread=item.funding_spread,
        average_daily_volume=float(item.average_daily_volume) if item.average_daily_volume is not None else None,
        open_interest=float(item.open_interest) if item.open_interest is not None else None,
        long_liquidations=float(forced.long) if forced else None,
        short_liquidations=float(forced.short) if forced else None,
        liquidation_seconds=float(parse_interval(forced.interval)) if forced else None,
    )


def book_depth(item: BookIn, instrument: Instrument) -> OrderBook | DepthSummary:
    """Book or summary, in contracts of the instrument."""
    unit = QuantityUnit(item.quantity_unit or instrument.quantity_unit)
    if item.depth is not None:
        mid = float(item.depth.mid)
        bid, ask = (
            instrument.contracts(float(size), unit, mid) for size in (item.depth.depth_bid, item.depth.depth_ask)
        )
        return DepthSummary(
            mid=mid,
            spread=float(item.depth.spread),
            depth_bid=bid,
            depth_ask=ask,
            distance=item.depth.distance,
            age_seconds=item.depth.age_seconds,
        )
    bids, bid_ages = _levels(item.bids or [], instrument, unit)
    asks, ask_ages = _levels(item.asks or [], instrument, unit)
    return OrderBook(
        bids=bids, asks=asks, bid_ages=bid_ages, ask_ages=ask_ages, inverse=instrument.kind is Kind.INVERSE
    )


def _levels(rows: list[list[float]], instrument: Instrument, unit: QuantityUnit) -> tuple[Floats, Floats | None]:
    """(price and contracts, ages) of the rows of one side."""
    if not rows:
        return np.empty((0, 2)), np.empty(0)
    sizes = [instrument.contracts(row[1], unit, row[0]) for row in rows]
    levels = np.column_stack([np.array([row[0] for row in rows]), np.array(sizes)])
    return levels, np.array([row[2] for row in rows]) if len(rows[0]) == 3 else None


def pool_depth(item: PoolWire, instrument: Instrument) -> ConstantProductPool | ConcentratedPool:
    """Pool, in contracts of the instrument; spot and linear only."""
    if instrument.kind not in POOLED_KINDS:
        raise InvalidInput("symbol", "of a pool must be a spot or linear instrument", instrument.kind.value)
    multiplier = instrument.contract_multiplier
    if isinstance(item, ConstantProductPoolIn):
        base, quote = float(item.base_reserve) / multiplier, float(item.quote_reserve) / multiplier
        return ConstantProductPool(base_reserve=base, quote_reserve=quote, fee=item.fee)
    return ConcentratedPool.from_chain(
        sqrt_price_x96=item.sqrt_price_x96,
        liquidity=item.liquidity,
        ticks=item.ticks,
        base_is_token0=item.base_is_token0,
        base_decimals=item.base_decimals,
        quote_decimals=item.quote_decimals,
        fee=item.fee,
        base_per_contract=multiplier,
    )


def _at(pointer: str, make: Callable[[Item, Instrument], Depth], item: Item, instrument: Instrument) -> Depth:
    """What `make` makes of an item; its errors name where in the request they are."""
    try:
        return make(item, instrument)
    except InvalidInput as error:
        error.parameter = f"{pointer}.{error.parameter}"
        raise


def _distinct(block: str, items: Iterable[Item], latest: datetime) -> Iterator[tuple[str, Item]]:
    """(pointer, item) of a block whose items speak of one market each, none of them of the future."""
    seen: set[MarketKey] = set()
    for index, item in enumerate(items):
        if item.as_of > latest:
            raise InvalidInput(
                f"{block}.{index}.as_of", f"must not lie after {latest.isoformat()}", item.as_of.isoformat()
            )
        if (item.symbol, item.venue) in seen:
            raise InvalidInput(f"{block}.{index}", "must not speak of a market twice", item.symbol, "send the newest")
        seen.add((item.symbol, item.venue))
        yield f"{block}.{index}", item
