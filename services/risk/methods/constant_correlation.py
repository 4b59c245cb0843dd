"""Linear shrinkage to equal correlations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le

from services.core.explain import Floats
from services.risk.matrices import complete_bars, unit_diagonal
from services.risk.options import CorrelationOptions
from services.risk.shrinkage import constant_correlation_shrinkage


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantCorrelation(CorrelationOptions):
    """Correlation of a window, shrunk toward the mean correlation of all pairs.

    Parameters
    ----------
    window : int
        Bars at most, the newest ones, all of one weight [bars].
    clip : float
        Bound of |z|.
    asynchronous : str
        `none`: the markets close together. `overlapping`: returns over two bars. `lead_lag`: adds one bar ahead and
        one behind.
    stress : str
        When correlations are stressed: never, while the regime is shifted, always.
    stress_weight : float
        Weight of the stressed matrix.

    Notes
    -----
    Bars that some market lacks are left out for all: the intensity is that of one sample.

    References
    ----------
    Ledoit and Wolf (2004), Honey, I Shrunk the Sample Covariance Matrix, J. of Portfolio Management 30(4).
    """

    method: Literal["constant_correlation"] = "constant_correlation"
    window: Annotated[int, Ge(60), Le(512)] = 252
    clip: Annotated[float, Ge(1), Le(20)] = 4.2

    skips_holes: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"standardized"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def matrix(self, standardized: Floats) -> Floats:
        """Correlation forecast from (t, m) standardised returns."""
        values = np.clip(complete_bars(standardized)[-self.window :], -self.clip, self.clip)
        return unit_diagonal(constant_correlation_shrinkage(values)[0])
