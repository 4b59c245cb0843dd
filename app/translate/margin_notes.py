"""What the margin of a policy was not told: earlier rates, returns, open interest, volume."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from app.translate.answer import time_text
from app.translate.notes import Notes
from app.translate.snapshot import names
from services.engine.inputs import EvaluationInputs
from services.margin.procyclicality import STRESS_BARS, AntiProcyclicality
from services.margin.registry import MarginPolicy
from services.margin.size_addons import MarketSize, SizeAddon
from services.margin.smoothing import SmoothedRates
from services.margin.stress_tails import LONG_RUN_YEARS


def tell_smoothing(inputs: EvaluationInputs, sides: tuple[SmoothedRates, SmoothedRates], notes: Notes) -> None:
    """What the rules start from, what they read the stressed period off, and clocks that have gone back."""
    rules = inputs.policy.margin.procyclicality
    assert rules is not None
    long, _ = sides
    markets = {row.market_key: place for place, row in enumerate(inputs.rows)}
    known = [key for key, place in markets.items() if np.isfinite(long.model[place])]
    if rules.remembers and (new := [key for key in known if np.isnan(long.before[markets[key]])]):
        start = f"{1.0 + rules.buffer:g} times the margin of the model"
        effect = f"for {names(new)}: nothing was asked before: send state of the last answer as previous"
        notes.assume("/previous/margins", start, effect)
    _tell_bad_times(rules, inputs, long, known, notes)
    before = inputs.control.margins if inputs.control is not None else {}
    late = [key for key in markets if key in before and before[key].as_of > inputs.as_of]
    for key in late:
        told = f"as_of lies before {time_text(before[key].as_of)}, when its margin was asked last: that one stays"
        notes.warn("margin_clock_backwards", told, key)


def _tell_bad_times(
    rules: AntiProcyclicality, inputs: EvaluationInputs, long: SmoothedRates, known: list[str], notes: Notes
) -> None:
    place = "/policy/margin/procyclicality"
    markets = {row.market_key: index for index, row in enumerate(inputs.rows)}
    read: list[tuple[bool, str, Any, str, str]] = [
        (rules.stress_weight > 0.0, "stress_weight", long.stressed, f"worst {STRESS_BARS} bars of the series", "0"),
        (
            rules.long_run_floor,
            "long_run_floor",
            long.long_run,
            f"up to {LONG_RUN_YEARS:g} years of the series",
            "none",
        ),
    ]
    for asked, field, rates, source, without in read:
        if not asked:
            continue
        if seen := [key for key in known if np.isfinite(rates[markets[key]])]:
            notes.assume(f"{place}/{field}", source, f"for {names(seen)}: no other history was sent")
        if blind := [key for key in known if np.isnan(rates[markets[key]])]:
            effect = f"for {names(blind)}: fewer than 60 returns were sent: the margin is that of the model alone"
            notes.assume(f"{place}/{field}", without, effect)


def tell_without_memory(policy: MarginPolicy, notes: Notes) -> None:
    """A door that keeps no state, reads no series and sees no whole account leaves some rules out."""
    if policy.portfolio is not None:
        notes.assume("/margin/portfolio", "unused", "one position at a time: no account is margined as a whole here")
    rules = policy.procyclicality
    if rules is None or not rules.active:
        return
    if rules.remembers:
        start = f"{1.0 + rules.buffer:g} times the margin of the model"
        notes.assume("/margin/procyclicality", start, "no memory is read here: as if nothing had been asked before")
    if rules.stress_weight > 0.0 or rules.long_run_floor:
        effect = "stress weight and long-run floor read returns, of which there are none here"
        notes.assume("/margin/procyclicality", "margin of the model alone", effect)


UNKNOWN_SIZE = {
    "open_interest": "no open_interest was sent: initial margin is the largest that the policy asks",
    "average_daily_volume": "no average_daily_volume was sent: initial margin is the largest that the policy asks",
}


def tell_unknown_size(addon: SizeAddon, symbols: Iterable[str], market: MarketSize, notes: Notes, place: str) -> None:
    """Markets whose size an add-on reads and does not know."""
    figures = {"open_interest": market.open_interest, "average_daily_volume": market.daily_volume}
    named = list(symbols)
    for field in sorted(addon.requires):
        known = np.isfinite(np.broadcast_to(np.asarray(figures[field], dtype=np.float64), len(named)))
        if blind := sorted({symbol for symbol, seen in zip(named, known.tolist(), strict=True) if not seen}):
            notes.assume(place, addon.method, f"for {names(blind)}: {UNKNOWN_SIZE[field]}")
