"""One point of the input space, decided by the engine itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

import numpy as np

from services.core.book import Account, PriceUsed, Row, Signal
from services.core.control import Control
from services.core.instrument import Instrument, QuantityUnit
from services.engine import EvaluationInputs, Policy, StateInput
from services.engine.columns import book_columns
from services.engine.evaluate import sized_book
from services.engine.evidence import with_margin
from services.engine.margins import row_limits
from services.engine.market import resolve_market
from services.sizing.capital import FixedCapital
from services.sizing.pipeline import RowLimits
from services.volatility.readout import Maturity, VolatilityReadout

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
EQUITY, PRICE, DAY_SECONDS = 1e6, 100.0, 86_400
SYMBOL = "PROBE"
INSTRUMENT = Instrument(symbol=SYMBOL, lot=Decimal("0.00000001"), quantity_unit=QuantityUnit.BASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Inputs of one decision on one linear instrument.

    Parameters
    ----------
    volatility : float
        [annual]
    direction : float
        Of the signal, in [0, 2]; the pipeline is symmetric in sides, so that longs stand for both.
    current_weight : float
        Position over equity; negative: on the other side.
    drawdown : float
        Fall of the equity from its high-water mark, in [0, 1).
    breaker_tier : int
        0 to 4.
    """

    volatility: float
    direction: float = 1.0
    current_weight: float = 0.0
    drawdown: float = 0.0
    breaker_tier: int = 0


def inputs_at(policy: Policy, point: Point) -> EvaluationInputs:
    """Engine inputs of a point: a mature daily market whose calibrated forecast is `volatility`."""
    readout = VolatilityReadout(
        volatility=point.volatility,
        forecast=point.volatility,
        calibration=1.0,
        long_run=point.volatility,
        floor=min(point.volatility, 0.01),
        effective_half_life=20.0,
        observations=500,
        maturity=Maturity.MATURE,
        periods_per_year=365.0,
        bar_seconds=DAY_SECONDS,
        last_close=PRICE,
        last_close_at=AS_OF,
        method="probe",
        source="probe",
        confidence=0.9,
    )
    held = Decimal(repr(round(point.current_weight * EQUITY / PRICE, 8)))
    row = Row(
        symbol=SYMBOL,
        market_key=SYMBOL,
        instrument=INSTRUMENT,
        unit=QuantityUnit.BASE,
        quantity=held,
        price=PriceUsed(PRICE, "probe", 0.0),
        fx=1.0,
        signal=Signal(point.direction),
    )
    mark = EQUITY / (1.0 - point.drawdown)
    if isinstance(policy.capital, FixedCapital):
        # A fixed capital is an amount, all else is over equity: the account is one that started with it.
        policy = replace(policy, capital=FixedCapital(capital=mark))
    return EvaluationInputs(
        evaluation_id="probe",
        as_of=AS_OF,
        account=Account(EQUITY, "USD"),
        rows=(row,),
        policy=policy,
        signals_present=True,
        states={SYMBOL: StateInput(readout)},
        control=Control(initial_capital=mark, high_water_mark=mark, breaker_tier=point.breaker_tier),
        figures=False,
    )


@lru_cache(maxsize=16_384)
def weight_at(policy: Policy, point: Point) -> float | None:
    """Size over equity at a point, unrounded; None where the engine refuses it."""
    inputs = inputs_at(policy, point)
    columns = book_columns(inputs, resolve_market(inputs))
    if columns.sizing is None or not columns.sizing.sizable[0]:
        return None
    limits = row_limits(inputs, columns)
    columns = replace(columns, sizing=with_margin(columns.sizing, limits))
    sized, _ = sized_book(inputs, columns, limits, "instrument")
    return float(sized.trail.value[0]) * PRICE / EQUITY


def limits_at(policy: Policy, volatility: float) -> RowLimits:
    """What margin and liquidation allow at a volatility."""
    inputs = inputs_at(replace(policy, overlays=()), Point(volatility=volatility))
    return row_limits(inputs, book_columns(inputs, resolve_market(inputs)))


def full_weight_at(policy: Policy, volatility: float) -> float | None:
    """Weight of the method at direction 1, alone in the book, before scaling; None where it refuses the row."""
    inputs = inputs_at(policy, Point(volatility=volatility))
    columns = book_columns(inputs, resolve_market(inputs))
    assert policy.sizing is not None
    if columns.sizing is None or not columns.sizing.sizable[0]:
        return None
    weight = policy.sizing.full_weight(columns.sizing, 1)
    return float(np.asarray(weight)[0])
