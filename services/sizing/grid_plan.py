"""The plan of a grid: as many levels as range, budget and bounds allow, in exact decimals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import NamedTuple

from services.core.decimals import to_tick
from services.core.instrument import Kind
from services.core.outcome import Reason
from services.sizing.grid import Grid, GridLevel, GridMarket, GridPlan, GridRefusal
from services.sizing.grid_risk import ONE, ZERO, Bound, Side, WorstCase

RESERVE = Decimal("1.05")
"""Over the venue's minimum notional, so that an order is still legal once the price has moved a little."""
DAYS_PER_YEAR = 365.0
DIGITS = 60
"""Of the decimals inside: products of prices, sizes and multipliers are exact."""


def plan_grid(grid: Grid, market: GridMarket) -> GridPlan | GridRefusal:
    """Levels of a grid, or why there are none and what would do.

    Raises
    ------
    InvalidInput
        As `Grid.check`.

    Notes
    -----
    O(levels²) in exact decimals where the budget is short, O(levels) else.

    Examples
    --------
    >>> from services.core.instrument import Instrument
    >>> terms = {"low": Decimal(80), "high": Decimal(120), "stop_low": Decimal(70), "budget": Decimal(1000)}
    >>> instrument = Instrument(symbol="X", lot=Decimal("0.1"), tick=Decimal("0.5"))
    >>> market = GridMarket(instrument=instrument, mark=Decimal(100))
    >>> plan = plan_grid(Grid(side="long_only", max_levels=4, **terms), market)
    >>> [(str(level.price), str(level.contracts)) for level in plan.levels], str(plan.committed)
    ([('80', '6.2'), ('91.5', '5.4')], '990.1000')
    """
    grid.check(market)
    with localcontext(prec=DIGITS):
        return _Planner(grid, market).plan()


class _Orders(NamedTuple):
    """Levels of one count: those that open, with bounds on them, and those that close inventory."""

    opening: list[tuple[int, Decimal]]
    closing: list[tuple[int, Decimal]]
    bounds: list[Bound]


class _Planner:
    """One grid in one market: what is the same for every number of levels."""

    def __init__(self, grid: Grid, market: GridMarket) -> None:
        self.grid, self.market, self.instrument = grid, market, market.instrument
        self.fee = Decimal(repr(grid.fee_rate))
        tick = self.instrument.tick
        # Inside the range: a level that is rounded away from the mark must not leave it.
        self.low = grid.low if tick is None else (grid.low / tick).to_integral_value(ROUND_CEILING) * tick
        self.high = grid.high if tick is None else (grid.high / tick).to_integral_value(ROUND_FLOOR) * tick
        self.sides = {sign: self._side(sign) for sign in (1, -1)}
        self.least_step = max(grid.spacing.step(market.volatility), 2.0 * grid.fee_rate)

    def _side(self, sign: int) -> Side | None:
        stop = self.grid.stop_low if sign > 0 else self.grid.stop_high
        if stop is None or not (self.grid.buys if sign > 0 else self.grid.sells):
            return None
        return Side(
            instrument=self.instrument,
            sign=sign,
            stop=stop,
            fee_rate=self.fee,
            held=self.market.inventory,
            mark=self.market.mark,
        )

    @property
    def _opening(self) -> list[int]:
        """Signs of the orders that open a position."""
        return [sign for sign, side in self.sides.items() if side is not None]

    def plan(self) -> GridPlan | GridRefusal:
        """The largest number of levels of which every order is legal and every bound holds."""
        ends = (float(self.low), float(self.high), float(self.market.mark))
        fitting = self.grid.spacing.most(*ends, self.least_step) if self.low < self.high else 0
        count = min(fitting, self.grid.max_levels)
        if count < self.grid.spacing.fewest:
            detail = f"the range holds fewer than {self.grid.spacing.fewest} levels {self.least_step:.6g} apart"
            return GridRefusal(Reason.NO_LEVEL, detail)
        largest = self.instrument.max_quantity
        if largest is not None and largest < self.instrument.lot * max(self._smallest(sign) for sign in self._opening):
            return GridRefusal(Reason.LIMIT, f"the smallest legal order is larger than max_quantity ({largest:f})")
        bound = "max_levels" if fitting > self.grid.max_levels else "step"
        last: tuple[_Orders, Bound] | None = None
        for levels in range(count, self.grid.spacing.fewest - 1, -1):
            orders = self._orders(levels)
            if not orders.opening:
                break
            if levels == count and (full := self._in_full(orders)) is not None:
                return self._told(orders, *full, bound)
            smallest = [self._smallest(sign) for sign, _ in orders.opening]
            notionals = self._notionals(orders, smallest)
            broken = next((item for item in orders.bounds if item.load(notionals) > item.room), None)
            if broken is None:
                return self._told(orders, smallest, "minimum", last[1].name if last else bound)
            last = (orders, broken)
        return self._refused(last)

    def _orders(self, count: int) -> _Orders:
        """Levels at which orders rest, and the bounds on those that open a position."""
        mark, tick = self.market.mark, self.instrument.tick
        opening: list[tuple[int, Decimal]] = []
        closing: list[tuple[int, Decimal]] = []
        found = self.grid.spacing.prices(float(self.low), float(self.high), float(mark), self.least_step, count)
        seen: dict[tuple[Decimal, int], None] = {}
        for price in found:
            exact = Decimal(f"{price:.12g}")
            sign = (exact < mark) - (exact > mark)
            if sign:
                seen[min(max(to_tick(price, tick, up=sign < 0), self.low), self.high), sign] = None
        for level, sign in seen:
            (opening if self.sides[sign] is not None else closing).append((sign, level))
        return _Orders(opening, closing, self._bounds(opening))

    def _bounds(self, opening: Sequence[tuple[int, Decimal]]) -> list[Bound]:
        grid, market = self.grid, self.market
        bounds = [Bound("budget", grid.budget, tuple(ONE + self.fee for _ in opening))]
        for side in filter(None, self.sides.values()):
            mine = [price if sign == side.sign else None for sign, price in opening]
            if grid.risk_budget is not None:
                weights = tuple(ZERO if price is None else side.loss_weight(price) for price in mine)
                bounds.append(Bound("risk_budget", grid.risk_budget - side.held_loss(), weights))
                largest = grid.risk_budget / self._deviation()
                weights = tuple(ZERO if price is None else ONE for price in mine)
                bounds.append(Bound("volatility", largest - side.held_notional(), weights))
            if grid.max_leverage is not None and market.equity is not None:
                weights = tuple(ZERO if price is None else side.margin_weight(price) for price in mine)
                largest = market.equity * Decimal(repr(grid.max_leverage))
                bounds.append(Bound("max_leverage", largest - side.held_margin(), weights))
        return [bound for bound in bounds if any(bound.weights)]

    def _deviation(self) -> Decimal:
        """What κ standard deviations over the horizon take of the inventory [fraction]."""
        assert self.market.volatility is not None
        days = self.grid.horizon_days / DAYS_PER_YEAR
        return Decimal(repr(self.market.volatility * math.sqrt(days) * self.grid.confidence_factor))

    def _lot_value(self, price: Decimal) -> Decimal:
        multiplier = Decimal(repr(self.instrument.contract_multiplier)) * self.instrument.lot
        return multiplier if self.instrument.kind is Kind.INVERSE else multiplier * price

    def _smallest(self, sign: int) -> int:
        """Lots of the smallest order that is legal at every level of a side, which is that of its lowest price."""
        lowest = self.low if sign > 0 else max(self.low, self.market.mark)
        by_notional = Decimal(repr(self.instrument.min_notional)) * RESERVE / self._lot_value(lowest)
        by_quantity = self.instrument.min_quantity / self.instrument.lot
        return max(1, *(int(size.to_integral_value(ROUND_CEILING)) for size in (by_notional, by_quantity)))

    def _notionals(self, orders: _Orders, lots: Sequence[int]) -> list[Decimal]:
        return [size * self._lot_value(price) for size, (_, price) in zip(lots, orders.opening, strict=True)]

    def _in_full(self, orders: _Orders) -> tuple[list[int], str] | None:
        """Lots of every level where all share alike, and what bounds them; None where some would be too small."""
        sizes = [(found, bound.name) for bound in orders.bounds if (found := bound.largest()) is not None]
        notional, name = min(sizes)
        if notional <= 0:
            return None
        # Rounded down far below a lot, so that no digit lost in a division breaks a bound.
        notional = notional.quantize(Decimal("1e-20"), ROUND_FLOOR)
        lots = [int(notional // self._lot_value(price)) for _, price in orders.opening]
        if any(size < self._smallest(sign) for size, (sign, _) in zip(lots, orders.opening, strict=True)):
            return None
        largest = self.instrument.max_quantity
        if largest is None or max(lots) * self.instrument.lot <= largest:
            return lots, name
        return [min(size, int(largest // self.instrument.lot)) for size in lots], "max_quantity"

    def _closing(self, orders: _Orders) -> list[GridLevel]:
        """Inventory shared by the levels that close it, the nearest first where it does not reach for all."""
        held = int(abs(self.market.inventory) // self.instrument.lot)
        exempt = self.instrument.kind is not Kind.SPOT
        nearest = sorted(orders.closing, key=lambda item: abs(item[1] - self.market.mark))
        smallest = 1 if exempt or not nearest else self._smallest(nearest[0][0])
        count = min(len(nearest), held // smallest)
        if not count:
            return []
        size = held // count
        if self.instrument.max_quantity is not None:
            size = min(size, int(self.instrument.max_quantity // self.instrument.lot))
        return [self._level(sign, price, size, closes=True) for sign, price in nearest[:count]]

    def _level(self, sign: int, price: Decimal, lots: int, *, closes: bool) -> GridLevel:
        return GridLevel(sign, price, lots * self.instrument.lot, lots * self._lot_value(price), closes)

    def _told(self, orders: _Orders, lots: Sequence[int], size_bound: str, count_bound: str) -> GridPlan:
        opening = [
            self._level(sign, price, size, closes=False)
            for (sign, price), size in zip(orders.opening, lots, strict=True)
        ]
        worst = {sign: self._worst(sign, opening) for sign in (1, -1)}
        levels = sorted([*opening, *self._closing(orders)], key=lambda level: level.price)
        return GridPlan(
            levels=tuple(levels),
            committed=sum((level.notional for level in opening), ZERO) * (ONE + self.fee),
            least_step=self.least_step,
            low=worst[1],
            high=worst[-1],
            size_bound=size_bound,
            count_bound=count_bound,
        )

    def _worst(self, sign: int, opening: Sequence[GridLevel]) -> WorstCase | None:
        side = self.sides[sign]
        if side is None:
            return None
        leverage = self.grid.max_leverage or self.instrument.max_leverage
        if leverage is None and self.instrument.kind is Kind.SPOT:
            leverage = 1.0
        orders = [(level.price, level.contracts) for level in opening if level.side == sign]
        return side.worst(orders, None if leverage is None else Decimal(repr(leverage)))

    def _refused(self, last: tuple[_Orders, Bound] | None) -> GridRefusal:
        """What the fewest levels would need, of every bound that they break."""
        if last is None:
            where = "below" if self.grid.side == "long_only" else "above"
            detail = f"no level lies {where} the mark of {self.market.mark:f}, where {self.grid.side} opens"
            return GridRefusal(Reason.NO_LEVEL, detail)
        orders, broken = last
        notionals = self._notionals(orders, [self._smallest(sign) for sign, _ in orders.opening])
        least: dict[str, Decimal] = {}
        for bound in orders.bounds:
            over = bound.load(notionals) - bound.room
            if over > 0:
                name, amount = self._needed(bound.name, over)
                least[name] = max(amount, least.get(name, ZERO))
        text = ", ".join(f"{name} of {amount:f}" for name, amount in least.items())
        reason = Reason.BUDGET_TOO_SMALL if broken.name == "budget" else Reason.LIMIT
        count = len(orders.opening)
        detail = f"{broken.name} does not pay for {count} order{'s'[: count > 1]} of the smallest size; needed: {text}"
        return GridRefusal(reason, detail, least)

    def _needed(self, name: str, over: Decimal) -> tuple[str, Decimal]:
        """Field that would have to be larger, and to what; rounded up to eight digits after the point."""
        grid, market = self.grid, self.market
        if name == "budget":
            found = ("budget", grid.budget + over)
        elif name == "max_leverage":
            assert market.equity is not None
            found = ("equity", market.equity + over / Decimal(repr(grid.max_leverage)))
        else:
            assert grid.risk_budget is not None
            factor = self._deviation() if name == "volatility" else ONE
            found = ("risk_budget", grid.risk_budget + over * factor)
        return found[0], found[1].quantize(Decimal("1e-8"), ROUND_CEILING)
