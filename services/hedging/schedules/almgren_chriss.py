"""Optimal execution in linear impact: the least expected cost for its risk."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from services.core.annualization import SECONDS_PER_DAY
from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.hedging.execution import Execution, Part, equal_slices

MOST_EXCESS = 1e150


def urgency(
    risk_aversion: float, price_volatility: float, temporary: float, permanent: float, slice_days: float
) -> float:
    r"""κ of the optimal trajectory [1/day]: ``2 (cosh(κτ) − 1)/τ² = λσ²/η̃``, with ``η̃ = η − ½γτ``.

    Parameters
    ----------
    risk_aversion : float
        λ ≥ 0 [1 / quote currency].
    price_volatility : float
        σ ≥ 0 [price per √day].
    temporary, permanent : float
        η [price per (base unit / day)], γ [price per base unit].
    slice_days : float
        τ > 0 [days].

    Raises
    ------
    InvalidInput
        If η̃ is not positive: the permanent impact of a slice would outweigh the temporary one, and no optimum exists.

    Notes
    -----
    1/κ is the time in which the trajectory falls to 1/e, whatever the deadline; κ → 0 for λ → 0.

    References
    ----------
    Almgren & Chriss (2000), Journal of Risk 3, section 2.2.

    Examples
    --------
    >>> round(urgency(1e-6, 0.95, 2.5e-6, 2.5e-7, 1.0), 4)
    0.6071
    """
    adjusted = temporary - 0.5 * permanent * slice_days
    if not adjusted > 0.0:
        rule = "must be > permanent impact × half a slice in days"
        remedy = f"more slices, or a permanent impact below {2.0 * temporary / slice_days:.6g}"
        raise InvalidInput("impact.temporary", rule, temporary, remedy)
    # Beyond MOST_EXCESS all is traded at once; its square must not overflow.
    excess = min(0.5 * risk_aversion * price_volatility**2 / adjusted * slice_days**2, MOST_EXCESS)
    # arccosh(1 + u), which loses all digits of a small u.
    return math.log1p(excess + math.sqrt(excess * (excess + 2.0))) / slice_days


def shares_left(urgency: float, days: float, slices: int) -> Floats:
    r"""Shares of the order left at the edges of N slices: ``x_j / X = sinh(κ(T − t_j)) / sinh(κT)``.

    Parameters
    ----------
    urgency : float
        κ ≥ 0 [1/day]; 0 is the straight line.
    days : float
        T > 0 [days].

    Returns
    -------
    array, shape (slices + 1,)
        From 1 to 0, convex, never rising.

    Notes
    -----
    Written with exponentials of negative numbers, so that no κT overflows.

    Examples
    --------
    >>> shares_left(0.0, 1.0, 4).tolist()
    [1.0, 0.75, 0.5, 0.25, 0.0]
    >>> shares_left(1e6, 1.0, 4).tolist()
    [1.0, 0.0, 0.0, 0.0, 0.0]
    """
    times = np.linspace(0.0, days, slices + 1)
    if urgency * days < 1e-8:
        return np.asarray(1.0 - times / days)
    decay = np.exp(-np.minimum(urgency * times, 700.0))
    ratio = np.expm1(-2.0 * urgency * (days - times)) / math.expm1(-2.0 * urgency * days)
    left = np.where(urgency * times < 700.0, decay, 0.0) * ratio
    left[-1] = 0.0
    return np.asarray(left)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlmgrenChriss:
    r"""Least ``expected cost + λ × variance`` in linear impact: ``x_j = X sinh(κ(T − t_j)) / sinh(κT)``.

    κ solves ``2 (cosh(κτ) − 1)/τ² = λσ²/(η − ½γτ)``: more volatile means sooner, less liquid later.

    Parameters
    ----------
    duration_seconds : float
        T, the deadline [s].
    slices : int
        N [slices].
    risk_aversion : float
        λ: what one unit of variance is worth [1 / quote currency]; 0 is the TWAP, large is at once.

    Notes
    -----
    Needs the volatility and an impact. The trajectory does not depend on the size: with linear impact twice the order
    is twice the trades. It is the best schedule that is fixed beforehand; one that reacts to its own gains can have a
    little less variance for the same cost (Lorenz & Almgren).

    References
    ----------
    Almgren & Chriss (2000), Optimal execution of portfolio transactions, Journal of Risk 3, section 2.2. Lorenz &
    Almgren (2011), Mean-variance optimal adaptive execution, Applied Mathematical Finance 18.

    Examples
    --------
    >>> from services.hedging.execution import LinearImpact
    >>> impact = LinearImpact(temporary=2.5e-6, permanent=2.5e-7, fixed=0.0625)
    >>> order = Execution(quantity=1e6, price=50.0, volatility=0.363, impact=impact)
    >>> method = AlmgrenChriss(duration_seconds=432_000.0, slices=5, risk_aversion=1e-6)
    >>> [round(part.share, 3) for part in method.parts(order)]
    [0.458, 0.252, 0.142, 0.086, 0.062]
    """

    method: Literal["almgren_chriss"] = "almgren_chriss"
    duration_seconds: Annotated[float, Gt(0), Le(2_592_000)]
    slices: Annotated[int, Ge(1), Le(500)] = 12
    risk_aversion: Annotated[float, Ge(0), Le(1e6)]

    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "impact"})
    in_given_order: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def urgency(self, execution: Execution) -> float:
        """κ [1/day].

        Raises
        ------
        InvalidInput
            Without volatility or impact, or where no optimum exists.
        """
        impact, sigma = execution.impact, execution.price_volatility
        if impact is None:
            raise InvalidInput("impact", "is needed by almgren_chriss, or spread and average_daily_volume", None)
        if sigma is None:
            raise InvalidInput("volatility", "is needed by almgren_chriss", None)
        slice_days = self.duration_seconds / SECONDS_PER_DAY / self.slices
        return urgency(self.risk_aversion, sigma, impact.temporary, impact.permanent, slice_days)

    def parts(self, execution: Execution) -> tuple[Part, ...]:
        """Parts in the order of time, the largest first."""
        left = shares_left(self.urgency(execution), self.duration_seconds / SECONDS_PER_DAY, self.slices)
        edges = equal_slices(self.duration_seconds, self.slices).tolist()
        return tuple(
            Part(share, start, end)
            for share, (start, end) in zip((-np.diff(left)).tolist(), pairwise(edges), strict=True)
        )
