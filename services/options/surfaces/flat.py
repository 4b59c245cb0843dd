"""One volatility an expiry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.optimize import isotonic_regression

from services.core.explain import Floats
from services.options.smiles import Smile, smiles_of
from services.options.svi import flat


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """The same volatility at every strike: the weighted mean of total variance, made to ascend with time.

    Notes
    -----
    Pool-adjacent-violators over the expiries, each with the weight of its quotes: the least squares among ascending
    variances. The baseline that a smile has to beat.

    References
    ----------
    Barlow, Bartholomew, Bremner & Brunk (1972), Statistical Inference under Order Restrictions.
    """

    method: Literal["flat"] = "flat"

    requires: ClassVar[frozenset[str]] = frozenset()
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def fit(self, smiles: Sequence[Smile], initial: Floats | None = None) -> Floats:
        """Raw parameters (s, 5), b = 0."""
        points = smiles_of(smiles)
        squared = points.weight**2
        mean = np.sum(squared * points.variance, axis=1) / np.sum(squared, axis=1)
        ascending = isotonic_regression(mean, weights=np.sum(squared, axis=1)).x
        return np.array([flat(float(variance)) for variance in ascending])

    def family(self, strikes: int) -> str:
        """What an expiry is."""
        return self.method
