"""A fixed part of what the market trades."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from services.core.errors import InvalidInput
from services.hedging.execution import Execution, Part, equal_slices


@dataclass(frozen=True, slots=True, kw_only=True)
class Participation:
    r"""A fixed part of the expected volume of each slice until the order is done (percentage of volume).

    ``n_k = min(π V_k, X − Σ_{j<k} n_j)``.

    Parameters
    ----------
    duration_seconds : float
        T, the longest time that it may take [s].
    slices : int
        N [slices].
    participation_rate : float
        π [fraction of the market's volume].

    Notes
    -----
    Volumes are expectations, so the true participation differs: an executor follows the tape and takes `contracts` as
    the most for the slice. What the volume of T does not bear is not traded: it is told as unfilled, with the time that
    it would take.

    References
    ----------
    Kissell & Glantz (2003), Optimal Trading Strategies, chapter 8 (percentage of volume).

    Examples
    --------
    >>> order = Execution(quantity=100.0, price=1.0, volumes=(500.0, 300.0, 900.0))
    >>> method = Participation(duration_seconds=3_600.0, slices=3, participation_rate=0.1)
    >>> [round(part.share, 12) for part in method.parts(order)]
    [0.5, 0.3, 0.2]
    """

    method: Literal["participation"] = "participation"
    duration_seconds: Annotated[float, Gt(0), Le(2_592_000)]
    slices: Annotated[int, Ge(1), Le(500)] = 12
    participation_rate: Annotated[float, Gt(0), Le(1)] = 0.1

    requires: ClassVar[frozenset[str]] = frozenset({"volume"})
    in_given_order: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def parts(self, execution: Execution) -> tuple[Part, ...]:
        """Parts in the order of time; their shares sum to less than one where the volume does not bear the order.

        Raises
        ------
        InvalidInput
            Without volumes.
        """
        edges = equal_slices(self.duration_seconds, self.slices).tolist()
        volumes = execution.expected_volumes([self.duration_seconds / self.slices] * self.slices)
        if volumes is None:
            rule = "is needed by participation, or volumes of the slices"
            raise InvalidInput("average_daily_volume", rule, None)
        left, found = 1.0, []
        for (start, end), volume in zip(pairwise(edges), volumes, strict=True):
            share = min(self.participation_rate * volume / execution.quantity, left)
            left = max(left - share, 0.0)
            found.append(Part(share, start, end))
        return tuple(found)
