"""Latency: what happens between decision and finality, and halted venues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.core.explain import Bools
from services.sizing.horizon import widened_multiplier
from services.sizing.overlay import Acts, Effect, View, per_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """``m = σ / σ_eff = 1 / sqrt(1 + l / h)``, l the time from decision to finality at the row's venue.

    ``l = venue latency + block time / (1 − congestion) + finality``; a venue that runs on no chain has the first part
    alone. Where the sequencer is down or the chain fully congested, nothing is increased.

    Parameters
    ----------
    horizon_seconds : float, optional
        h [s]; default: the bar behind the row's volatility.

    Notes
    -----
    Congestion is the probability that a transaction misses a block; misses are taken as independent, so that the wait
    is geometric. A row whose venue or chain is not described may not be increased. A halt never shrinks a position:
    it could not be traded.

    References
    ----------
    The multiplier is that of `data_age`: risk runs over ``h + l``.
    """

    method: Literal["latency"] = "latency"
    horizon_seconds: Annotated[float, Gt(0), Le(31_536_000)] | None = None

    acts_on: ClassVar[Acts] = "exposure"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"venues", "chains"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def effect(self, view: View) -> Effect:
        """Multiplier by the venue and chain of each row."""
        conditions = view.conditions
        halted: Bools = np.array([bool(text) for text in conditions.halted], dtype=bool)
        wait = np.where(halted, 0.0, conditions.latency_seconds)
        horizon = conditions.bar_seconds if self.horizon_seconds is None else self.horizon_seconds
        multiplier = np.where(wait == 0.0, 1.0, widened_multiplier(wait, horizon))
        said = [
            text or f"{seconds:.4g} s from decision to finality"
            for text, seconds in zip(conditions.halted, wait.tolist(), strict=True)
        ]
        lacking = "latency unknown: describe the venue of this row in venues[] and its chain in chains[]"
        return per_row(multiplier, np.isnan(multiplier), said, lacking, halted=halted)
