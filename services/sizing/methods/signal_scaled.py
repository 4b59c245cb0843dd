"""Forecasts into positions without portfolio scaling: the chain of systematic futures trading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from services.core.explain import Bools, Floats
from services.sizing.columns import SizingColumns
from services.sizing.diversification import MAX_DIVERSIFICATION, diversification_multiplier
from services.sizing.interface import Factor, RowByRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalScaled(RowByRow):
    r"""``w_i = τ / σ_i · |forecast_i| / 10 · instrument weight · IDM``.

    Instrument weights are equal, 1/n over the rows with a live signal, unless `instrument_weight` is given. The
    multiplier is ``IDM = min(cap, 1 / sqrt(w'Hw))`` with correlations floored at 0; directions are forecasts over 10.

    Parameters
    ----------
    target_volatility : float
        τ [annual, fraction]: what the book runs at when forecasts are at their average strength.
    instrument_weight : float, optional
        The same weight for every row, instead of 1/n: for a bot that trades part of a larger portfolio.
    max_diversification : float
        Cap on the IDM; 1 assumes that nothing diversifies.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    Unlike `volatility_target` nothing brings the book to τ: weak forecasts leave it below, strong ones above, as they
    should. The IDM is that of the present correlations; pysystemtrade smooths its own over 125 days, which a stateless
    answer does not. Attenuation in wild markets is an overlay, off by default: the leverage effect is weak in crypto.

    References
    ----------
    Carver (2015), Systematic Trading, ch. 9–11; pysystemtrade ``systems/positionsizing.py``, ``systems/portfolio.py``.
    """

    method: Literal["signal_scaled"] = "signal_scaled"
    target_volatility: Annotated[float, Gt(0), Le(3)]
    instrument_weight: Annotated[float, Gt(0), Le(1)] | None = None
    max_diversification: Annotated[float, Ge(1), Le(5)] = MAX_DIVERSIFICATION
    scope: Literal["book", "instrument"] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "price"})
    uses_evidence: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def factors(self, columns: SizingColumns) -> Sequence[Factor]:
        """Risk of the row, its weight among the instruments, diversification."""
        members = columns.live & columns.sizable
        multiplier = diversification_multiplier(columns, members, self.max_diversification)
        # Where a row with a live signal cannot be sized, its part of the diversification is not there either.
        complete = columns.risk_complete and not bool((columns.live & ~columns.sizable).any())
        return (
            Factor("instrument_weight", self.instrument_weight or 1.0 / columns.live_count, "sizing.instrument_weight"),
            Factor("volatility_target", self.target_volatility / columns.event_volatility, "sizing.target_volatility"),
            Factor("diversification", multiplier if complete else 1.0, "sizing.max_diversification"),
        )

    def full_weight(self, columns: SizingColumns, count: int) -> Floats:
        """Weight at direction 1."""
        return self.target_volatility / (count * columns.event_volatility)

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """Nothing that is not refused before: volatilities and prices are there."""
        return {}
