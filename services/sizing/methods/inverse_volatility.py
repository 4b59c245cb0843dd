"""Inverse volatility: every member of the book carries the same risk of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Gt, Le

from services.core.explain import Bools, Floats
from services.sizing.columns import SizingColumns
from services.sizing.interface import Composition
from services.sizing.shares import undiversified_shares


@dataclass(frozen=True, slots=True, kw_only=True)
class InverseVolatility(Composition):
    r"""Share one unit of gross exposure by inverse volatility: ``w_i = (1/σ_i) / Σ_j (1/σ_j)``.

    The sides are those of the signals, or without signals those held. The policy's `scaling` makes a size of the
    composition; without one its gross leverage is 1.

    Parameters
    ----------
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.
    max_share : float, optional
        Largest share of one row in the composition; what is cut is divided among the others in proportion. Where
        every row is at the limit the rest stays cash. Scaling keeps the ratios of the shares, not their sum.

    Notes
    -----
    Correlations play no part: it is the risk parity of a book whose pairs are all equally correlated. The volatility
    is that of the next bar, scheduled events included. Cost: O(n).

    References
    ----------
    Maillard, Roncalli and Teïletche (2010), The Properties of Equally Weighted Risk Contribution Portfolios, §2.2.
    """

    method: Literal["inverse_volatility"] = "inverse_volatility"
    scope: Literal["book", "instrument"] | None = None
    max_share: Annotated[float, Gt(0), Le(1)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "price"})
    stage: ClassVar[str] = "inverse_volatility"
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def composition(self, columns: SizingColumns, members: Bools) -> Floats:
        """Shares of all rows, Σ = 1 over `members`."""
        return undiversified_shares(columns.volatility, members)
