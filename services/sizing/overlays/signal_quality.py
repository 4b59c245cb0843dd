"""Signal quality: in calm markets increases need a signal that has lasted and is confident."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from services.core.explain import Bools, Floats
from services.sizing.overlay import Acts, Effect, View, per_row


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalQuality:
    """``m = min(1, age / min_age) · min(1, confidence / min_confidence)`` while σ < calm_ratio · long-run σ, else 1.

    Parameters
    ----------
    calm_ratio : float
        Share of its long-run volatility below which a market is calm.
    min_age_seconds : float
        Age at which a signal counts in full [s].
    min_confidence : float
        Confidence at which a signal counts in full.

    Notes
    -----
    A volatility target is largest in calm, where the cost of a false signal is therefore largest in contracts; this
    overlay asks more of a signal there. `signals[].confidence` also multiplies the direction: here it is a condition.
    In calm a row without a signal, or with one that has no `as_of`, may not be increased. The rule and its defaults are
    choices of ours, without measured effect.
    """

    method: Literal["signal_quality"] = "signal_quality"
    calm_ratio: Annotated[float, Gt(0), Le(2)] = 0.8
    min_age_seconds: Annotated[float, Ge(0), Le(31_536_000)] = 3600.0
    min_confidence: Annotated[float, Ge(0), Le(1)] = 0.5

    acts_on: ClassVar[Acts] = "increase"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"signals", "volatility"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def effect(self, view: View) -> Effect:
        """Multiplier of rows in calm markets."""
        conditions = view.conditions
        # A market without a long-run volatility cannot be said not to be calm.
        restless = view.columns.volatility >= self.calm_ratio * conditions.long_run_volatility
        multiplier = np.where(restless, 1.0, self.quality(conditions.signal_age_seconds, conditions.signal_confidence))
        missing: Bools = np.isnan(multiplier)
        said = ("calm market: the signal is young or not confident",) * view.wanted.size
        return per_row(multiplier, missing, said, "calm market: no signal, or one without as_of")

    def quality(self, age: Floats, confidence: Floats) -> Floats:
        """Quality of signals in [0, 1]; NaN where unknown.

        Examples
        --------
        >>> SignalQuality().quality(np.array([1800.0, 7200.0]), np.array([1.0, 0.25])).tolist()
        [0.5, 0.5]
        """
        return _share(age, self.min_age_seconds) * _share(confidence, self.min_confidence)


def _share(value: Floats, least: float) -> Floats:
    """``min(1, value / least)``, NaN where the value is; 1 where nothing is asked of it."""
    return np.clip(value / least, 0.0, 1.0) if least > 0.0 else np.ones(value.shape)
