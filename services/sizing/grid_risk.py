"""What a grid may come to: bounds on its orders, and the worst case of each side at its stop.

Everything is counted in the quote currency. The loss of an inverse contract is paid in its coin; it is valued at the
stop, where ``n M (1/p − 1/s)`` coins are ``n M (1 − s/p)``: the same fraction of the notional as for a linear contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from services.core.instrument import Instrument, Kind

ONE, ZERO = Decimal(1), Decimal(0)


class Bound(NamedTuple):
    """``Σ weight × notional ≤ room`` over the orders that open a position; `name` is of the field that asks for it."""

    name: str
    room: Decimal
    weights: tuple[Decimal, ...]

    def largest(self) -> Decimal | None:
        """Largest notional of every order alike; None where the bound does not concern them."""
        total = sum(self.weights, ZERO)
        return self.room / total if total > 0 else None

    def load(self, notionals: Sequence[Decimal]) -> Decimal:
        """What orders take of the room."""
        return sum((weight * size for weight, size in zip(self.weights, notionals, strict=True)), ZERO)


class WorstCase(NamedTuple):
    """Every order of one side filled, none of the other, and the price at the stop.

    `contracts` and `notional` are of the inventory at entry prices, what was held before at the mark; `average_price`
    of the orders alone, None without any. `loss` is against today's equity and never below 0; `margin` at the larger of
    both notionals, None without a leverage. `loss_in_coin` for inverse contracts.
    """

    stop: Decimal
    contracts: Decimal
    average_price: Decimal | None
    notional: Decimal
    loss: Decimal
    margin: Decimal | None
    loss_in_coin: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a grid: `sign` +1 for buys that end at `stop` below, -1 for sells that end at one above.

    Parameters
    ----------
    fee_rate : Decimal
        Of each fill, also of the one at the stop [fraction of notional].
    held : Decimal
        Inventory before, signed [contracts].
    mark : Decimal
        [price].
    """

    instrument: Instrument
    sign: int
    stop: Decimal
    fee_rate: Decimal
    held: Decimal
    mark: Decimal

    @property
    def multiplier(self) -> Decimal:
        """Exact contract multiplier."""
        return Decimal(repr(self.instrument.contract_multiplier))

    @property
    def inverse(self) -> bool:
        """Whether the notional of a contract does not depend on the price."""
        return self.instrument.kind is Kind.INVERSE

    def notional(self, contracts: Decimal, price: Decimal) -> Decimal:
        """|notional| [quote]."""
        return abs(contracts) * (self.multiplier if self.inverse else self.multiplier * price)

    def growth(self, price: Decimal) -> Decimal:
        """Notional at the stop over that at the entry."""
        return ONE if self.inverse else self.stop / price

    def loss_weight(self, price: Decimal) -> Decimal:
        """Loss at the stop with both fees, over the notional of an order at `price`."""
        return self.sign * (ONE - self.stop / price) + self.fee_rate * (ONE + self.growth(price))

    def margin_weight(self, price: Decimal) -> Decimal:
        """Largest notional on the way to the stop, over that of an order at `price`."""
        return max(ONE, self.growth(price))

    def loss(self, contracts: Decimal, price: Decimal) -> Decimal:
        """Loss of signed contracts from a price to the stop, without fees; exact where no coin is converted."""
        if self.inverse:
            return self.multiplier * contracts * (ONE - self.stop / price)
        return self.multiplier * contracts * (price - self.stop)

    def held_loss(self) -> Decimal:
        """Loss of what is held from the mark to the stop, with the fee of closing it; negative for a gain."""
        return self.loss(self.held, self.mark) + self.fee_rate * self.notional(self.held, self.stop)

    def held_notional(self) -> Decimal:
        """Notional of what is held, positive where it is on this side, at the mark."""
        return self.notional(self.held, self.mark).copy_sign(self.held * self.sign)

    def held_margin(self) -> Decimal:
        """The same at its largest on the way to the stop; what is on the other side relieves by its smallest."""
        at_mark = self.held_notional()
        return max(at_mark, at_mark * self.growth(self.mark))

    def worst(self, orders: Sequence[tuple[Decimal, Decimal]], leverage: Decimal | None) -> WorstCase:
        """Worst case of orders (price, contracts > 0) on this side."""
        filled = sum((size for _, size in orders), ZERO)
        sizes = [(price, self.notional(size, price)) for price, size in orders]
        entered = sum((size for _, size in sizes), ZERO)
        fees = sum((self.notional(size, price) + self.notional(size, self.stop) for price, size in orders), ZERO)
        losses = sum((self.loss(self.sign * size, price) for price, size in orders), ZERO)
        loss = max(self.held_loss() + losses + self.fee_rate * fees, ZERO)
        margin = self.held_margin() + sum((self.margin_weight(price) * size for price, size in sizes), ZERO)
        return WorstCase(
            stop=self.stop,
            contracts=self.held + self.sign * filled,
            average_price=self._average(orders, filled, entered) if filled else None,
            notional=max(entered + self.held_notional(), ZERO),
            loss=loss,
            margin=None if leverage is None else max(margin, ZERO) / leverage,
            loss_in_coin=loss / self.stop if self.inverse else None,
        )

    def _average(self, orders: Sequence[tuple[Decimal, Decimal]], filled: Decimal, entered: Decimal) -> Decimal:
        if self.inverse:
            return filled / sum((size / price for price, size in orders), ZERO)
        return entered / (filled * self.multiplier)
