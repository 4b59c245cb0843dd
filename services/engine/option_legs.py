"""Greeks of the rows that have them: options under the model, and positions that bring their own."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.core.annualization import SECONDS_PER_YEAR
from services.core.book import Row
from services.core.instrument import Kind, Right
from services.core.outcome import Reason
from services.options.portfolio_greeks import LegGreeks, OptionLeg, legs_greeks


def row_greeks(rows: tuple[Row, ...], contracts: list[float], as_of: datetime) -> list[LegGreeks | None]:
    """Greeks of each whole position, in one pass over all options; the client's own win.

    None for linear rows, and for options whose implied volatility or forward is unknown.
    """
    legs = [option_leg(row, size, as_of) for row, size in zip(rows, contracts, strict=True)]
    modelled = iter(legs_greeks([leg for leg in legs if leg is not None]))
    found = [None if leg is None else sliding(next(modelled), row) for leg, row in zip(legs, rows, strict=True)]
    return [own_greeks(row) if row.own_greeks is not None else leg for row, leg in zip(rows, found, strict=True)]


def sliding(greeks: LegGreeks, row: Row) -> LegGreeks:
    """Greeks of a smile that moves with the price: ``delta + vega · (dσ/d ln F) / F``."""
    if not row.skew_slope or not row.forward:
        return greeks
    more = 100.0 * greeks.vega_per_point * row.skew_slope / row.forward
    return replace(greeks, delta=greeks.delta + more, skew_delta=more)


def own_greeks(row: Row) -> LegGreeks:
    """Greeks that a client brings: gamma per unit of price becomes a change per 1 % at the row's price, vega and theta
    in the account currency become quote currency; NaN where that needs a conversion that is unknown.
    """
    own = row.own_greeks
    assert own is not None
    price = row.forward or (row.price.value if row.price else 0.0)
    fx = row.fx or float("nan")
    return LegGreeks(
        delta=own.delta,
        gamma_1pct=own.gamma * price / 100.0,
        vega_per_point=own.vega and own.vega / fx,
        theta_per_day=own.theta and own.theta / fx,
    )


def option_leg(row: Row, contracts: float, as_of: datetime) -> OptionLeg | None:
    """Leg of an option row; None where the implied volatility or the forward is missing."""
    instrument = row.instrument
    expired = row.problem is Reason.EXPIRED
    if instrument.kind is not Kind.OPTION or expired or row.implied_volatility is None or row.forward is None:
        return None
    assert instrument.strike is not None
    assert instrument.expiry is not None
    return OptionLeg(
        quantity=contracts,
        multiplier=instrument.contract_multiplier,
        right=1 if instrument.right is Right.CALL else -1,
        strike=instrument.strike,
        forward=row.forward,
        time_to_expiry=(instrument.expiry - as_of).total_seconds() / SECONDS_PER_YEAR,
        volatility=row.implied_volatility,
        coin_settled=instrument.coin_settled,
        averaged_settlement=instrument.averaged_settlement,
    )
