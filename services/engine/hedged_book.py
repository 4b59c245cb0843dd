"""The book of one underlying that is hedged, with all that its hedges are judged by."""

from __future__ import annotations

from dataclasses import dataclass

from services.core.book import Row
from services.core.explain import Floats
from services.engine.columns import BookColumns, RowState
from services.engine.hedge_view import collateral_delta, position_delta
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Feedback
from services.hedging.latency import LatencyCost
from services.hedging.view import HedgeView


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgedBook:
    """One underlying.

    Parameters
    ----------
    place : int
        Row of the trigger's instrument.
    members : list of int
        Rows of the underlying.
    view : HedgeView
        As the trigger sees it.
    gross_delta : float
        Sum of the sizes of the deltas that are hedged: of all rows but those that hedges trade, and of the coin
        collateral [base units].
    feedback : Feedback, optional
        What hedges do to the price that they hedge; None where the policy does not ask.
    latency : LatencyCost, optional
        What the time of a hedge may cost; None where the policy does not ask, or gamma or volatility is unknown.
    close_only : bool
        A breaker lets exposures fall and none grow.
    """

    inputs: EvaluationInputs
    columns: BookColumns
    place: int
    members: list[int]
    view: HedgeView
    gross_delta: float
    feedback: Feedback | None = None
    latency: LatencyCost | None = None
    close_only: bool = False

    def row(self, index: int) -> Row:
        """A row of the request."""
        return self.inputs.rows[index]

    def state(self, index: int) -> RowState:
        """What is known of a row."""
        return self.columns.states[index]

    @property
    def reserve(self) -> float:
        """Margin that the latency of hedges reserves [account currency]."""
        return 0.0 if self.latency is None else self.latency.quote * (self.view.conversion or 1.0)


def gross_delta(inputs: EvaluationInputs, columns: BookColumns, members: list[int], final: Floats) -> float:
    """Sum of the sizes of the deltas that hedges are for [base units]."""
    hedges = set(inputs.hedge_rows.values())
    held = sum(abs(position_delta(inputs, columns, i, final)) for i in members if i not in hedges)
    return held + abs(collateral_delta(inputs, members))
