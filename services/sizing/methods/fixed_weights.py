"""Fixed weights: the baseline of an investor who rebalances to given weights and looks at no risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le, MaxLen, MinLen

from services.core.explain import Bools, Floats
from services.sizing.columns import SizingColumns
from services.sizing.interface import Factor, RowByRow
from services.sizing.shares import by_symbol, check_symbols, unnamed

CONFIG: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedWeight:
    """Weight of one symbol.

    Parameters
    ----------
    symbol : str
        In equal parts where it has several rows.
    weight : float
        |notional| over equity at direction 1; the side is that of the signal, or without signals the one held.
    """

    symbol: Annotated[str, MinLen(1), MaxLen(64)]
    weight: Annotated[float, Ge(0), Le(100)]

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedWeights(RowByRow):
    """Hold given weights: ``w_i = weight_i · d_i``.

    Parameters
    ----------
    weights : list
        Weight of each symbol; they need not add up to 1. A row that would be sized and is not named is refused.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    No figure of risk is needed or looked at: limits, overlays and the policy's `scaling` still act.

    References
    ----------
    The calendar and constant-weight baselines of DeMiguel, Garlappi and Uppal (2009), Optimal Versus Naive
    Diversification, RFS 22(5).
    """

    method: Literal["fixed_weights"] = "fixed_weights"
    weights: Annotated[tuple[FixedWeight, ...], MinLen(1), MaxLen(200)]
    scope: Literal["book", "instrument"] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"price"})
    uses_evidence: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def __post_init__(self) -> None:
        check_symbols("weights", [item.symbol for item in self.weights])

    def factors(self, columns: SizingColumns) -> Sequence[Factor]:
        """One factor: the weight of each row, NaN where its symbol has none."""
        return (Factor("fixed_weight", self._weights(columns), "sizing.weights"),)

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """Rows whose symbol has no weight."""
        return unnamed(self._weights(columns), columns, rows, "sizing.weights")

    def _weights(self, columns: SizingColumns) -> Floats:
        return by_symbol([(item.symbol, item.weight) for item in self.weights], columns)
