"""Where the profit of a position between two snapshots came from: its Greeks at the start, trades, cash, the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

from services.core.errors import Refusal
from services.core.outcome import Reason
from services.options.black import ONE_DAY, SETTLEMENT_MINUTES, black_price
from services.options.portfolio_greeks import MINUTES_PER_YEAR, LegGreeks, OptionLeg, legs_greeks
from services.options.positions import Leg, LinearLeg, OwnLeg, price_of

EXPIRY_TOLERANCE = 1e-6
"""Years (32 s) by which the expiries of two snapshots of one contract may differ."""
QUANTITY_TOLERANCE = 1e-9


class Trade(NamedTuple):
    """A trade between the snapshots: signed contracts, and the price in the unit in which the instrument is quoted:
    quote per base, for a coin-settled option coin per base.
    """

    quantity: float
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CashFlows:
    """What was received (> 0) or paid (< 0) between the snapshots [quote]: funding, fees, and what else a position
    carries (interest, staking, fees that a pool pays).
    """

    funding: float = 0.0
    fees: float = 0.0
    carry: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitLines:
    """Profit and loss by its origin [quote]; `residual` makes the lines add up to the total.

    Parameters
    ----------
    delta, gamma, vega, theta : float
        First order, and the second order of the price, in the Greeks at the start.
    vanna, volga : float
        The other second orders.
    trades : float
        From trades since they were made: ``Σ dq (V_1 − p)``.
    collateral : float
        Coin held as collateral, at the new price less at the old.
    funding, fees, carry : float
        As they were told.
    residual : float
        Third orders and more, moves of what is no Greek here, and errors of the data.
    """

    delta: float = 0.0
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0
    vanna: float = 0.0
    volga: float = 0.0
    trades: float = 0.0
    collateral: float = 0.0
    funding: float = 0.0
    fees: float = 0.0
    carry: float = 0.0
    residual: float = 0.0

    @property
    def total(self) -> float:
        """Sum of all lines."""
        return math.fsum(getattr(self, name) for name in LINES)


LINES = tuple(field.name for field in fields(ProfitLines))


def summed_lines(items: Iterable[ProfitLines]) -> ProfitLines:
    """Sum, line by line."""
    found = list(items)
    return ProfitLines(**{name: math.fsum(getattr(item, name) for item in found) for name in LINES})


def explain_position(
    before: Leg, after: Leg, *, years: float, trades: Sequence[Trade] = (), cash: CashFlows | None = None
) -> ProfitLines | Refusal:
    r"""Profit and loss of one position between two snapshots, by its origin.

    What was held at the start earns ``q_0 (V_1 − V_0)``, coin-settled ``q_0 (V_1/F_1 − V_0/F_0)`` of coin, worth
    ``q_0 (V_1 − V_0 F_1/F_0)``; of that

    ``Δ δF + ½ Γ δF² + vega δσ + Θ δt + vanna δF δσ + ½ volga δσ²``

    is explained by the Greeks at the start, Δ premium-adjusted where coin-settled, and the rest is residual.

    Parameters
    ----------
    before, after : Leg
        The same contract at the start and at the end, each with its quantity.
    years : float
        Time between the snapshots [years of 365 days], >= 0.
    trades : sequence of Trade
        All trades between them. None for a changed quantity: the change is taken as traded at the end, without profit.
    cash : CashFlows, optional

    Returns
    -------
    ProfitLines or Refusal
        A refusal where the snapshots do not belong together or lack a value.

    Notes
    -----
    An option that expires in between is worth its pay-off at the end, where `forward` is the delivery price; its
    volatility then no longer moves. Profit in coin is converted at the contract's own price at the end, as a ladder
    does.

    Examples
    --------
    >>> perpetual = LinearLeg(kind="inverse", quantity=-100, multiplier=10, price=50_000.0)
    >>> lines = explain_position(perpetual, replace(perpetual, price=55_000.0), years=1 / 365)
    >>> round(lines.delta, 9), lines.total == lines.delta
    (-100.0, True)
    """
    if (refusal := _mismatch(before, after, years, trades)) is not None:
        return refusal
    flows = cash or CashFlows()
    lines = ProfitLines(
        **_explained(before, after, years),
        trades=math.fsum(_trade_profit(after, trade) for trade in trades),
        funding=flows.funding,
        fees=flows.fees,
        carry=flows.carry,
    )
    held = _held_profit(before, after)
    greeks = math.fsum((lines.delta, lines.gamma, lines.vega, lines.theta, lines.vanna, lines.volga))
    return replace(lines, residual=held - greeks)


def _explained(before: Leg, after: Leg, years: float) -> dict[str, float]:
    greeks = _greeks(before)
    start = price_of(before)
    move = price_of(after) - start
    points = _volatility_points(before, after)
    days = min(years, _life(before)) / ONE_DAY
    return {
        "delta": greeks.delta * move,
        "gamma": 0.5 * greeks.gamma_1pct * 100.0 / start * move**2,
        "vega": greeks.vega_per_point * points,
        "theta": greeks.theta_per_day * days,
        "vanna": greeks.vanna_per_point * points * move,
        "volga": 0.5 * greeks.volga_per_point * points**2,
    }


def _greeks(leg: Leg) -> LegGreeks:
    return legs_greeks([leg])[0] if isinstance(leg, OptionLeg) else leg.greeks


def _life(leg: Leg) -> float:
    return max(leg.time_to_expiry, 0.0) if leg.time_to_expiry is not None else math.inf


def _volatility_points(before: Leg, after: Leg) -> float:
    if isinstance(before, LinearLeg) or isinstance(after, LinearLeg) or _life(after) == 0.0:
        return 0.0
    if before.volatility is None or after.volatility is None:
        return 0.0
    return 100.0 * (after.volatility - before.volatility)


def _held_profit(before: Leg, after: Leg) -> float:
    if isinstance(before, OptionLeg) and isinstance(after, OptionLeg):
        then, now = _unit_value(before), _unit_value(after)
        grown = after.forward / before.forward if before.coin_settled else 1.0
        return before.quantity * before.multiplier * (now - then * grown)
    if isinstance(before, OwnLeg) and isinstance(after, OwnLeg):
        return after.greeks.value - before.greeks.value
    return _greeks(before).delta * (price_of(after) - price_of(before))


def _unit_value(leg: OptionLeg) -> float:
    terms = (leg.forward, leg.strike, leg.time_to_expiry, leg.volatility, leg.right)
    return float(black_price(*terms, discount=leg.discount))


def _trade_profit(after: Leg, trade: Trade) -> float:
    if isinstance(after, OptionLeg):
        paid = trade.price * after.forward if after.coin_settled else trade.price
        return trade.quantity * after.multiplier * (_unit_value(after) - paid)
    assert isinstance(after, LinearLeg)
    if after.kind == "inverse":
        return trade.quantity * after.multiplier * (after.price / trade.price - 1.0)
    return trade.quantity * after.multiplier * (after.price - trade.price)


def _mismatch(before: Leg, after: Leg, years: float, trades: Sequence[Trade]) -> Refusal | None:
    if _terms(before) != _terms(after) or not _ages(before, after, years):
        return Refusal(Reason.TRADES_UNMATCHED, "the two snapshots describe different contracts under one symbol")
    if isinstance(before, OwnLeg) and isinstance(after, OwnLeg):
        if trades:
            detail = "trades cannot be counted on a position that brings its own figures: split the period at the trade"
            return Refusal(Reason.TRADES_UNMATCHED, detail)
        if not (before.valued and after.valued):
            return Refusal(Reason.DATA_REQUIRED, "it has no value in one of the snapshots, so its profit is unknown")
        return None
    assert isinstance(before, OptionLeg | LinearLeg)
    assert isinstance(after, OptionLeg | LinearLeg)
    changed, traded = after.quantity - before.quantity, math.fsum(trade.quantity for trade in trades)
    if trades and abs(changed - traded) > QUANTITY_TOLERANCE * max(abs(before.quantity), abs(after.quantity), 1.0):
        detail = f"the quantity changed by {changed:.12g}, and the trades sum to {traded:.12g}"
        return Refusal(Reason.TRADES_UNMATCHED, detail)
    if any(
        isinstance(leg, OptionLeg)
        and leg.averaged_settlement
        and 0.0 < leg.time_to_expiry * MINUTES_PER_YEAR < SETTLEMENT_MINUTES
        for leg in (before, after)
    ):
        detail = "within the settlement window its value depends on the average so far, which is not known"
        return Refusal(Reason.DATA_REQUIRED, detail)
    return None


def _ages(before: Leg, after: Leg, years: float) -> bool:
    """Whether what expires is nearer to its expiry by the time between the snapshots."""
    if before.time_to_expiry is None or after.time_to_expiry is None:
        return before.time_to_expiry is after.time_to_expiry
    return abs(before.time_to_expiry - after.time_to_expiry - years) <= EXPIRY_TOLERANCE


def _terms(leg: Leg) -> tuple[object, ...]:
    if isinstance(leg, OptionLeg):
        return ("option", leg.strike, leg.right, leg.multiplier, leg.coin_settled)
    if isinstance(leg, LinearLeg):
        return (leg.kind, leg.multiplier)
    return ("own",)
