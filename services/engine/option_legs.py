"""Option rows as legs of the options package."""

from __future__ import annotations

from datetime import datetime

from services.core.annualization import SECONDS_PER_YEAR
from services.core.book import Row
from services.core.instrument import Kind, Right
from services.options.portfolio_greeks import OptionLeg, leg_greeks


def option_leg(row: Row, contracts: float, as_of: datetime) -> OptionLeg | None:
    """Leg of an option row; None where the implied volatility or the forward is missing."""
    instrument = row.instrument
    forward = row.forward
    if instrument.strike is None or instrument.expiry is None or row.implied_volatility is None or forward is None:
        return None
    return OptionLeg(
        quantity=contracts,
        multiplier=instrument.contract_multiplier,
        right=1 if instrument.right is Right.CALL else -1,
        strike=instrument.strike,
        forward=forward,
        time_to_expiry=(instrument.expiry - as_of).total_seconds() / SECONDS_PER_YEAR,
        volatility=row.implied_volatility,
        coin_settled=instrument.coin_settled,
    )


def premium_adjusted_delta(row: Row, as_of: datetime) -> float | None:
    """Delta of the whole position [base units], premium-adjusted for coin-settled options; the client's own Greeks
    win.
    """
    if row.own_greeks is not None:
        return row.own_greeks.delta
    if row.instrument.kind is not Kind.OPTION:
        return None
    leg = option_leg(row, float(row.quantity), as_of)
    return None if leg is None else leg_greeks(leg).delta
