"""Cached volatility states as the engine reads them."""

from __future__ import annotations

from datetime import UTC, datetime

from services.engine.inputs import StateInput
from services.risk.clock import Ring
from services.volatility.registry import Estimator
from services.volatility.state import VolatilityState, readout


def state_input(state: VolatilityState, estimator: Estimator, digest: str = "") -> StateInput:
    """Readout and standardised returns of a state, annualised by the calendar that it was observed with."""
    ring_at, clock = datetime.fromtimestamp(state.ring_at, UTC), state.clock
    ring = Ring(ring_at, clock.bar_seconds, state.ring, sessions=not clock.continuous)
    return StateInput(readout(state, estimator=estimator), ring, digest)
