"""How distress of a venue tightens margin, haircuts and sizes: at once on the way up, slowly on the way down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Le

from services.core.errors import InvalidInput
from services.risk.contagion import DistressPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class TighteningPolicy:
    """How distress becomes a multiplier on margin: at once on the way up, slowly on the way down.

    Parameters
    ----------
    sensitivity : float
        γ: a node of distress 1 asks for 1 + γ times the margin.
    cap : float
        Largest multiplier.
    release : float
        Share of the excess over 1 that may go in a step.

    Notes
    -----
    γ, cap and release are choices without an empirical optimum behind them.
    """

    sensitivity: Annotated[float, Ge(0), Le(100)] = 1.5
    cap: Annotated[float, Ge(1), Le(100)] = 3.0
    release: Annotated[float, Ge(0), Le(1)] = 0.1

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def multiplier(self, distress: float | None, previous: float = 1.0, *, steps: float = 1.0) -> float:
        """Multiplier on margin rates and haircuts, >= 1.

        ``target = min(cap, 1 + γ h)``; at once where that is more than before, else at least
        ``1 + (previous − 1)(1 − release)^steps``.

        Parameters
        ----------
        distress : float, optional
            h in [0, 1]. Unknown: nothing is loosened.
        previous : float
            Multiplier of the step before, >= 1: the whole of the state.
        steps : float
            Steps since then, >= 0.

        Examples
        --------
        >>> policy, held = TighteningPolicy(), 1.0
        >>> [round(held := policy.multiplier(h, held), 6) for h in (0, 0.4, 0.4, 0.1, 0, 0)]
        [1.0, 1.6, 1.6, 1.54, 1.486, 1.4374]
        """
        if not 1.0 <= previous < math.inf:
            raise InvalidInput("previous", "must be finite and >= 1", previous)
        if distress is None:
            return previous
        if not 0.0 <= distress <= 1.0:
            raise InvalidInput("distress", "must lie in [0, 1]", distress)
        held = 1.0 + (previous - 1.0) * math.pow(1.0 - self.release, steps)
        return max(min(self.cap, 1.0 + self.sensitivity * distress), held)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContagionPolicy:
    """Margin, haircuts and sizes by the distress of the venue.

    Margin rates and haircuts are multiplied by the multiplier m of the venue, increases by 1/m.

    Parameters
    ----------
    distress : DistressPolicy
        How distress is made of what is seen of a venue.
    tightening : TighteningPolicy
        How far distress tightens, and how slowly that is released.
    step_seconds : float
        Time in which one release may go [s]. A decision sooner releases its share of it, a later one no more than one.

    Notes
    -----
    The step is a choice without an empirical optimum behind it.
    """

    distress: DistressPolicy = DistressPolicy()
    tightening: TighteningPolicy = TighteningPolicy()
    step_seconds: Annotated[float, Gt(0), Le(30 * 86_400)] = 3_600.0

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def steps(self, elapsed_seconds: float) -> float:
        """Releases that a time allows, in [0, 1]; none where the clock went backwards.

        Examples
        --------
        >>> [ContagionPolicy().steps(seconds) for seconds in (-5.0, 900.0, 7_200.0)]
        [0.0, 0.25, 1.0]
        """
        return min(max(elapsed_seconds / self.step_seconds, 0.0), 1.0)
