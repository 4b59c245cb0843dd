"""Dynamic conditional correlation: at once from a window, or one bar at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.risk.matrices import pairwise_correlation, shrink_short_history, within_one
from services.risk.options import CorrelationOptions

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
        z, oldest first; NaN where a market has none: the bar then adds nothing to its row and column, and each pair is
        divided by the squares over its own bars. A pair's t begins with the younger market.
    a, b : float
        Weight of the newest bar and persistence.
    clip : float
        Bound of |z|.

    Returns
    -------
    (m, m) array
        Correlation forecast for the next bar: symmetric, unit diagonal, within ±1; positive semidefinite without NaN.

    Notes
    -----
    Every Q_t is linear in the outer products, so the last one is ``Z' diag(w) Z`` (`dynamic_weights`). A market whose
    z's are all zero has no correlation with others. Cost: O(t m²).

    References
    ----------
    Engle (2002), Dynamic Conditional Correlation, JBES 20(3), eq. 18 (mean-reverting form).
    """
    return pairwise_correlation(np.clip(standardized, -clip, clip), partial(dynamic_weights, a=a, b=b))


class DynamicMemory(NamedTuple):
    """What the recursion keeps between bars.

    Parameters
    ----------
    bars : () or (m, m) array
        Bars since both markets of a pair have begun; one number as long as no market has missed a bar.
    target : (k, m, m) array
        Q̄ of the products z_i z_j; with holes (k = 2) also of the squares z_i² over the bars that i and j share.
    recent : (k, m, m) array
        Q without the part of its start, which fades as b^bars.
    """

    bars: Floats
    target: Floats
    recent: Floats


def start_dynamic(markets: int) -> DynamicMemory:
    """Memory before the first bar."""
    return DynamicMemory(np.array(0.0), np.zeros((1, markets, markets)), np.zeros((1, markets, markets)))


def update_dynamic(
    memory: DynamicMemory, standardized: Floats, *, a: float = 0.02, b: float = 0.97, clip: float = 4.2
) -> DynamicMemory:
    """Memory after one more bar: ``Q ← (1 − a − b) Q̄ + a z z' + b Q``.

    Parameters
    ----------
    standardized : (m,) array
        z of the bar; a market that has none (NaN) adds nothing to its row and column, neither to products nor to the
        squares that they are divided by.

    Notes
    -----
    Cost: O(m²), whatever the history; twice that from the first hole on.
    """
    z = np.minimum(np.maximum(standardized, -clip), clip)
    there = z == z
    whole = bool(there.all())
    if whole and memory.bars.ndim == 0:
        return _advance(memory, (z[:, None] * z)[None], memory.bars + 1.0, a, b)
    before = _with_holes(memory)
    # A market that has begun has a bar of its own behind it, on the diagonal.
    begun = (np.diag(before.bars) > 0.0) | there
    bars = before.bars + np.outer(begun, begun)
    known = z if whole else np.where(there, z, 0.0)
    products = np.stack([known[:, None] * known, (known * known)[:, None] * there])
    return _advance(before, products, bars, a, b)


def _with_holes(memory: DynamicMemory) -> DynamicMemory:
    """The same memory with squares and bars of its own for every pair."""
    if memory.bars.ndim:
        return memory
    (target,), (recent,) = memory.target, memory.recent
    own = [np.broadcast_to(np.diag(moments)[:, None], moments.shape) for moments in (target, recent)]
    bars = np.full(target.shape, memory.bars)
    return DynamicMemory(bars, np.stack([target, own[0]]), np.stack([recent, own[1]]))


def _advance(memory: DynamicMemory, products: Floats, bars: Floats, a: float, b: float) -> DynamicMemory:
    target = products - memory.target
    target *= np.maximum(1.0 / np.maximum(bars, 1.0), TARGET_GAIN)
    target += memory.target
    recent = b * memory.recent
    recent += np.multiply(products, a, out=products)
    recent += np.multiply(target, 1.0 - a - b, out=products)
    return DynamicMemory(bars, target, recent)


def read_dynamic(memory: DynamicMemory, *, b: float = 0.97) -> Floats:
    """Correlation forecast for the next bar: that of `dcc_correlation` over all bars seen, to rounding."""
    moments = b**memory.bars * memory.target
    moments += memory.recent
    if memory.bars.ndim:
        squares = moments[1] * moments[1].T
    else:
        variance = moments[0].diagonal()
        squares = variance[:, None] * variance
    # The squares are symmetric bit by bit, hence so is the quotient.
    correlation = within_one(moments[0], squares)
    correlation.flat[:: len(correlation) + 1] = 1.0
    return correlation


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicConditional(CorrelationOptions):
    """Dynamic conditional correlation of the standardised returns on a common clock.

    Parameters
    ----------
    innovation : float
        Weight a of the newest bar.
    persistence : float
        Weight b of the correlation before it; a + b < 1.
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
        matrix = dcc_correlation(standardized, a=self.innovation, b=self.persistence, clip=self.clip)
        return shrink_short_history(matrix, len(standardized))
