"""Oracle quality: no new risk on a price that its sources do not support."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from services.sizing.overlay import Acts, Effect, View, per_row


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleQuality:
    """Multiplier on increases that the judgement of each row's price sources gives; a stale or split price gives 0.

    Parameters
    ----------
    required : bool
        Whether a row without an oracle may not be increased; else it is left alone.

    Notes
    -----
    Never flattens: a price that cannot be trusted is no reason to sell at it.
    """

    method: Literal["oracle_quality"] = "oracle_quality"
    required: bool = False

    acts_on: ClassVar[Acts] = "increase"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"oracles"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def effect(self, view: View) -> Effect:
        """Multiplier of each row's oracle."""
        multiplier = view.conditions.oracle_multiplier
        missing = np.isnan(multiplier) & self.required
        return per_row(multiplier, missing, view.conditions.oracle_detail, "no oracle for this row: send oracles[]")
