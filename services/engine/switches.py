"""Which operator's switch holds for each row."""

from __future__ import annotations

from services.core.book import Row
from services.engine.inputs import EvaluationInputs
from services.guards.switches import ActiveSwitch, SwitchMode, market_scopes, strictest

PORTFOLIO = "portfolio:"


def row_scopes(row: Row) -> frozenset[str]:
    """Scopes of a row, that of its portfolio left out."""
    return market_scopes(row.symbol, row.venue or row.instrument.venue, row.account_id)


def switch_of(row: Row, inputs: EvaluationInputs) -> ActiveSwitch | None:
    """Strictest switch over a row; None where nothing stops it.

    Those of everything and of a portfolio are over each row: only switches of this decision's own portfolio are here.
    """
    if not inputs.switches:
        return None
    own = row_scopes(row)
    return strictest(
        one for one in inputs.switches if one.scope in own or ":" not in one.scope or one.scope.startswith(PORTFOLIO)
    )


def halted(row: Row, inputs: EvaluationInputs) -> bool:
    """Whether no order of a row may be made."""
    found = switch_of(row, inputs)
    return found is not None and found.mode is SwitchMode.HALT
