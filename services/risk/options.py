"""What every method of correlation can be told besides its own parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationOptions:
    """Fields that the methods share; see `services.risk.estimate` for what becomes of them.

    Parameters
    ----------
    asynchronous : str
        ``none``: the markets close together. ``overlapping``: correlate returns over two bars. ``lead_lag``: add the
        correlations one bar ahead and one behind.
    stress : str
        When correlations are stressed: ``never``, while the regime is ``shifted``, ``always``.
    stress_weight : float
        Weight of the stressed matrix.
    """

    asynchronous: Literal["none", "overlapping", "lead_lag"] = "none"
    stress: Literal["never", "shifted", "always"] = "never"
    stress_weight: Annotated[float, Ge(0), Le(1)] = 0.3

    skips_holes: ClassVar[bool] = True
    """Whether bars that a market lacks cost only its own pairs; otherwise bars of all markets are needed."""
