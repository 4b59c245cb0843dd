"""Steps at times, of chosen sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Len

from services.hedging.execution import Execution, Part
from services.hedging.proportions import check_fractions, proportions


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleByTime:
    """Steps of chosen sizes, one every so often: scaling in or out on a clock.

    Parameters
    ----------
    spacing_seconds : float
        From the beginning of one step to that of the next [s].
    steps : int
        Number of steps; `fractions` decides where they are given.
    ratio : float
        Size of each step over that of the one before: 1 is equal steps.
    fractions : tuple of float, optional
        Shares of the order, together 1.

    Notes
    -----
    The first step is due at once. Shares are kept as they are given, also where a later one is larger.

    References
    ----------
    A convention; no claim of optimality.

    Examples
    --------
    >>> method = ScaleByTime(spacing_seconds=60.0, fractions=(0.5, 0.3, 0.2))
    >>> [(part.share, part.start, part.end) for part in method.parts(Execution(quantity=1.0, price=1.0))]
    [(0.5, 0.0, 60.0), (0.3, 60.0, 120.0), (0.2, 120.0, 180.0)]
    """

    method: Literal["scale_by_time"] = "scale_by_time"
    spacing_seconds: Annotated[float, Gt(0), Le(2_592_000)]
    steps: Annotated[int, Ge(1), Le(100)] = 3
    ratio: Annotated[float, Ge(0.1), Le(10)] = 1.0
    fractions: Annotated[tuple[float, ...], Len(1, 100)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset()
    in_given_order: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        check_fractions(self.fractions)

    def parts(self, execution: Execution) -> tuple[Part, ...]:
        """Parts in the order of time."""
        shares = proportions(self.steps, self.ratio, self.fractions)
        return tuple(
            Part(share, step * self.spacing_seconds, (step + 1) * self.spacing_seconds)
            for step, share in enumerate(shares)
        )
