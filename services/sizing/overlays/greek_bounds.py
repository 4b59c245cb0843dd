"""Greek bounds: no increase that pushes the vega or gamma of the book beyond its bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.sizing.overlay import Acts, Effect, View, per_row


@dataclass(frozen=True, slots=True, kw_only=True)
class GreekBounds:
    r"""Multiplier on the increases that push a Greek of the book beyond ±bound, so that it stops there.

    With g the Greek of one contract, x the wanted sizes, x₀ the sizes with every increase left out and s the sign of
    ``G = Σ g x``::

        P = Σ max(s g (x − x₀), 0)        m = (bound · equity − (s G − P)) / P, in [0, 1]

    on the rows that make up P; the others, which push it back, are left alone.

    Parameters
    ----------
    vega : float, optional
        Bound on |vega| over equity [fraction of equity per volatility point].
    gamma : float, optional
        Bound on |Γ S² · 1 %| over equity: the change of the delta exposure by a move of 1 % [fraction of equity].

    Raises
    ------
    InvalidInput
        Without any bound.

    Notes
    -----
    None switches a bound off; the defaults are choices of ours. Vegas of all expiries and underlyings are added up, as
    they stand. Greeks are those of the model or the client's own; where a row with a position has none, the Greeks of
    the book are unknown and no row that carries any, or may, is increased. Rows without Greeks of the second order
    (spot, linear, inverse) are never touched.
    """

    method: Literal["greek_bounds"] = "greek_bounds"
    vega: Annotated[float, Gt(0), Le(10)] | None = 0.01
    gamma: Annotated[float, Gt(0), Le(100)] | None = 0.1

    acts_on: ClassVar[Acts] = "increase"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"greeks"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if self.vega is None and self.gamma is None:
            raise InvalidInput("policy.overlays", "must give greek_bounds a bound: vega or gamma", None)

    def effect(self, view: View) -> Effect:
        """Smaller multiplier of the two Greeks."""
        size, kept = view.wanted.size, view.kept
        multiplier, missing, said = np.ones(size), np.zeros(size, dtype=bool), [""] * size
        bounds = ((self.vega, view.conditions.vega, "vega"), (self.gamma, view.conditions.gamma, "gamma"))
        for bound, greek, name in bounds:
            if bound is None:
                continue
            unknown: Bools = np.isnan(greek)
            if bool((unknown & ((view.wanted != 0.0) | (view.columns.current != 0.0))).any()):
                missing |= unknown | (greek != 0.0)
                continue
            found = bounded_growth(np.nan_to_num(greek), kept, view.wanted, bound * view.columns.equity)
            said = [
                f"{name} of the book at its bound" if new < old else text
                for new, old, text in zip(found, multiplier, said, strict=True)
            ]
            multiplier = np.minimum(multiplier, found)
        return per_row(multiplier, missing, said, "a position has no Greeks: send positions[].greeks or its volatility")


def bounded_growth(greek: Floats, kept: Floats, wanted: Floats, bound: float) -> Floats:
    """Multiplier on each row's increase that keeps ``|Σ greek · size|`` within `bound`, where increases exceed it.

    Parameters
    ----------
    greek : (n,) array
        Of one contract.
    kept, wanted : (n,) arrays
        Sizes without and with their increase.

    Examples
    --------
    >>> bounded_growth(np.array([1.0, 2.0, -1.0]), np.array([4.0, 1.0, 0.0]), np.array([4.0, 5.0, 2.0]), 10.0).tolist()
    [1.0, 0.75, 1.0]
    """
    total = float(greek @ wanted)
    side = float(np.sign(total))
    pushed = np.maximum(side * greek * (wanted - kept), 0.0)
    push = float(pushed.sum())
    if abs(total) <= bound or push == 0.0:
        return np.ones(greek.shape)
    share = max(bound - (abs(total) - push), 0.0) / push
    return np.where(pushed > 0.0, share, 1.0)
