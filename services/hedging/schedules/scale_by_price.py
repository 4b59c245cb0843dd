"""Steps at prices, a number of standard deviations apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Len

from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.hedging.execution import Execution, Part
from services.hedging.price_collar import WIDEST
from services.hedging.proportions import check_fractions, proportions


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleByPrice:
    r"""Steps of chosen sizes at prices ``S exp(± j a σ√h)``: scaling in or out on the market's own moves.

    Parameters
    ----------
    spacing_sigmas : float
        a, between neighbours [standard deviations over `horizon_seconds`].
    horizon_seconds : float
        h, the time whose standard deviation is the unit [s].
    toward : {"better", "worse"}
        Where the steps wait. For the trader of the order: a buy is better lower (averaging in), worse higher (adding
        to what runs).
    steps : int
        Number of steps; `fractions` decides where they are given.
    ratio : float
        Size of each step over that of the one before: 1 is equal steps.
    fractions : tuple of float, optional
        Shares of the order, together 1.

    Notes
    -----
    The first step is due at once, at the mark. What the price never reaches is never traded: a reduction that must
    happen belongs on a clock. There is no expected cost, since when and whether a step trades is the market's choice.

    References
    ----------
    A convention; no claim of optimality.

    Examples
    --------
    >>> method = ScaleByPrice(spacing_sigmas=0.5, steps=3)
    >>> order = Execution(quantity=1.0, price=100.0, volatility=0.365**0.5)
    >>> [round(part.offset, 6) for part in method.parts(order)]
    [0.0, 0.015811, 0.031623]
    """

    method: Literal["scale_by_price"] = "scale_by_price"
    spacing_sigmas: Annotated[float, Gt(0), Le(10)]
    horizon_seconds: Annotated[float, Gt(0), Le(2_592_000)] = 86_400.0
    toward: Literal["better", "worse"] = "better"
    steps: Annotated[int, Ge(1), Le(100)] = 3
    ratio: Annotated[float, Ge(0.1), Le(10)] = 1.0
    fractions: Annotated[tuple[float, ...], Len(1, 100)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"volatility"})
    in_given_order: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        check_fractions(self.fractions)

    def parts(self, execution: Execution) -> tuple[Part, ...]:
        """Parts in the order of their distance from the mark.

        Raises
        ------
        InvalidInput
            Without a volatility, and for steps so far from the mark that there is no such price.
        """
        if execution.volatility is None:
            raise InvalidInput("volatility", "is needed by scale_by_price", None)
        unit = self.spacing_sigmas * execution.volatility * math.sqrt(self.horizon_seconds / SECONDS_PER_YEAR)
        sign = 1.0 if self.toward == "better" else -1.0
        shares = proportions(self.steps, self.ratio, self.fractions)
        if (len(shares) - 1) * unit > WIDEST:
            rule = f"must leave the last step within a factor of e^{WIDEST:g} of the mark"
            raise InvalidInput("schedule.spacing_sigmas", rule, self.spacing_sigmas, "nearer or fewer steps")
        return tuple(Part(share, offset=sign * step * unit) for step, share in enumerate(shares))
