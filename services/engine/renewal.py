"""When a live portfolio is to be evaluated again though nothing was sent.

Changes of its inputs lead to an evaluation at once, and what triggers look at moves with them; this is for what moves
with the clock alone.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from services.engine.columns import stale_times
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Evaluation


def renewal_at(
    inputs: EvaluationInputs,
    evaluation: Evaluation,
    *,
    refresh_seconds: float | None = None,
    due_at: datetime | None = None,
) -> datetime | None:
    """The next moment at which a decision on the same inputs could be another one; None: only new inputs change it.

    ``min(valid_until, as_of + refresh, due)``, where something is still fresh then: else the answer is to expire.

    Parameters
    ----------
    inputs, evaluation : EvaluationInputs, Evaluation
        The last decision.
    refresh_seconds : float, optional
        Longest time between two decisions [s]; None: no limit.
    due_at : datetime, optional
        When `auto` mode wants to decide again.

    Notes
    -----
    At `valid_until` the market whose last bar is too old is held from then on, and the others go on; so the first
    market to fall silent does not end the targets of all. Once the snapshot or the last bar of every market is too old,
    nothing is decided any more: a renewed answer would make old data look new. Cost: O(markets).
    """
    bars = [moment for moment, _ in stale_times(inputs, evaluation.market)]
    ends = [end for end in (inputs.expires_at, max(bars, default=None)) if end is not None]
    times = [evaluation.valid_until] if due_at is None else [evaluation.valid_until, due_at]
    if refresh_seconds is not None:
        times.append(inputs.as_of + timedelta(seconds=refresh_seconds))
    due = min(times)
    return due if ends and due < min(ends) else None
