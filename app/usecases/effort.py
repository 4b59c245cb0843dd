"""How long a request keeps a processor busy: what takes more than a moment goes to a worker thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel

from app.deadline import in_thread
from app.usecases.call import Call
from models.api.evaluation import SnapshotIn
from models.api.market import SeriesIn

Request = TypeVar("Request", bound=BaseModel)
INLINE_BYTES = 256 * 1024
"""Bodies up to this size are validated on the event loop, as they are parsed there."""

INLINE_SECONDS = 0.010
"""Work up to which a request is computed on the event loop, where it delays all others."""
SECONDS_PER_RANGED_BAR, SECONDS_PER_CLOSE, SECONDS_PER_STEP = 35e-6, 1e-6, 25e-6
"""Measured on the adaptive forecaster: a bar with open, high and low; a close; one bar of all markets side by side."""
SECONDS_PER_DRIVEN_STEP = 60e-6
"""The same for exogenous drivers: one bar of all markets, on top."""
SECONDS_PER_FED_BAR, RARE_SECONDS = 50e-6, 0.050
"""A bar of a series that is fed one by one, and what that may cost the event loop.

A jump that the next bar takes back, or what looks like a split, makes a series one of these: only computing tells.
"""


async def validated(model: type[Request], call: Call) -> Request:
    """Request of a call, checked; a large one in a worker thread.

    Raises
    ------
    ValidationError
        If the body breaks a rule of the model.
    """
    if len(call.body) > INLINE_BYTES:
        return await in_thread(model.model_validate, call.parsed)
    return model.model_validate(call.parsed)


def points(item: SeriesIn) -> int:
    """Bars of a series."""
    return len(item.close or item.ohlcv or ())


def takes_a_while(request: SnapshotIn) -> bool:
    """Whether a decision on this request should not be made on the event loop: a fit of a surface takes 10 ms and more,
    and so does the scenario margin of a whole account; series as `takes_long` says.
    """
    whole = request.account.margin_mode == "portfolio"
    return whole or bool(request.option_quotes) or takes_long(request.series)


def takes_long(series: Sequence[SeriesIn]) -> bool:
    """Whether forecasting these series should not be done on the event loop.

    Closes of all markets go side by side, so the longest series counts as well as their number; bars with ranges go
    market by market. More than 1,000 bars of all series together do whatever they are.
    """
    ranged = [item.ohlcv is not None or item.high is not None for item in series]
    bars = [points(item) for item in series]
    if sum(bars) * SECONDS_PER_FED_BAR > RARE_SECONDS:
        return True
    step = SECONDS_PER_STEP + (SECONDS_PER_DRIVEN_STEP if any(item.drivers for item in series) else 0.0)
    each = sum(
        count * (SECONDS_PER_RANGED_BAR if wide else SECONDS_PER_CLOSE)
        for count, wide in zip(bars, ranged, strict=True)
    )
    return each + max(bars, default=0) * step > INLINE_SECONDS
