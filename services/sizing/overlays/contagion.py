"""Contagion: positions at a venue in distress shrink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.core.explain import Floats
from services.sizing.overlay import Acts, Effect, View, per_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Contagion:
    """``m = 1 − k · d``, at least 0, d the distress of the row's venue in [0, 1].

    Where the venue also has a `contagion_multiplier` of its own, the smaller of the two holds.

    Parameters
    ----------
    sensitivity : float
        k: 1 leaves nothing at a venue of distress 1, 2 nothing from distress 0.5 on.

    Notes
    -----
    Distress is an input (`venues[].distress`): how it is made of leverage, depth, withdrawals and basis is not decided
    here; `policy.contagion` makes it of what is seen of a venue, releases it slowly, and acts on margin, haircuts and
    increases: both together act twice. A row whose venue is not named, or is in none of `venues`, may not be increased.
    The multiplier follows the input at once in both directions; smoothing of a recovery belongs to who makes the
    distress. k is a choice without an empirical optimum behind it.

    References
    ----------
    Battiston et al. (2012), DebtRank, Scientific Reports 2:541: distress in [0, 1], 1 is default.
    """

    method: Literal["contagion"] = "contagion"
    sensitivity: Annotated[float, Gt(0), Le(10)] = 1.0

    acts_on: ClassVar[Acts] = "position"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"venues"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def effect(self, view: View) -> Effect:
        """Multiplier by the venue of each row."""
        conditions = view.conditions
        by_distress = distress_multiplier(conditions.distress, self.sensitivity)
        multiplier = np.fmin(by_distress, conditions.contagion_multiplier)
        said = [
            f"venue {venue} in distress: distress {distress:.4g}" if distress >= 0.0 else f"venue {venue}: contagion"
            for venue, distress in zip(conditions.venue, conditions.distress.tolist(), strict=True)
        ]
        lacking = "no distress or contagion_multiplier in venues[] for the venue of this row"
        return per_row(multiplier, np.isnan(multiplier), said, lacking)


def distress_multiplier(distress: Floats, sensitivity: float) -> Floats:
    """``max(1 − k d, 0)``; NaN where the distress is.

    Examples
    --------
    >>> distress_multiplier(np.array([0.0, 0.25, 0.8]), 2.0).tolist()
    [1.0, 0.5, 0.0]
    """
    return np.maximum(1.0 - sensitivity * distress, 0.0)
