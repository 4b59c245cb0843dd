"""What a decision read besides its request, as exact bytes for the audit record, and back for replay.

Layout: one line of JSON (names, counts, texts), then little-endian numbers: nine float64 a readout, then the upper
triangle of the correlation matrix as float32, the precision that the engine uses. Exact by construction, and a third of
the size of decimal text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from app.translate.instruments import InstrumentKey
from app.translate.policy import NamedPolicy
from services.core.errors import Refusal
from services.core.instrument import Instrument, Kind, MarginTier, QuantityUnit, Right
from services.core.outcome import Reason
from services.engine.inputs import RecordedCorrelation, StateInput
from services.engine.market import Market
from services.guards.switches import ActiveSwitch, SwitchMode
from services.volatility.readout import Guard, Maturity, VolatilityReadout

FIGURES = (
    "volatility",
    "forecast",
    "calibration",
    "long_run",
    "floor",
    "effective_half_life",
    "periods_per_year",
    "last_close",
    "confidence",
)
FORMAT = 2
"""Of the record; another one is another build's."""
REFUSED_FIELDS = 4
"""Fields of a state that gave no readout: key, reason, detail, digest."""
FLOAT, SINGLE = np.dtype("<f8"), np.dtype("<f4")


class ForeignRecord(ValueError):
    """A record in the form of another build."""


class RecordedInputs(NamedTuple):
    """What was read besides the request."""

    states: dict[str, StateInput]
    registered: dict[InstrumentKey, Instrument]
    correlation: RecordedCorrelation | None = None
    policy: NamedPolicy | None = None
    switches: tuple[ActiveSwitch, ...] = ()


def encode_state(
    states: Mapping[str, StateInput],
    registered: Mapping[InstrumentKey, Instrument],
    market: Market,
    policy: NamedPolicy | None = None,
    switches: Sequence[ActiveSwitch] = (),
) -> bytes:
    """Readouts, the correlation they gave, the registered instruments, the stored policy with its content and the
    switches that held; empty when nothing but the request was read.
    """
    if not states and not registered and policy is None and not switches:
        return b""
    figures: list[float] = []
    head: dict[str, Any] = {"format": FORMAT, "states": [_state(key, state, figures) for key, state in states.items()]}
    block, upper = np.array(figures, dtype=FLOAT), np.empty(0, dtype=SINGLE)
    if states:
        matrix = market.correlation
        head["correlation"] = {"keys": market.keys, "known": matrix is not None, "source": market.source}
        if fallen := [key for key, state in states.items() if state.without_venue]:
            head["without_venue"] = fallen
        if matrix is not None:
            upper = matrix[upper_triangle(len(market.keys))].astype(SINGLE)
    if registered:
        head["instruments"] = [_instrument_fields(instrument) for instrument in registered.values()]
    if policy is not None:
        head["policy"] = {**dataclasses.asdict(policy), "resolved": orjson.loads(policy.resolved)}
    if switches:
        head["switches"] = [list(switch) for switch in switches]
    return orjson.dumps(head, default=str) + b"\n" + block.tobytes() + upper.tobytes()


@lru_cache(maxsize=256)
def upper_triangle(size: int) -> tuple[NDArray[np.intp], ...]:
    """Indices above the diagonal of a square matrix."""
    return np.triu_indices(size, 1)


def _state(key: str, state: StateInput, figures: list[float]) -> list[Any]:
    readout = state.readout
    if isinstance(readout, Refusal):
        return [key, readout.reason, readout.detail, state.digest]
    figures += [getattr(readout, name) for name in FIGURES]
    return [
        key,
        readout.observations,
        readout.maturity,
        readout.bar_seconds,
        readout.last_close_at.timestamp(),
        readout.method,
        readout.source,
        readout.guard,
        state.digest,
    ]


def decode_state(raw: bytes) -> RecordedInputs:
    """Inverse of `encode_state`.

    Raises
    ------
    ForeignRecord
        If another build wrote it in another form.
    """
    if not raw:
        return RecordedInputs({}, {})
    line, _, packed = raw.partition(b"\n")
    head = orjson.loads(line)
    if head.get("format") != FORMAT:
        raise ForeignRecord(f"the state is recorded in format {head.get('format', 1)}; this build reads {FORMAT}")
    known = sum(len(row) > REFUSED_FIELDS for row in head["states"]) * len(FIGURES) * FLOAT.itemsize
    block, upper = np.frombuffer(packed[:known], dtype=FLOAT), np.frombuffer(packed[known:], dtype=SINGLE)
    states, place, fallen = {}, 0, frozenset(head.get("without_venue", ()))
    for row in head["states"]:
        if len(row) == REFUSED_FIELDS:
            found: VolatilityReadout | Refusal = Refusal(Reason(row[1]), row[2])
        else:
            found = _readout(row, block[place : place + len(FIGURES)].tolist())
            place += len(FIGURES)
        states[row[0]] = StateInput(found, digest=row[-1], without_venue=row[0] in fallen)
    instruments = [_instrument(fields) for fields in head.get("instruments", ())]
    return RecordedInputs(
        states,
        {(item.venue, item.symbol): item for item in instruments},
        _correlation(head.get("correlation"), upper),
        _policy(head.get("policy")),
        tuple(_switch(*fields) for fields in head.get("switches", ())),
    )


def _switch(scope: str, mode: str, *said: Any) -> ActiveSwitch:
    return ActiveSwitch(scope, SwitchMode(mode), *said)


def _readout(row: list[Any], figures: list[float]) -> VolatilityReadout:
    _, observations, maturity, bar_seconds, closed, method, source, guard, _ = row
    exact: dict[str, Any] = dict(zip(FIGURES, figures, strict=True))
    return VolatilityReadout(
        **exact,
        observations=observations,
        maturity=Maturity(maturity),
        bar_seconds=bar_seconds,
        last_close_at=datetime.fromtimestamp(closed, UTC),
        method=method,
        source=source,
        guard=Guard(guard),
    )


def _instrument_fields(instrument: Instrument) -> dict[str, Any]:
    fields = {name: getattr(instrument, name) for name in Instrument.__dataclass_fields__}
    fields["margin_tiers"] = [
        [tier.floor, tier.maintenance_rate, tier.maintenance_amount, tier.initial_rate]
        for tier in instrument.margin_tiers
    ]
    return fields


def _instrument(fields: dict[str, Any]) -> Instrument:
    known = dict(fields)
    for key in ("lot", "tick", "min_quantity", "max_quantity"):
        known[key] = Decimal(known[key]) if known[key] is not None else None
    known["kind"], known["quantity_unit"] = Kind(known["kind"]), QuantityUnit(known["quantity_unit"])
    known["right"] = Right(known["right"]) if known["right"] else None
    known["expiry"] = datetime.fromisoformat(known["expiry"]) if known["expiry"] else None
    known["margin_tiers"] = tuple(MarginTier(*tier) for tier in known["margin_tiers"])
    return Instrument(**known)


def _policy(fields: dict[str, Any] | None) -> NamedPolicy | None:
    return NamedPolicy(**{**fields, "resolved": orjson.dumps(fields["resolved"])}) if fields is not None else None


def _correlation(head: dict[str, Any] | None, upper: np.ndarray) -> RecordedCorrelation | None:
    if head is None:
        return None
    keys = tuple(head["keys"])
    if not head["known"]:
        return RecordedCorrelation(keys, None, head["source"])
    matrix = np.eye(len(keys))
    matrix[upper_triangle(len(keys))] = upper
    return RecordedCorrelation(keys, matrix + np.triu(matrix, 1).T, head["source"])
