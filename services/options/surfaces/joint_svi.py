"""Raw SVI, all expiries fitted together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from services.core.explain import Floats
from services.options.smiles import LEAST_SPREAD, WIDE_SPREAD, Smile, fallback, smiles_of
from services.options.svi_fit import fit_jointly


@dataclass(frozen=True, slots=True, kw_only=True)
class JointSvi:
    """Five parameters an expiry, free of butterfly and calendar arbitrage within |k| <= 4; see `fit_jointly`.

    Parameters
    ----------
    wide_spread : float
        Spread from bid to ask beyond which a quote counts for less, by the square of the ratio [annual volatility].

    Notes
    -----
    An expiry of 3 or 4 strikes is held to an SSVI smile, one of 1 or 2 to a flat one. A smaller `wide_spread` follows
    narrow quotes at the cost of wide ones: more strikes lie within their quotes, and the root mean square grows.
    """

    method: Literal["svi"] = "svi"
    wide_spread: Annotated[float, Ge(LEAST_SPREAD), Le(10)] = WIDE_SPREAD

    requires: ClassVar[frozenset[str]] = frozenset()
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def fit(self, smiles: Sequence[Smile], initial: Floats | None = None) -> Floats:
        """Raw parameters (s, 5)."""
        return fit_jointly(smiles_of(smiles, wide_spread=self.wide_spread), initial)

    def family(self, strikes: int) -> str:
        """What an expiry of so many strikes is."""
        return fallback(strikes) or self.method
