"""What price sources say of the rows of a book."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from services.core.book import Row
from services.core.explain import Bools
from services.core.outcome import Permission, Reason
from services.engine.columns import RowState
from services.engine.inputs import EvaluationInputs
from services.guards.observation import Aggregate
from services.guards.outcome import OracleReason
from services.guards.price_quality import PriceQuality, judge_price
from services.sizing.conditions import Conditions
from services.sizing.overlays.oracle_quality import OracleQuality
from services.sizing.registry import Overlay

DOUBTFUL = (Reason.STALE_PRICE, Reason.INVALID_PRICE, Reason.PRICE_INCONSISTENT, Reason.SPLIT_SUSPECTED)
"""Problems of a row that make its price one that nothing is flattened on, nor opened on."""


def doubtful_rows(inputs: EvaluationInputs, states: Sequence[RowState]) -> Bools:
    """Rows whose price is stale or contradictory, or that their oracles do not let increase."""
    found = np.array([state.problem in DOUBTFUL for state in states], dtype=bool)
    if inputs.oracles:
        judged = [row_quality(row, inputs) for row in inputs.rows]
        found |= np.array([item is not None and item.permission is not Permission.ANY for item in judged], dtype=bool)
    return found


def overlays_of(inputs: EvaluationInputs) -> tuple[Overlay, ...]:
    """Overlays of the policy; where oracles were sent, the one that listens to them is on without being named."""
    chosen = inputs.policy.overlays
    if not inputs.oracles or any(isinstance(overlay, OracleQuality) for overlay in chosen):
        return chosen
    return (*chosen, OracleQuality())


def with_oracles(base: Conditions, inputs: EvaluationInputs) -> Conditions:
    """Judgement of each row's price by the sources of its symbol, or of its underlying."""
    if not inputs.oracles:
        return base
    judged = [row_quality(row, inputs) for row in inputs.rows]
    return replace(
        base,
        oracle_multiplier=np.array([np.nan if item is None else item.multiplier for item in judged], dtype=float),
        oracle_detail=tuple("" if item is None else item.detail for item in judged),
    )


def row_quality(row: Row, inputs: EvaluationInputs) -> PriceQuality | None:
    """Judgement on one row; None where no oracle speaks of it.

    An oracle in another currency than the row's price is compared in the account currency, where that is the oracle's;
    else it cannot be, and blocks increases.
    """
    found = oracle_of(row, inputs)
    if found is None or row.price is None:
        return None
    mark = comparable_mark(row, inputs)
    if mark is None:
        detail = f"the oracle is in {inputs.policy.guards.currency}, the price in {row.instrument.quote_currency}"
        price = row.price.value
        return PriceQuality(
            long_price=price,
            short_price=price,
            multiplier=0.0,
            permission=Permission.REDUCE_ONLY,
            reason=OracleReason.MARK_DISAGREES,
            detail=f"{detail}: they cannot be compared",
        )
    return judge_price(found, mark, inputs.policy.guards)


def oracle_of(row: Row, inputs: EvaluationInputs) -> Aggregate | None:
    """Aggregate of a row's symbol, else of its underlying."""
    return inputs.oracles.get(row.symbol) or inputs.oracles.get(row.instrument.underlying or "")


def comparable_mark(row: Row, inputs: EvaluationInputs) -> float | None:
    """Mark of a row in the currency of the oracles."""
    assert row.price is not None
    currency, quote = inputs.policy.guards.currency, row.instrument.quote_currency or inputs.account.currency
    if quote == currency:
        return row.price.value
    return row.price.value * row.fx if row.fx is not None and inputs.account.currency == currency else None
