"""Orders: bundles of legs with ids that a retry cannot double, a worst price and an expiry."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from services.core.annualization import SECONDS_PER_YEAR
from services.core.decimals import to_tick
from services.core.instrument import Kind
from services.engine.columns import BookColumns
from services.engine.costs import half_spreads
from services.engine.inputs import EvaluationInputs
from services.engine.option_legs import option_leg
from services.engine.outputs import Hedge, Order, Target
from services.options.portfolio_greeks import leg_greeks
from services.sizing.rounding import Leg

LARGEST_MOVE = 5.0
"""Log return beyond which a collar is no protection: a factor of 148."""
LARGEST_SPREAD = 0.9
"""Half spread beyond which the price of an option says nothing [fraction]."""
DEFAULT_VOLATILITY = 1.0
"""Annual volatility behind the price collar of a row without a forecast: a wide one, for hedges on unforecast
markets.
"""


def bundle_id(evaluation_id: str, row: int) -> str:
    """30 hexadecimal digits, a function of evaluation and row only; with two digits for the leg, a client order id.

    Examples
    --------
    >>> bundle_id("ev_1", 0) == bundle_id("ev_1", 0) != bundle_id("ev_1", 1)
    True
    """
    return hashlib.sha256(f"{evaluation_id}/{row}".encode()).hexdigest()[:30]


def collar_price(mark: float, volatility: float, sigmas: float, seconds: float, *, buy: bool) -> float:
    """Worst acceptable price: ``mark · exp(± sigmas · σ · sqrt(t))`` over the life of the order."""
    move = min(sigmas * volatility * (seconds / SECONDS_PER_YEAR) ** 0.5, LARGEST_MOVE)
    return float(mark * np.exp(move if buy else -move))


def option_collar(inputs: EvaluationInputs, index: int) -> tuple[float, float]:
    """Relative move of an option's price over that of its underlying, ``|Δ| F / V``; and the half spread of its book,
    or that of the policy on the underlying [fractions of the option's price].

    The worst price of an option allows for both: its price moves more, and its spread is wider, than the underlying's.
    """
    row = inputs.rows[index]
    leg = option_leg(row, 1.0, inputs.as_of)
    assert leg is not None
    greeks = leg_greeks(leg)
    notional = row.instrument.contract_multiplier * leg.forward
    own, value = float(half_spreads(inputs)[index]), max(greeks.value, 1e-9 * notional)
    spread = inputs.policy.costs.half_spread * notional / value if np.isnan(own) else own
    return abs(greeks.delta_black) * leg.forward / value, min(spread, LARGEST_SPREAD)


def make_orders(
    inputs: EvaluationInputs,
    columns: BookColumns,
    targets: tuple[Target, ...],
    hedges: tuple[Hedge, ...],
    valid_until: datetime,
) -> tuple[Order, ...]:
    """Orders of all rows that change and of the hedges, reduce-only legs first.

    Notes
    -----
    A book that is decided on several times may have traded between two decisions without their knowing: sent twice, an
    increase would be made twice. So decisions on one snapshot give an increase the same client order id, which a venue
    takes once. A reduction has an id of its own in each decision: sent twice it ends at zero, and the larger one of a
    later decision must not be refused.
    """
    wanted: list[tuple[int, tuple[Leg, ...]]] = []
    for index, target in enumerate(targets):
        if target.legs:
            wanted.append((index, target.legs))
    wanted += [(hedge.row, hedge.legs) for hedge in hedges if hedge.legs]
    legs = [(index, number, leg) for index, of_row in wanted for number, leg in enumerate(of_row)]
    legs.sort(key=lambda item: not item[2].reduce_only)
    return tuple(
        _order(inputs, columns, index, number, leg, sequence, valid_until)
        for sequence, (index, number, leg) in enumerate(legs)
    )


def _order(
    inputs: EvaluationInputs,
    columns: BookColumns,
    index: int,
    number: int,
    leg: Leg,
    sequence: int,
    valid_until: datetime,
) -> Order:
    row, rules, readout = inputs.rows[index], inputs.policy.orders, columns.states[index].readout
    assert row.price is not None
    buy = leg.quantity > 0
    volatility = readout.volatility if readout else DEFAULT_VOLATILITY
    mark = row.price.value
    if row.instrument.kind is Kind.OPTION:
        elasticity, spread = option_collar(inputs, index)
        volatility, mark = volatility * elasticity, mark * (1.0 + spread if buy else 1.0 - spread)
    price = collar_price(mark, volatility, rules.collar_sigmas, rules.valid_for_seconds, buy=buy)
    limit: Decimal = to_tick(price, row.instrument.tick, up=not buy)
    if limit <= 0 and row.instrument.tick is not None:
        limit = row.instrument.tick  # the lowest price that there is
    expiry = min(valid_until, inputs.as_of + timedelta(seconds=rules.valid_for_seconds))
    bundle = bundle_id(inputs.evaluation_id, index)
    seed = bundle_id(inputs.snapshot_id, index) if inputs.snapshot_id and not leg.reduce_only else bundle
    return Order(index, sequence, f"{seed}{number:02x}", bundle, leg.quantity, leg.reduce_only, limit, expiry)
