"""Extended SSVI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from services.core.explain import Floats
from services.options.essvi import fit_essvi
from services.options.smiles import LEAST_SPREAD, WIDE_SPREAD, Smile, smiles_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Essvi:
    """Three parameters an expiry, free of arbitrage at every strike and expiry by construction; see `fit_essvi`.

    Parameters
    ----------
    wide_spread : float
        As in `JointSvi`.

    Notes
    -----
    For extrapolation far beyond the quotes, or few of them; it follows quotes less closely than `JointSvi`.
    """

    method: Literal["essvi"] = "essvi"
    wide_spread: Annotated[float, Ge(LEAST_SPREAD), Le(10)] = WIDE_SPREAD

    requires: ClassVar[frozenset[str]] = frozenset()
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def fit(self, smiles: Sequence[Smile], initial: Floats | None = None) -> Floats:
        """Raw parameters (s, 5)."""
        return fit_essvi(smiles_of(smiles, wide_spread=self.wide_spread), initial)

    def family(self, strikes: int) -> str:
        """What an expiry is: the same for any number of strikes."""
        return self.method
