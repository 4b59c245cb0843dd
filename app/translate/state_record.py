"""The state that a decision read, as exact bytes for the audit record, and back for replay."""

from __future__ import annotations

import base64
import dataclasses
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import orjson

from services.core.errors import Refusal
from services.core.instrument import Instrument, Kind, MarginTier, QuantityUnit, Right
from services.core.outcome import Reason
from services.engine.inputs import RecordedCorrelation, StateInput
from services.engine.market import Market
from services.volatility.readout import Maturity, VolatilityReadout

_TIMES = frozenset({"last_close_at", "expiry"})


def encode_state(states: dict[str, StateInput], registered: dict[tuple[str | None, str], Instrument], market: Market) -> bytes:
    """Readouts, the correlation they gave, and the registered instruments; empty when nothing but the request was read.

    Floats are written in their shortest form that reads back to the same bits; the matrix as base64 of float64.
    """
    if not states and not registered:
        return b""
    content: dict[str, Any] = {"states": {key: _state(state) for key, state in states.items()}}
    if states:
        matrix = market.correlation
        packed = base64.b64encode(np.ascontiguousarray(matrix[np.triu_indices(len(market.keys), 1)])).decode() if matrix is not None else None
        content["correlation"] = {"keys": market.keys, "upper": packed, "source": market.source}
    if registered:
        content["instruments"] = [_plain(dataclasses.asdict(instrument)) for instrument in registered.values()]
    return orjson.dumps(content)


def _state(state: StateInput) -> dict[str, Any]:
    if isinstance(state.readout, Refusal):
        return {"reason": state.readout.reason, "detail": state.readout.detail}
    return _plain(dataclasses.asdict(state.readout))


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: _plain_value(value) for key, value in fields.items()}


def _plain_value(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value.isoformat() if isinstance(value, datetime) else value


def decode_state(raw: bytes) -> tuple[dict[str, StateInput], dict[tuple[str | None, str], Instrument], RecordedCorrelation | None]:
    """Inverse of `encode_state`."""
    if not raw:
        return {}, {}, None
    content = orjson.loads(raw)
    states = {key: StateInput(_readout(value)) for key, value in content["states"].items()}
    instruments = [_instrument(fields) for fields in content.get("instruments", ())]
    return states, {(item.venue, item.symbol): item for item in instruments}, _correlation(content.get("correlation"))


def _readout(fields: dict[str, Any]) -> VolatilityReadout | Refusal:
    if "reason" in fields:
        return Refusal(Reason(fields["reason"]), fields["detail"])
    known = {key: datetime.fromisoformat(value) if key in _TIMES else value for key, value in fields.items()}
    return VolatilityReadout(**{**known, "maturity": Maturity(fields["maturity"])})


def _instrument(fields: dict[str, Any]) -> Instrument:
    known = dict(fields)
    for key in ("lot", "tick", "min_quantity", "max_quantity"):
        known[key] = Decimal(known[key]) if known[key] is not None else None
    known["kind"], known["quantity_unit"] = Kind(known["kind"]), QuantityUnit(known["quantity_unit"])
    known["right"] = Right(known["right"]) if known["right"] else None
    known["expiry"] = datetime.fromisoformat(known["expiry"]) if known["expiry"] else None
    known["margin_tiers"] = tuple(MarginTier(**tier) for tier in known["margin_tiers"])
    return Instrument(**known)


def _correlation(content: dict[str, Any] | None) -> RecordedCorrelation | None:
    if content is None:
        return None
    keys = tuple(content["keys"])
    if content["upper"] is None:
        return RecordedCorrelation(keys, None, content["source"])
    matrix = np.eye(len(keys))
    upper = np.triu_indices(len(keys), 1)
    matrix[upper] = np.frombuffer(base64.b64decode(content["upper"]))
    return RecordedCorrelation(keys, matrix + np.triu(matrix, 1).T, content["source"])
