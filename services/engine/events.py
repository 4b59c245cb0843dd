"""Scheduled events as what they add to the volatility of each row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from services.core.explain import Floats
from services.engine.inputs import MarketEvent
from services.volatility.events import event_variance
from services.volatility.readout import VolatilityReadout


def event_shocks(
    events: Sequence[MarketEvent],
    market_keys: Sequence[str],
    readouts: Sequence[VolatilityReadout | None],
    as_of: datetime,
) -> Floats | None:
    """Volatility that each event adds to the next bar of each row.

    Parameters
    ----------
    market_keys, readouts : sequences of length n
        Market of each row, and its readout where there is one.
    as_of : datetime
        The next bar of a market ends after it.

    Returns
    -------
    (n, k) array or None
        ``sqrt(variance in the next bar · periods)`` [annual] of row i and event j; None where every one is 0.
    """
    if not events:
        return None
    now, shocks = as_of.timestamp(), np.zeros((len(readouts), len(events)))
    for row, (key, readout) in enumerate(zip(market_keys, readouts, strict=True)):
        if readout is None:
            continue
        start, end = readout.next_bar(now)
        for column, item in enumerate(events):
            if item.markets is None or key in item.markets:
                added = event_variance([item.event], start=start, end=end)
                shocks[row, column] = (added * readout.periods_per_year) ** 0.5
    return shocks if shocks.any() else None
