"""Dynamic conditional correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from services.core.errors import InvalidInput
from services.core.explain import Floats

TARGET_GAIN = 1.0 / 1000.0
"""Least gain of the expanding target."""


def dynamic_weights(count: int, a: float, b: float) -> Floats:
    r"""Weight of each outer product z_i z_i' in the last Q of the recursion of `dcc_correlation`, oldest first.

    Unrolled, ``Q_T = b^T Q̄_T + Σ_t b^(T−t) [(1 − a − b) Q̄_t + a z_t z_t']``. With the plain mean
    ``Q̄_t = (1/t) Σ_{i≤t} z_i z_i'`` the factor of z_i z_i' is
    ``w_i = a b^(T−i) + (1 − a − b) Σ_{t≥i} b^(T−t)/t + b^T/T``; the w_i sum to one. Where the target has become a
    moving average (t > 1000) its own weights take the place of 1/t.

    Examples
    --------
    >>> weights = dynamic_weights(100, 0.02, 0.97)
    >>> round(float(weights.sum()), 12), bool(weights[-1] > weights[0])
    (1.0, True)
    """
    place = np.arange(1, count + 1)
    fade = b ** (count - place)
    gain = np.maximum(1.0 / place, TARGET_GAIN)
    # Q̄_t = Σ_i m_i (P_t / P_i) z_i z_i' with m_i = gain_i and P_t = Π_{s<=t} (1 − gain_s): divide the common part out.
    survive = np.cumprod(np.concatenate([[1.0], 1.0 - gain[1:]]))
    later = np.cumsum((fade * survive)[::-1])[::-1]
    own = gain / survive
    weights: Floats = a * fade + own * ((1.0 - a - b) * later + b**count * survive[-1])
    return weights


def dcc_correlation(standardized: Floats, *, a: float = 0.02, b: float = 0.97, clip: float = 4.2) -> Floats:
    r"""Scalar dynamic conditional correlation with an expanding target, as one weighted product.

    ``Q_t = (1 − a − b) Q̄_t + a z_t z_t' + b Q_{t−1}``, ``R = diag(Q)^(−1/2) Q diag(Q)^(−1/2)``; Q̄_t is the mean of
    the outer products so far (from 1000 bars on a moving average of gain 1/1000), Q_0 = Q̄_T the mean of all of them.

    Parameters
    ----------
    standardized : (t, m) array
        z, oldest first, no NaN.
    a, b : float
        Weight of the newest bar and persistence.
    clip : float
        Bound of |z|.

    Returns
    -------
    (m, m) array
        Correlation forecast for the next bar: symmetric, unit diagonal, positive semidefinite.

    Notes
    -----
    Every Q_t is linear in the outer products, so the last one is ``Z' diag(w) Z`` (`dynamic_weights`). A market whose
    z's are all zero has no correlation with others. Cost: O(t m²).

    References
    ----------
    Engle (2002), Dynamic Conditional Correlation, JBES 20(3), eq. 18 (mean-reverting form).
    """
    values = np.clip(standardized, -clip, clip)
    weights = dynamic_weights(len(values), a, b)
    product = (values * weights[:, None]).T @ values
    deviation = np.sqrt(np.diag(product))
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0.0)
    correlation = np.clip(product * scale * scale[:, None], -1.0, 1.0)
    correlation = 0.5 * (correlation + correlation.T)
    np.fill_diagonal(correlation, 1.0)
    return correlation


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicConditional:
    """Dynamic conditional correlation of the standardised returns on a common clock.

    Parameters
    ----------
    innovation : float
        Weight a of the newest bar.
    persistence : float
        Weight b of the correlation before it; a + b < 1.
    clip : float
        Bound of |z|.
    """

    method: Literal["dynamic_conditional"] = "dynamic_conditional"
    innovation: Annotated[float, Gt(0), Le(0.5)] = 0.02
    persistence: Annotated[float, Ge(0), Lt(1)] = 0.97
    clip: Annotated[float, Ge(1), Le(20)] = 4.2

    requires: ClassVar[frozenset[str]] = frozenset({"standardized"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if not self.innovation + self.persistence < 1.0:
            raise InvalidInput("correlation", "needs innovation + persistence < 1", self.innovation + self.persistence)

    def matrix(self, standardized: Floats) -> Floats:
        """Correlation forecast from (t, m) standardised returns."""
        return dcc_correlation(standardized, a=self.innovation, b=self.persistence, clip=self.clip)
