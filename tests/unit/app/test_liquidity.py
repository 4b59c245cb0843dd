"""Books, pools and flow on the wire: what is refused, and what they become in contracts of an instrument."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from app.translate.instruments import InstrumentKey
from app.translate.liquidity import depths, flows
from models.api.liquidity import BookIn, ConcentratedPoolIn, FlowIn, PoolIn
from services.core.errors import InvalidInput
from services.core.instrument import Instrument, Kind, QuantityUnit
from services.liquidity.book import OrderBook
from services.liquidity.concentrated import ConcentratedPool
from services.liquidity.constant_product import ConstantProductPool
from services.liquidity.depth import DepthState, Side
from services.liquidity.markets import PostedDepth, of_market
from services.liquidity.summary import DepthSummary

NOW = datetime(2026, 11, 20, 0, 0, 5, tzinfo=UTC)
AS_OF = NOW.isoformat()
POOL: TypeAdapter[Any] = TypeAdapter(PoolIn)
LEVELS: dict[str, Any] = {"bids": [[99.9, 2], ["99.8", "3.5"]], "asks": [[100.1, 1.0]]}
PRODUCT = {"kind": "constant_product", "base_reserve": "1000", "quote_reserve": "2000000", "fee": 0.003}
CHAIN = {
    "kind": "concentrated",
    "sqrt_price_x96": str(int(1.0001 ** (200_311 / 2) * 2**96)),
    "liquidity": "1300000000000000000",
    "ticks": [[200_251, "1300000000000000000"], [200_371, "-1300000000000000000"]],
    "base_is_token0": False,
    "base_decimals": 18,
    "quote_decimals": 6,
    "fee": 0.0005,
}


def book(**fields: Any) -> BookIn:
    return BookIn.model_validate({"symbol": "A", "as_of": AS_OF, **(fields or LEVELS)})


def pool(**fields: Any) -> Any:
    return POOL.validate_python({"symbol": "A", "as_of": AS_OF, **fields})


def flow(**fields: Any) -> FlowIn:
    return FlowIn.model_validate({"symbol": "A", "as_of": AS_OF, **fields})


def one(*items: Any, instrument: Instrument | None = None) -> Any:
    """Depth of the one market posted."""
    described: dict[InstrumentKey, Instrument] = {(None, "A"): instrument} if instrument else {}
    books = [item for item in items if isinstance(item, BookIn)]
    pools = [item for item in items if not isinstance(item, BookIn)]
    (posted,) = depths(books, pools, described, NOW).values()
    assert isinstance(posted, PostedDepth)
    assert posted.as_of == NOW
    return posted.depth


class TestBooks:
    def test_levels_become_arrays_with_the_mid_between(self) -> None:
        read = one(book())
        assert isinstance(read, OrderBook)
        assert read.bids.tolist() == [[99.9, 2.0], [99.8, 3.5]]
        assert read.asks.tolist() == [[100.1, 1.0]]
        assert read.bid_ages is None
        assert read.mid == 100.0
        assert not read.inverse

    def test_ages_ride_along(self) -> None:
        read = one(book(bids=[[99.9, 2, 0.5], [99.8, 3, 60]], asks=[[100.1, 1, 5]]))
        assert read.standing(1.0).bids.tolist() == [[99.8, 3.0]]

    def test_an_empty_side_and_a_crossed_book_are_states(self) -> None:
        assert one(book(bids=[], asks=[])).state is DepthState.EMPTY
        assert one(book(bids=[[99.9, 2]], asks=[])).state is DepthState.NO_ASKS
        assert one(book(bids=[[100.2, 2]], asks=[[100.1, 1]])).state is DepthState.CROSSED

    def test_sizes_become_contracts_of_the_instrument(self) -> None:
        """0.01 coins a contract; and 100 dollars a contract, where a coin is as many contracts as its price says."""
        small = Instrument(symbol="A", contract_multiplier=0.01)
        assert one(book(quantity_unit="base", **LEVELS), instrument=small).bids[0, 1] == pytest.approx(200.0)
        assert one(book(quantity_unit="contracts", **LEVELS), instrument=small).bids[0, 1] == 2.0
        assert one(book(), instrument=small).bids[0, 1] == 2.0, "contracts are the unit of this instrument"
        dollars = Instrument(symbol="A", kind=Kind.INVERSE, contract_multiplier=100.0)
        read = one(book(quantity_unit="base", **LEVELS), instrument=dollars)
        assert read.inverse
        assert read.bids[:, 1].tolist() == pytest.approx([2 * 99.9 / 100, 3.5 * 99.8 / 100])
        assert one(book(quantity_unit="quote", **LEVELS), instrument=dollars).asks[0, 1] == pytest.approx(0.01)

    def test_a_summary(self) -> None:
        depth = {"mid": "100", "spread": "0.2", "depth_bid": "50", "depth_ask": "40", "distance": 0.005}
        small = Instrument(symbol="A", contract_multiplier=0.5)
        read = one(book(quantity_unit="base", depth=depth), instrument=small)
        assert read == DepthSummary(mid=100.0, spread=0.2, depth_bid=100.0, depth_ask=80.0, distance=0.005)

    @pytest.mark.parametrize(
        "fields",
        [
            {"bids": [[1, 1]]},
            {"depth": None, "asks": [[1, 1]]},
            {**LEVELS, "depth": {"mid": 1, "spread": 0, "depth_bid": 1, "depth_ask": 1, "distance": 0.1}},
            {"quantity_unit": "base"},
        ],
    )
    def test_has_one_form(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match="give either bids and asks"):
            book(**fields)

    @pytest.mark.parametrize(
        ("bids", "message"),
        [
            ([[1, 1], [1, 1, 1]], "row 1 must have 2 numbers"),
            ([[1]], "row 0 must be"),
            ([1.0], "row 0 must have 2 numbers"),
            ([[1, 0]], "row 0 must hold a price and a size"),
            ([[1, -1]], "row 0 must hold a price and a size"),
            ([[1, 10**400]], "row 0 must hold a price and a size"),
            ([[float("nan"), 1]], "row 0 must hold a price and a size"),
            ([[1, 1], [0.9, float("inf")]], "row 1 must hold a price and a size"),
            ([[1, True]], "row 0 must hold JSON numbers"),
            ([["1_0", 1]], "row 0 must hold JSON numbers"),
            ([["1e3", 1]], "row 0 must hold JSON numbers"),
            ([["١", 1]], "row 0 must hold JSON numbers"),
            ([[1, 1, -1]], "row 0 must hold an age"),
            ([[1, 1, float("nan")]], "row 0 must hold an age"),
            ([[1, 1]] * 5_001, "at most 5000"),
            ({"0": [1, 1]}, "must be a list"),
        ],
    )
    def test_refuses_rows_by_number(self, bids: Any, message: str) -> None:
        with pytest.raises(ValidationError, match=message) as caught:
            book(bids=bids, asks=[[2, 1]])
        assert len(caught.value.errors()) == 1, "a bad list fails at its first row"

    def test_levels_out_of_order_are_named_in_the_request(self) -> None:
        with pytest.raises(InvalidInput) as caught:
            one(book(bids=[[99, 1]], asks=[[101, 1], [100, 1]]))
        assert caught.value.parameter == "books.0.asks.1"

    def test_a_summary_that_contradicts_itself_is_named_in_the_request(self) -> None:
        depth = {"mid": "100", "spread": "2", "depth_bid": "50", "depth_ask": "40", "distance": 0.005}
        with pytest.raises(InvalidInput) as caught:
            one(book(depth=depth))
        assert caught.value.parameter == "books.0.depth.distance"


class TestPools:
    def test_a_product_in_contracts(self) -> None:
        read = one(pool(**PRODUCT), instrument=Instrument(symbol="A", contract_multiplier=0.1))
        assert read == ConstantProductPool(base_reserve=10_000.0, quote_reserve=20_000_000.0, fee=0.003)
        assert read.mid == 2000.0

    def test_a_concentrated_one_as_the_chain_holds_it(self) -> None:
        read = one(pool(**CHAIN))
        assert isinstance(read, ConcentratedPool)
        assert read.mid == pytest.approx(1e12 / 1.0001**200_311, rel=1e-9)
        assert read.state is DepthState.TWO_SIDED
        parts = one(pool(**CHAIN), instrument=Instrument(symbol="A", contract_multiplier=0.1))
        ask = read.largest_within_slippage(Side.BUY, 0.004)
        assert parts.largest_within_slippage(Side.BUY, 0.004) == pytest.approx(10 * ask)
        assert np.isfinite(ask) and ask > 0.0

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"ticks": [[5, 1], [5, 1]]}, "row 1 must lie above"),
            ({"ticks": [[5.5, 1]]}, "row 0 must be"),
            ({"ticks": [[True, 1]]}, "row 0 must be"),
            ({"ticks": [[900_000, 1]]}, "row 0 must be"),
            ({"ticks": [[5, "1.5"]]}, "row 0 must be"),
            ({"ticks": [[5, str(1 << 127)]]}, "row 0 must be"),
            ({"ticks": [[5, "9" * 400]]}, "row 0 must be"),
            ({"ticks": [[5, 1]] * 5_001}, "at most 5000"),
            ({"sqrt_price_x96": "0"}, "integer > 0 of less than 160 bits"),
            ({"sqrt_price_x96": str(1 << 160)}, "integer > 0 of less than 160 bits"),
            ({"sqrt_price_x96": 1.5}, "integer > 0 of less than 160 bits"),
            ({"sqrt_price_x96": True}, "integer > 0 of less than 160 bits"),
            ({"liquidity": str(1 << 128)}, "integer > 0 of less than 128 bits"),
            ({"fee": 0.3}, "less than 0.1"),
            ({"base_decimals": "18"}, "valid integer"),
            ({"base_is_token0": 1}, "valid boolean"),
        ],
    )
    def test_refuses(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(ValidationError, match=message):
            ConcentratedPoolIn.model_validate({"symbol": "A", "as_of": AS_OF, **CHAIN, **changes})

    def test_ticks_that_leave_no_liquidity_are_named_in_the_request(self) -> None:
        with pytest.raises(InvalidInput) as caught:
            one(pool(**{**CHAIN, "ticks": [[200_200, "1300000000000000000"], [200_251, "1300000000000000000"]]}))
        assert caught.value.parameter == "pools.0.ticks"

    def test_an_unknown_kind_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="constant_product"):
            pool(kind="stable_swap")

    def test_is_no_market_of_inverse_contracts(self) -> None:
        with pytest.raises(InvalidInput) as caught:
            one(pool(**PRODUCT), instrument=Instrument(symbol="A", kind=Kind.INVERSE))
        assert caught.value.parameter == "pools.0.symbol"


class TestFlow:
    def test_all_of_it(self) -> None:
        wire = flow(
            order_flow_imbalance=-0.3,
            funding_rate=0.0001,
            funding_interval="PT8H",
            next_funding_at=AS_OF,
            funding_spread=0.05,
            open_interest="1000",
            average_daily_volume="5000.5",
            liquidations={"interval": "PT1H", "long": "12", "short": 3},
        )
        read = flows([wire], {}, NOW)["A", None]
        assert read.funding_carry == pytest.approx(0.1095)
        assert (read.unit, read.average_daily_volume, read.open_interest) == (QuantityUnit.BASE, 5000.5, 1000.0)
        assert (read.long_liquidations, read.short_liquidations, read.liquidation_seconds) == (12.0, 3.0, 3600.0)

    def test_what_is_left_out_is_unknown(self) -> None:
        read = flows([flow()], {}, NOW)["A", None]
        assert read.funding_carry is None
        assert read.order_flow_imbalance is None
        assert read.average_daily_volume is None

    def test_volume_in_the_unit_of_the_instrument(self) -> None:
        coins = Instrument(symbol="A", kind=Kind.INVERSE, contract_multiplier=100.0, quantity_unit=QuantityUnit.QUOTE)
        read = flows([flow(average_daily_volume="5000")], {(None, "A"): coins}, NOW)["A", None]
        assert read.average_daily_volume is not None
        assert coins.contracts(read.average_daily_volume, read.unit, 50_000.0) == 50.0

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"funding_rate": 0.0001}, "goes with funding_interval"),
            ({"funding_rate": 0.01, "funding_interval": "8h"}, "funding_interval"),
            ({"funding_rate": 1.0, "funding_interval": "PT8H"}, "0.1"),
            ({"order_flow_imbalance": 1.5}, "less than or equal to 1"),
            ({"order_flow_imbalance": "0.5"}, "valid number"),
            ({"average_daily_volume": "-1"}, "must be >= 0"),
        ],
    )
    def test_refuses(self, fields: dict[str, Any], message: str) -> None:
        with pytest.raises(ValidationError, match=message):
            flow(**fields)


class TestMarkets:
    def test_the_own_venue_first(self) -> None:
        anywhere, binance = book(), BookIn.model_validate({"symbol": "A", "venue": "binance", "as_of": AS_OF, **LEVELS})
        posted = depths([anywhere, binance], [], {}, NOW)
        assert of_market(posted, "A", "binance") is posted["A", "binance"]
        assert of_market(posted, "A", "okx") is posted["A", None]
        assert of_market(posted, "B", None) is None

    @pytest.mark.parametrize("block", ["books", "pools", "flow"])
    def test_twice_or_in_the_future_is_refused(self, block: str) -> None:
        item: Any = {"books": book(), "pools": pool(**PRODUCT), "flow": flow()}[block]

        def read(*items: Any, latest: datetime = NOW) -> None:
            if block == "flow":
                flows(items, {}, latest)
            else:
                depths(items if block == "books" else (), items if block == "pools" else (), {}, latest)

        read(item)
        with pytest.raises(InvalidInput, match=f"^{block}.1 must not speak of a market twice"):
            read(item, item)
        with pytest.raises(InvalidInput, match=f"^{block}.0.as_of must not lie after"):
            read(item, latest=NOW - timedelta(seconds=1))

    def test_a_book_and_a_pool_of_one_market_are_refused(self) -> None:
        with pytest.raises(InvalidInput, match=r"^pools.0 must not speak of a market that books\[\] speaks of"):
            depths([book()], [pool(**PRODUCT)], {}, NOW)

    def test_what_is_recorded_reads_back(self) -> None:
        for item, adapter in (
            (book(), TypeAdapter(BookIn)),
            (pool(**PRODUCT), POOL),
            (pool(**CHAIN), POOL),
            (flow(open_interest="1.5"), TypeAdapter(FlowIn)),
        ):
            assert adapter.validate_json(adapter.dump_json(item, exclude_none=True)) == item

    def test_their_schemas_can_be_written(self) -> None:
        for adapter in (TypeAdapter(BookIn), POOL, TypeAdapter(FlowIn)):
            assert adapter.json_schema()["description" if adapter is not POOL else "discriminator"]
