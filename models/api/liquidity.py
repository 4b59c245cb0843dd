"""Wire models of liquidity: order books or summaries of them, pools, flow and funding."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PlainValidator, Strict, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import (
    DECIMAL_PATTERN,
    Interval,
    Model,
    Name,
    NonNegativeDecimal,
    Number,
    PositiveDecimal,
    Symbol,
    Time,
)

MAX_LEVELS = 5_000
MAX_TICKS = 5_000
SMALLEST, LARGEST = 1e-18, 1e20
"""Least and largest price and size, as of every decimal."""
LONGEST_STANDING = 3.2e9
"""Age of an order [s]: a hundred years."""
_PLAIN = re.compile(DECIMAL_PATTERN[:-1] + r"\Z", re.ASCII)
_WHOLE = re.compile(r"(?:0|[1-9][0-9]{0,48})\Z", re.ASCII)
_SIGNED_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,48})\Z", re.ASCII)
LARGEST_TICK = 887_272
"""Tick of the largest price of Uniswap v3."""
LARGEST_NET = 1 << 127


def _levels(value: Any) -> list[list[float]]:
    """Rows [price, size], or all of them [price, size, age in seconds]."""
    if type(value) is not list or len(value) > MAX_LEVELS:
        raise PydanticCustomError("levels", "must be a list of at most 5000 rows [price, size], best first")
    width = len(value[0]) if value and type(value[0]) is list else 2
    if width not in (2, 3):
        raise PydanticCustomError("levels", "row 0 must be [price, size] or [price, size, age_seconds]")
    return [_level(row, width, index) for index, row in enumerate(value)]


def _level(row: Any, width: int, index: int) -> list[float]:
    if type(row) is not list or len(row) != width:
        text = "row {index} must have {width} numbers, like row 0"
        raise PydanticCustomError("levels", text, {"index": index, "width": width})
    numbers = [_number(item, index) for item in row]
    if not all(SMALLEST <= item <= LARGEST for item in numbers[:2]):
        text = "row {index} must hold a price and a size within 1e-18 and 1e20"
        raise PydanticCustomError("levels", text, {"index": index})
    if width == 3 and not 0.0 <= numbers[2] <= LONGEST_STANDING:
        raise PydanticCustomError("levels", "row {index} must hold an age in seconds, >= 0", {"index": index})
    return [float(item) for item in numbers]


def _number(item: Any, index: int) -> float | int:
    if type(item) is float or type(item) is int:
        return item
    if type(item) is str and _PLAIN.match(item):
        return float(item)
    text = "row {index} must hold JSON numbers or plain decimal strings only"
    raise PydanticCustomError("levels", text, {"index": index})


def _ticks(value: Any) -> list[tuple[int, int]]:
    """Rows [tick index, net liquidity], both integers; the net as a string where it is large."""
    if type(value) is not list or len(value) > MAX_TICKS:
        raise PydanticCustomError("ticks", "must be a list of at most 5000 rows [index, liquidity_net]")
    ticks = [_tick(row, index) for index, row in enumerate(value)]
    for index, ((lower, _), (upper, _)) in enumerate(pairwise(ticks), start=1):
        if upper <= lower:
            raise PydanticCustomError("ticks", "row {index} must lie above the tick before it", {"index": index})
    return ticks


def _tick(row: Any, index: int) -> tuple[int, int]:
    if type(row) is list and len(row) == 2 and type(row[0]) is int and abs(row[0]) <= LARGEST_TICK:
        text = row[1]
        net = int(text) if type(text) is int or (type(text) is str and _SIGNED_WHOLE.match(text)) else LARGEST_NET
        if -LARGEST_NET < net < LARGEST_NET:
            return row[0], net
    message = "row {index} must be [index, liquidity_net]: a tick within ±887272, and an integer of less than 128 bits"
    raise PydanticCustomError("ticks", message, {"index": index})


def _whole(bits: int) -> PlainValidator:
    """Integer > 0 of less than so many bits, as a JSON integer or a string of digits."""

    def check(value: Any) -> int:
        if type(value) is int or (type(value) is str and _WHOLE.match(value)):
            number = int(value)
            if 0 < number < 1 << bits:
                return number
        text = "must be an integer > 0 of less than {bits} bits: send it as a string of digits"
        raise PydanticCustomError("integer", text, {"bits": bits})

    return PlainValidator(check)


# JSON integers of more than 64 bits are not read back by every reader, ours among them.
_AS_DIGITS = PlainSerializer(str, return_type=str, when_used="json")
_NUMBER: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": DECIMAL_PATTERN}]}
_INTEGER: dict[str, Any] = {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^-?[0-9]{1,49}$"}]}
_ROW: dict[str, Any] = {"type": "array", "minItems": 2, "maxItems": 3, "items": _NUMBER}
_TICK_ROW: dict[str, Any] = {"type": "array", "minItems": 2, "maxItems": 2, "items": _INTEGER}
Levels = Annotated[
    list[list[float]],
    PlainValidator(_levels),
    WithJsonSchema({"type": "array", "maxItems": MAX_LEVELS, "items": _ROW}),
]
"""Rows [price, size] or [price, size, age_seconds], best first."""

Ticks = Annotated[
    list[tuple[int, int]],
    PlainValidator(_ticks),
    PlainSerializer(lambda ticks: [[index, str(net)] for index, net in ticks], when_used="json"),
    WithJsonSchema({"type": "array", "maxItems": MAX_TICKS, "items": _TICK_ROW}),
]
"""Rows [index, liquidity_net]."""

Fee = Annotated[Number, Field(ge=0, lt=0.1)]
Unit = Literal["base", "contracts", "quote"]


class DepthIn(Model):
    """Four figures of a book, where the book itself is not at hand; depth is taken as even up to `distance`."""

    mid: PositiveDecimal
    spread: NonNegativeDecimal = Field(description="Best ask minus best bid.")
    depth_bid: NonNegativeDecimal = Field(description="Size of the bids within `distance` of the mid.")
    depth_ask: NonNegativeDecimal = Field(description="Size of the asks within `distance` of the mid.")
    distance: Annotated[Number, Field(gt=0, lt=1)] = Field(description="Fraction of the mid: 0.005 is 0.5 %.")
    age_seconds: Annotated[Number, Field(ge=0, le=LONGEST_STANDING)] | None = Field(
        None, description="How long that depth has stood."
    )


class BookIn(Model):
    """Order book of a market: `bids` and `asks`, or a summary in `depth`.

    An empty side is legal and means what it says: then nothing is increased. So does a book whose sides cross.
    """

    symbol: Symbol
    venue: Name | None = None
    as_of: Time = Field(description="When the book was so.")
    quantity_unit: Unit | None = Field(None, description="Unit of the sizes; default: that of the instrument.")
    bids: Levels | None = Field(
        None, description="Rows [price, size], or [price, size, age_seconds]: how long the level has stood. Best first."
    )
    asks: Levels | None = Field(None, description="As bids.")
    depth: DepthIn | None = None

    @model_validator(mode="after")
    def _one_form(self) -> BookIn:
        levels = self.bids is not None and self.asks is not None
        if (self.bids is None) != (self.asks is None) or levels == (self.depth is not None):
            text = "give either bids and asks (an empty list for a side without orders) or depth, not both"
            raise PydanticCustomError("book_form", text)
        return self


class ConstantProductPoolIn(Model):
    """Pool of constant product, such as Uniswap v2, in whole tokens."""

    kind: Literal["constant_product"]
    symbol: Symbol
    venue: Name | None = None
    as_of: Time
    base_reserve: PositiveDecimal
    quote_reserve: PositiveDecimal
    fee: Fee = Field(description="Share of what is paid in: 0.003 is 0.3 %.")


class ConcentratedPoolIn(Model):
    """Pool of concentrated liquidity, such as Uniswap v3, as the chain holds it."""

    kind: Literal["concentrated"]
    symbol: Symbol
    venue: Name | None = None
    as_of: Time
    sqrt_price_x96: Annotated[
        int,
        _whole(160),
        _AS_DIGITS,
        WithJsonSchema(_INTEGER | {"description": "slot0.sqrtPriceX96, token1 per token0."}),
    ]
    liquidity: Annotated[int, _whole(128), _AS_DIGITS, WithJsonSchema(_INTEGER | {"description": "Active liquidity."})]
    ticks: Ticks = Field(
        description="Initialised ticks, rising: [index, liquidity_net]. Nothing beyond the outermost is counted."
    )
    base_is_token0: Annotated[bool, Strict()]
    base_decimals: Annotated[int, Strict(), Field(ge=0, le=36)]
    quote_decimals: Annotated[int, Strict(), Field(ge=0, le=36)]
    fee: Fee = Field(description="Share of what is paid in: 0.0005 is 0.05 %.")


PoolIn = Annotated[ConstantProductPoolIn | ConcentratedPoolIn, Field(discriminator="kind")]
"""Automated market maker, told apart by `kind`."""


class LiquidationsIn(Model):
    """Positions that the venue closed by force within the last `interval`."""

    interval: Interval
    long: NonNegativeDecimal
    short: NonNegativeDecimal


class FlowIn(Model):
    """Order flow, funding and volume of a market; what is not known is left out."""

    symbol: Symbol
    venue: Name | None = None
    as_of: Time
    quantity_unit: Unit | None = Field(
        None, description="Unit of volume, open interest and liquidations; default: that of the instrument."
    )
    order_flow_imbalance: Annotated[Number, Field(ge=-1, le=1)] | None = Field(
        None, description="Signed order flow over all order flow: 1 where there is buying only."
    )
    funding_rate: Annotated[Number, Field(ge=-0.1, le=0.1)] | None = Field(
        None, description="Paid by longs to shorts each funding_interval; a fraction: 0.0001 is 0.01 %."
    )
    funding_interval: Interval | None = Field(None, description="Goes with funding_rate: PT8H, PT1H.")
    next_funding_at: Time | None = None
    funding_spread: Annotated[Number, Field(ge=-100, le=100)] | None = Field(
        None, description="Annual carry here minus that on another venue; a fraction."
    )
    open_interest: NonNegativeDecimal | None = None
    average_daily_volume: NonNegativeDecimal | None = None
    liquidations: LiquidationsIn | None = None

    @model_validator(mode="after")
    def _funding(self) -> FlowIn:
        if (self.funding_rate is None) != (self.funding_interval is None):
            text = "funding_rate goes with funding_interval, the time for which it is paid: give both or neither"
            raise PydanticCustomError("funding_form", text)
        return self
