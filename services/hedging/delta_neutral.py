"""From a delta to trade to whole lots of the instrument that hedges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from services.core.decimals import lots_toward_zero
from services.core.errors import InvalidInput
from services.core.instrument import Instrument, Kind
from services.core.outcome import Reason
from services.hedging.registry import HedgeTrigger

HEDGING_KINDS = frozenset({Kind.SPOT, Kind.LINEAR, Kind.INVERSE})


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeDecision:
    """What a trigger decided on one underlying.

    Parameters
    ----------
    delta_before, delta_after : float
        Net delta without and with the hedge [base units].
    threshold : float
        Band of the trigger [base units].
    contracts : Decimal
        Signed contracts to trade, whole lots; 0 for none.
    reason : Reason
        `NONE` for a hedge, `WITHIN_BUFFER` inside the band, `BELOW_LOT` where the delta is less than one lot.
    """

    delta_before: float
    delta_after: float
    threshold: float
    contracts: Decimal
    reason: Reason


def hedge_contracts(traded_delta: float, instrument: Instrument, price: float, lot: Decimal | None = None) -> Decimal:
    r"""Signed contracts that trade a delta, in whole lots toward zero: a hedge never over-hedges.

    Spot and linear: ``delta / M``. Inverse: ``delta · price / M``, as one contract carries M/price of base.

    Parameters
    ----------
    traded_delta : float
        Delta to add to the book [base units, positive = buy].
    instrument : Instrument
        Spot, linear or inverse.
    price : float
        Mark of the hedge instrument [quote per base].
    lot : Decimal, optional
        Lot [contracts]; by default the instrument's.

    Returns
    -------
    Decimal
        [contracts].

    Raises
    ------
    InvalidInput
        If the instrument is an option or a quanto, the price is not positive or the delta is not finite.

    Notes
    -----
    What rounding leaves is less than one lot of delta. A quanto's base delta needs a conversion rate that an
    `Instrument` does not carry.

    Examples
    --------
    >>> inverse = Instrument(symbol="BTC-PERPETUAL", kind=Kind.INVERSE, contract_multiplier=10.0, lot=Decimal(1))
    >>> hedge_contracts(-3.0, inverse, 60_000.0)
    Decimal('-18000')
    """
    if instrument.kind not in HEDGING_KINDS:
        raise InvalidInput("hedging.instrument", "must be spot, linear or inverse", instrument.kind.value)
    if not (price > 0.0 and math.isfinite(price)):
        raise InvalidInput("price", "must be > 0 and finite", price)
    if not math.isfinite(traded_delta):
        raise InvalidInput("traded_delta", "must be finite", traded_delta)
    return lots_toward_zero(traded_delta / instrument.base_per_contract(price), instrument.lot if lot is None else lot)


def decide_hedge(net_delta: float, trigger: HedgeTrigger, instrument: Instrument, price: float) -> HedgeDecision:
    """Hedge of one underlying: the trigger's delta, in whole lots.

    Parameters
    ----------
    net_delta : float
        Net delta of the underlying, premium-adjusted where coin-settled, coin collateral counted once [base units].
    trigger : HedgeTrigger
        When to trade, and to where.
    instrument, price
        As in `hedge_contracts`.

    Examples
    --------
    >>> perp = Instrument(symbol="BTC-PERP", lot=Decimal("0.1"))
    >>> decision = decide_hedge(0.77, HedgeTrigger(instrument="BTC-PERP", max_delta=0.5), perp, 60_000.0)
    >>> decision.contracts, round(decision.delta_after, 9), str(decision.reason)
    (Decimal('-0.7'), 0.07, 'none')
    """
    wanted = trigger.decide(net_delta)
    contracts = Decimal(0) if wanted is None else hedge_contracts(wanted, instrument, price)
    reason = Reason.WITHIN_BUFFER if wanted is None else Reason.NONE if contracts else Reason.BELOW_LOT
    return HedgeDecision(
        delta_before=net_delta,
        delta_after=net_delta + float(contracts) * instrument.base_per_contract(price) if contracts else net_delta,
        threshold=trigger.max_delta,
        contracts=contracts,
        reason=reason,
    )
