"""Volatility attenuation: smaller positions where volatility is high in its own history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le

from services.core.explain import Bools, Floats
from services.sizing.attenuation import MIN_PATH, attenuation_path
from services.sizing.overlay import Acts, Effect, View, per_row


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityAttenuation:
    """``m = EWM(2 − 1.5 Q)``, at most 1; Q the expanding quantile of σ over its mean of ten years.

    Parameters
    ----------
    span : float
        Span of the moving average [bars].

    Notes
    -----
    The rule of its author lies between 0.5 and 2; an overlay never raises, so that above 1 it is 1: positions are whole
    up to about the two-thirds quantile and half at the highest volatility ever seen. Only posted series have the path;
    a row without one of 100 bars may not be increased. For equities high volatility goes with low returns; for bitcoin
    no such relation was found (quintile Sharpe ratios 2.17, 1.60, −0.75, 2.16, 1.57), so that this is not for crypto.

    References
    ----------
    Carver, pysystemtrade ``systems/provided/attenuate_vol/vol_attenuation_forecast_scale_cap.py``.
    """

    method: Literal["volatility_attenuation"] = "volatility_attenuation"
    span: Annotated[float, Ge(1), Le(500)] = 10.0

    acts_on: ClassVar[Acts] = "exposure"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"volatility_path"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def effect(self, view: View) -> Effect:
        """Last multiplier of each row's path."""
        paths = view.conditions.volatility_path
        multiplier = np.array([self._last(path) for path in paths], dtype=float)
        missing: Bools = np.isnan(multiplier)
        said = [f"volatility is high in its history: attenuation {value:.4g}" for value in multiplier.tolist()]
        return per_row(multiplier, missing, said, f"needs a posted series of at least {MIN_PATH} bars")

    def _last(self, path: Floats | None) -> float:
        return float(attenuation_path(path, self.span)[-1]) if path is not None and path.size >= MIN_PATH else np.nan
