"""Scheduled events: fewer increases shortly before and after them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le, Lt

from services.core.explain import Bools, Floats
from services.sizing.overlay import Acts, Effect, View, per_row


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledEvents:
    """Multiplier on increases from `before_seconds` before an event begins to `after_seconds` after it ends.

    Parameters
    ----------
    multiplier : float
        On increases within the window.
    before_seconds, after_seconds : float
        Width of the window [s].

    Notes
    -----
    A rule of time alone. What an event adds to the variance of the next bar is the business of the sizing method (the
    step `events`) and is not counted here again. Without `events` none is scheduled.
    """

    method: Literal["scheduled_events"] = "scheduled_events"
    multiplier: Annotated[float, Ge(0), Lt(1)] = 0.0
    before_seconds: Annotated[float, Ge(0), Le(2_592_000)] = 3600.0
    after_seconds: Annotated[float, Ge(0), Le(2_592_000)] = 1800.0

    acts_on: ClassVar[Acts] = "increase"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"events"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def effect(self, view: View) -> Effect:
        """Multiplier of rows that an event moves."""
        starts, ends = view.conditions.event_starts, view.conditions.event_ends
        inside = in_window(starts, ends, self.before_seconds, self.after_seconds)
        size = view.wanted.size
        said = ("within the window of a scheduled event",) * size
        return per_row(np.where(inside, self.multiplier, 1.0), np.zeros(size, dtype=bool), said, "")


def in_window(starts: Floats, ends: Floats, before: float, after: float) -> Bools:
    """Rows with an event that begins within `before` or ended less than `after` ago, all in seconds from now.

    Parameters
    ----------
    starts, ends : (n, k) arrays
        Beginning and end of each event; NaN where it does not move the row.

    Examples
    --------
    >>> starts, ends = np.array([[600.0], [-600.0], [np.nan]]), np.array([[600.0], [-300.0], [np.nan]])
    >>> in_window(starts, ends, 900.0, 60.0).tolist()
    [True, False, False]
    """
    inside: Bools = (starts <= before) & (ends > -after)
    return np.asarray(inside.any(axis=1), dtype=bool)
