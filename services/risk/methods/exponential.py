"""Exponentially weighted correlation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le

from services.core.explain import Floats
from services.risk.matrices import pairwise_correlation, shrink_short_history
from services.risk.options import CorrelationOptions


def fading_weights(count: int, half_life: float) -> Floats:
    """Weights that halve every `half_life` bars of age, oldest first, the newest 1.

    Examples
    --------
    >>> fading_weights(3, 1.0).tolist()
    [0.25, 0.5, 1.0]
    """
    weights: Floats = 2.0 ** (-np.arange(count - 1.0, -1.0, -1.0) / half_life)
    return weights


def ewma_correlation(standardized: Floats, *, half_life: float, clip: float = 4.2) -> Floats:
    r"""Correlation with weights that fade, ``Σ w z_i z_j / sqrt(Σ w z_i² Σ w z_j²)`` with ``w = 2^(−age / half_life)``.

    Parameters
    ----------
    standardized : (t, m) array
        z, oldest first; a bar that one of a pair lacks (NaN) is in none of its sums.
    half_life : float
        [bars]
    clip : float
        Bound of |z|.

    Notes
    -----
    The weights of the bars seen are normalised by the squares under the same weights: a short history is not biased
    toward zero. A half-life of H bars has the sampling error of 2.9 H equally weighted ones.

    References
    ----------
    Johansson, Ogut, Pelger, Schmelzer and Boyd (2023), A Simple Method for Predicting Covariance Matrices of Financial
    Returns, §2.5 (iterated EWMA: volatility first, then correlation).
    """
    return pairwise_correlation(np.clip(standardized, -clip, clip), partial(fading_weights, half_life=half_life))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential(CorrelationOptions):
    """Correlation of standardised returns whose weights halve with age.

    Parameters
    ----------
    half_life : float
        Age at which a bar weighs half as much as the newest [bars]; at least 5, the error of some 14 bars of equal
        weight.
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
    Below two bars a market the matrix is shrunk to constant correlation by N/(N + n).
    """

    method: Literal["exponential"] = "exponential"
    half_life: Annotated[float, Ge(5), Le(2000)] = 63.0
    clip: Annotated[float, Ge(1), Le(20)] = 4.2

    requires: ClassVar[frozenset[str]] = frozenset({"standardized"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def matrix(self, standardized: Floats) -> Floats:
        """Correlation forecast from (t, m) standardised returns."""
        matrix = ewma_correlation(standardized, half_life=self.half_life, clip=self.clip)
        return shrink_short_history(matrix, len(standardized))
