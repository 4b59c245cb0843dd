"""From a delta to trade to whole lots of the instrument that hedges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from services.core.decimals import lots_toward_zero
from services.core.errors import InvalidInput
from services.core.instrument import Instrument, Kind
from services.core.outcome import Reason
from services.hedging.view import HedgeView, Rule, TriggerDecision, decide

HEDGING_KINDS = frozenset({Kind.SPOT, Kind.LINEAR, Kind.INVERSE})


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeDecision:
    """What a trigger decided on one underlying, in contracts of the instrument that hedges.

    Parameters
    ----------
    delta_before, delta_after : float
        Net delta without and with the hedge [base units].
    contracts : Decimal
        Signed contracts to trade, whole lots; 0 for none.
    reason : Reason
        `NONE` for a hedge, `BELOW_LOT` where the delta is less than one lot, else why the trigger holds.
    trigger : TriggerDecision
        When, how far, and the figures behind it.
    """

    delta_before: float
    delta_after: float
    contracts: Decimal
    reason: Reason
    trigger: TriggerDecision


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


def decide_hedge(view: HedgeView, rule: Rule, instrument: Instrument) -> HedgeDecision:
    """Hedge of one underlying: the trigger's delta, in whole lots.

    Parameters
    ----------
    view : HedgeView
        The book of the underlying; its price is the mark of the instrument.
    rule : Rule
        When to trade, and to where.
    instrument : Instrument
        Spot, linear or inverse.

    Raises
    ------
    InvalidInput
        As `hedge_contracts`.

    Examples
    --------
    >>> from services.hedging.triggers.threshold import ThresholdRule
    >>> perp = Instrument(symbol="BTC-PERP", lot=Decimal("0.1"))
    >>> decision = decide_hedge(HedgeView(net_delta=0.77, spot=60_000.0), ThresholdRule(max_delta=0.5), perp)
    >>> decision.contracts, round(decision.delta_after, 9), str(decision.reason)
    (Decimal('-0.7'), 0.07, 'none')
    """
    verdict = decide(rule, view)
    before, price = float(view.net_delta), float(view.spot)
    wanted = verdict.delta_to_trade
    contracts = Decimal(0) if wanted is None else hedge_contracts(wanted, instrument, price)
    return HedgeDecision(
        delta_before=before,
        delta_after=before + float(contracts) * instrument.base_per_contract(price) if contracts else before,
        contracts=contracts,
        reason=Reason.BELOW_LOT if wanted is not None and not contracts else verdict.reason,
        trigger=verdict,
    )
