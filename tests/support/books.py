"""Small books for tests: inputs of the engine with everything defaulted but what a test is about."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from services.core.book import Account, PriceUsed, Row, Signal
from services.core.instrument import Instrument, Kind, QuantityUnit
from services.engine import EvaluationInputs, Policy, StateInput
from services.sizing.buffers import NoBuffer
from services.sizing.limits import Limits
from services.sizing.methods.volatility_target import VolatilityTarget
from services.volatility.readout import Maturity, VolatilityReadout

AS_OF = datetime(2026, 11, 20, 0, 0, 5, tzinfo=UTC)
CLOSE = datetime(2026, 11, 20, tzinfo=UTC)


def readout(volatility: float, **changes: Any) -> VolatilityReadout:
    """Readout of a mature daily market with calibration 1 and no floor in reach."""
    fields: dict[str, Any] = {
        "volatility": volatility,
        "forecast": volatility,
        "calibration": 1.0,
        "long_run": volatility,
        "floor": 0.01,
        "effective_half_life": 20.0,
        "observations": 500,
        "maturity": Maturity.MATURE,
        "periods_per_year": 365.0,
        "bar_seconds": 86_400,
        "last_close": 100.0,
        "last_close_at": CLOSE,
        "method": "ewma",
        "source": "state",
        "confidence": 0.9,
    }
    return VolatilityReadout(**{**fields, **changes})


def row(
    symbol: str = "A", quantity: str = "0", price: float | None = 100.0, direction: float | None = None, **changes: Any
) -> Row:
    """Row of a linear instrument with multiplier 1 and lot 0.01."""
    instrument = changes.pop(
        "instrument", Instrument(symbol=symbol, lot=Decimal("0.01"), quantity_unit=QuantityUnit.BASE)
    )
    fields: dict[str, Any] = {
        "symbol": symbol,
        "market_key": symbol,
        "instrument": instrument,
        "unit": instrument.quantity_unit,
        "quantity": Decimal(quantity),
        "price": PriceUsed(price, "position", None) if price is not None else None,
        "fx": 1.0,
        "signal": Signal(direction) if direction is not None else None,
    }
    return Row(**{**fields, **changes})


def inverse(symbol: str = "A", multiplier: float = 100.0, **changes: Any) -> Instrument:
    """Inverse perpetual of `multiplier` quote units a contract, lot 1."""
    fields: dict[str, Any] = {
        "symbol": symbol,
        "kind": Kind.INVERSE,
        "contract_multiplier": multiplier,
        "lot": Decimal(1),
        "base_currency": "COIN",
    }
    return Instrument(**{**fields, **changes})


OPEN = Limits(max_leverage=100.0, max_margin_use=1.0, min_liquidation_distance=0.0)


def inputs(
    *rows: Row,
    volatility: float | dict[str, float] = 0.4,
    equity: float = 10_000.0,
    policy: Policy | None = None,
    **changes: Any,
) -> EvaluationInputs:
    """Inputs in which every market has a readout, no limit is in reach and no buffer holds."""
    by_key = {
        item.market_key: volatility if isinstance(volatility, float) else volatility[item.market_key] for item in rows
    }
    fields: dict[str, Any] = {
        "evaluation_id": "ev_test",
        "as_of": AS_OF,
        "account": Account(equity, "USD"),
        "rows": rows,
        "policy": policy or Policy(sizing=VolatilityTarget(target_volatility=0.2), limits=OPEN, buffer=NoBuffer()),
        "signals_present": any(item.signal is not None for item in rows),
        "states": {key: StateInput(readout(value)) for key, value in by_key.items()},
    }
    return EvaluationInputs(**{**fields, **changes})
