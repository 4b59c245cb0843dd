"""Equal parts at equal times."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from services.hedging.execution import Execution, Part, equal_slices


@dataclass(frozen=True, slots=True, kw_only=True)
class Twap:
    """Equal parts at equal times (time-weighted average price): ``n_k = X / N``.

    Parameters
    ----------
    duration_seconds : float
        T, from the first trade to the end of the last slice [s].
    slices : int
        N [slices].

    Notes
    -----
    The cheapest schedule where only the expected cost counts: the limit of Almgren and Chriss without risk aversion.

    References
    ----------
    Bertsimas & Lo (1998), Optimal control of execution costs, Journal of Financial Markets 1, section 2.1.

    Examples
    --------
    >>> parts = Twap(duration_seconds=3_600.0, slices=4).parts(Execution(quantity=1.0, price=1.0))
    >>> [(part.share, part.start) for part in parts]
    [(0.25, 0.0), (0.25, 900.0), (0.25, 1800.0), (0.25, 2700.0)]
    """

    method: Literal["twap"] = "twap"
    duration_seconds: Annotated[float, Gt(0), Le(2_592_000)]
    slices: Annotated[int, Ge(1), Le(500)] = 12

    requires: ClassVar[frozenset[str]] = frozenset()
    in_given_order: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def parts(self, execution: Execution) -> tuple[Part, ...]:
        """Parts in the order of time."""
        edges = equal_slices(self.duration_seconds, self.slices).tolist()
        return tuple(Part(1.0 / self.slices, start, end) for start, end in pairwise(edges))
