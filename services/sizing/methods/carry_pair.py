"""Delta-neutral pairs: an asset owned and a derivative of it sold, for the carry between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from services.core.explain import Bools, Floats
from services.sizing.columns import SizingColumns
from services.sizing.interface import Factor, RowByRow, evidence_of

DAYS_PER_YEAR = 365.0
LARGEST_MOVE = 5.0
"""Log return beyond which nothing survives anyway: a factor of 148."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryPair(RowByRow):
    r"""Buy the asset, sell as much of it in a derivative: both legs funded from one part of the equity.

    With C = capital · equity / pairs, a pair of notional N pays N for the asset and, for the other leg, its initial
    margin and the loss of an adverse move: ``N = C / (1 + m + e^x − 1)``, ``x = k σ sqrt(h)``. The derivative has the
    base delta of the asset, with the other sign, so that a basis between the two prices leaves no delta.

    Parameters
    ----------
    capital : float
        Part of the equity that all pairs together may use.
    survival_sigmas : float
        k: the adverse move of the price that the derivative leg must survive without a transfer [standard deviations].
    survival_days : float
        h: the time until a transfer has arrived [days].
    collateral : {"cash", "coin"}
        `coin`: the asset itself is the margin of a coin-settled derivative, which then cannot be liquidated by a rise:
        ``N = C``.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    Both legs need a signal, of opposite directions; the pair's |direction| multiplies its size. A reversed pair (asset
    sold, derivative bought) needs an asset that can be sold short. Where a cap or a refusal leaves one leg smaller, the
    other follows: a pair is never left with a naked leg larger than it was. What the carry earns is not part of the
    size: send directions only where it pays after costs.

    References
    ----------
    The survival term is the loss of a short of a lognormal price at k standard deviations, ``N (e^{kσ√h} − 1)``.
    """

    method: Literal["carry_pair"] = "carry_pair"
    capital: Annotated[float, Gt(0), Le(1)] = 0.9
    survival_sigmas: Annotated[float, Ge(0), Le(20)] = 5.0
    survival_days: Annotated[float, Ge(0.0001), Le(365)] = 1.0
    collateral: Literal["cash", "coin"] = "cash"
    scope: Literal["book", "instrument"] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "price"})
    tied: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def factors(self, columns: SizingColumns) -> Sequence[Factor]:
        """Part of the equity, number of pairs, funding of both legs, hedge ratio."""
        names = evidence_of(columns).underlying
        pairs = len({names[row] for row in np.flatnonzero(columns.live).tolist()})
        return (
            Factor("capital", self.capital, "sizing.capital"),
            Factor("pairs", 1.0 / max(pairs, 1), "signals"),
            Factor("funding", self.funded(columns), "sizing.survival_sigmas"),
            Factor("hedge_ratio", self.hedge_ratio(columns), "positions.mark_price"),
        )

    def funded(self, columns: SizingColumns) -> Floats:
        """Notional of a pair over its capital, by the leg that is a derivative."""
        evidence = evidence_of(columns)
        move = np.minimum(
            self.survival_sigmas * columns.volatility * (self.survival_days / DAYS_PER_YEAR) ** 0.5, LARGEST_MOVE
        )
        short = columns.direction < 0.0
        margin = np.where(short, evidence.initial_margin_short, evidence.initial_margin_long)
        loss = np.where(short, np.expm1(move), -np.expm1(-move))
        asked = np.where(evidence.spot, np.nan, 1.0 + margin + loss)
        if self.collateral == "coin":
            asked = np.where(evidence.inverse, 1.0, asked)
        # Without a partner there is no pair and no size; `unusable` has refused such a row before.
        return np.nan_to_num(1.0 / _of_underlying(evidence.underlying, asked, columns.live, np.fmax), nan=0.0)

    def hedge_ratio(self, columns: SizingColumns) -> Floats:
        """Value of a unit of base in this row over that in the asset: 1 for the asset itself."""
        evidence = evidence_of(columns)
        per_base = columns.unit_value / evidence.delta
        asset = np.where(evidence.spot, per_base, np.nan)
        return np.nan_to_num(per_base / _of_underlying(evidence.underlying, asset, columns.live, np.fmax), nan=0.0)

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """Rows of an underlying that is no pair: exactly one asset and one derivative, on opposite sides."""
        evidence, found = evidence_of(columns), dict[int, str]()
        side = np.sign(columns.direction) if columns.live.any() else np.sign(columns.current)
        for row in np.flatnonzero(rows).tolist():
            legs = [
                other
                for other in np.flatnonzero(rows).tolist()
                if evidence.underlying[other] == evidence.underlying[row]
            ]
            kinds = sorted(bool(evidence.spot[leg]) for leg in legs)
            if kinds != [False, True]:
                found[row] = (
                    f"a pair needs one spot row and one derivative of {evidence.underlying[row]}, each with a signal: "
                    f"there are {kinds.count(True)} and {kinds.count(False)}"
                )
            elif side[legs].sum() != 0.0:
                found[row] = f"the legs of {evidence.underlying[row]} need opposite directions"
        return found


def _of_underlying(names: tuple[str, ...], values: Floats, rows: Bools, take: np.ufunc) -> Floats:
    """For every row what `take` makes of the values of the rows of its underlying; NaN where there is none."""
    groups: dict[str, float] = {}
    for name, value, counted in zip(names, values.tolist(), rows.tolist(), strict=True):
        if counted:
            groups[name] = float(take(groups.get(name, np.nan), value))
    return np.array([groups.get(name, np.nan) for name in names], dtype=float)
