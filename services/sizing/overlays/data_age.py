"""Data age: an old price leaves more time for the market to move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.core.explain import Bools, Floats
from services.sizing.horizon import widened_multiplier
from services.sizing.overlay import Acts, Effect, View, per_row


@dataclass(frozen=True, slots=True, kw_only=True)
class DataAge:
    """``m = σ / σ_eff = 1 / sqrt(1 + a / h)``, a the age of the price that the row is sized with.

    Parameters
    ----------
    horizon_seconds : float, optional
        h [s]; default: the bar behind the row's volatility.

    Notes
    -----
    What was measured a while ago has moved since: over the bar to come and the age before it the variance is
    ``σ² (1 + a/h)``. A mark without a time counts as current. `limits.max_data_age_bars` refuses what is older.

    References
    ----------
    Variance proportional to time: Bachelier (1900); the multiplier is derived here.
    """

    method: Literal["data_age"] = "data_age"
    horizon_seconds: Annotated[float, Gt(0), Le(31_536_000)] | None = None

    acts_on: ClassVar[Acts] = "exposure"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"price"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def effect(self, view: View) -> Effect:
        """Multiplier by the age of each row's price."""
        age: Floats = view.conditions.data_age_seconds
        horizon = view.conditions.bar_seconds if self.horizon_seconds is None else self.horizon_seconds
        multiplier = np.where(age > 0.0, widened_multiplier(age, horizon), 1.0)
        missing: Bools = np.isnan(multiplier)
        said = [f"the price is {seconds:.0f} s old" for seconds in age.tolist()]
        return per_row(
            multiplier, missing, said, "the price is old and no bar says over which horizon: horizon_seconds"
        )
