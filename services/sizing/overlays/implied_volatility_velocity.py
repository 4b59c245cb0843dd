"""Velocity of implied volatility: fewer increases while options become dearer fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.core.explain import Floats
from services.sizing.overlay import Acts, Effect, View, per_row


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpliedVolatilityVelocity:
    """``m = min(1, limit / v)``, v the rise of the logarithm of implied volatility in a day.

    Parameters
    ----------
    limit : float
        Rise a day up to which increases are made whole: 0.15 is from 50 % to 58 % implied volatility.

    Notes
    -----
    v comes from `volatilities[].implied_volatility_change`, else from the `implied_volatility` column of the posted
    series: its last value against the last one that is at least a day older, per day between them. A fall does
    nothing. A series whose last bar has no quote, or with no older quote within a week, has no v: then nothing is
    increased. That implied volatility rises before realised volatility does is why it is looked at; how much this
    overlay saves is not measured.

    References
    ----------
    The rule is ours: increases are so small that m · v never exceeds the limit.
    """

    method: Literal["implied_volatility_velocity"] = "implied_volatility_velocity"
    limit: Annotated[float, Gt(0), Le(5)] = 0.15

    acts_on: ClassVar[Acts] = "increase"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"implied_volatility"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def effect(self, view: View) -> Effect:
        """Multiplier by the velocity of each row."""
        velocity = view.conditions.implied_volatility_velocity
        said = [f"implied volatility rises by {value:.4g} a day (log)" for value in velocity.tolist()]
        lacking = "no implied volatility: send volatilities[].implied_volatility_change or series[].implied_volatility"
        return per_row(velocity_multiplier(velocity, self.limit), np.isnan(velocity), said, lacking)


def velocity_multiplier(velocity: Floats, limit: float) -> Floats:
    """``limit / max(v, limit)``; NaN where v is.

    Examples
    --------
    >>> velocity_multiplier(np.array([-0.5, 0.1, 0.4]), 0.2).tolist()
    [1.0, 1.0, 0.5]
    """
    return limit / np.maximum(velocity, limit)
