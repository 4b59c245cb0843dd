"""What becomes of an observed bar."""

from __future__ import annotations

from enum import StrEnum


class PointOutcome(StrEnum):
    """What became of one observed bar; `OUTCOME_TEXT` explains each."""

    ACCEPTED = "accepted"
    MERGED = "merged"
    REVISED = "revised"
    GAP_FILLED = "gap_filled"
    GAP_RESET = "gap_reset"
    STALE = "stale"
    OHLC_INCONSISTENT = "ohlc_inconsistent"
    WICK_CAPPED = "wick_capped"
    SPIKE_REVERTED = "spike_reverted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    OUT_OF_ORDER = "out_of_order"
    OFF_CLOCK = "off_clock"
    INVALID_PRICE = "invalid_price"
    CORPORATE_ACTION = "corporate_action"
    UNFINISHED = "unfinished"
    CALENDAR_CONFLICT = "calendar_conflict"
    NEEDS_REPLAY = "needs_replay"
    STATE_DAMAGED = "state_damaged"

    @property
    def stored(self) -> bool:
        """Whether the bar became part of the state."""
        return self in _STORED


_STORED = frozenset(
    {
        PointOutcome.ACCEPTED,
        PointOutcome.MERGED,
        PointOutcome.REVISED,
        PointOutcome.GAP_FILLED,
        PointOutcome.GAP_RESET,
        PointOutcome.STALE,
        PointOutcome.OHLC_INCONSISTENT,
        PointOutcome.WICK_CAPPED,
        PointOutcome.SPIKE_REVERTED,
    }
)

OUTCOME_TEXT: dict[PointOutcome, str] = {
    PointOutcome.ACCEPTED: "The next bar; the forecast was updated.",
    PointOutcome.MERGED: "Older than the last bar, but among the last 64: put in its place, the rest run again.",
    PointOutcome.REVISED: "Known with other values: what was sent replaces them, as asked, what was left out stays, "
    "and the bars after it run again.",
    PointOutcome.GAP_FILLED: "Up to 5 bars are missing before it: bridged by decay in time.",
    PointOutcome.GAP_RESET: "More than 5 bars are missing before it: the return over the gap is not used, and the "
    "volatility does not fall below its long-run value for 20 bars.",
    PointOutcome.STALE: "The close has not changed for several bars: the forecast is frozen, no zero is fed.",
    PointOutcome.OHLC_INCONSISTENT: "Open, high, low and close contradict each other: only the close was used.",
    PointOutcome.WICK_CAPPED: "A wick longer than 4 usual ranges was cut to that length.",
    PointOutcome.SPIKE_REVERTED: "The bar before it jumped by more than 12 standard deviations and this one took back "
    "80 % or more: the jump was undone, and this bar spans both.",
    PointOutcome.DUPLICATE: "The same bar with the same values was seen before: nothing changed.",
    PointOutcome.CONFLICT: "The bar is known with other values: nothing changed. revise: true replaces it.",
    PointOutcome.OUT_OF_ORDER: "Older than the last 64 bars: nothing changed.",
    PointOutcome.OFF_CLOCK: "Not a whole number of bars after the last close: nothing changed.",
    PointOutcome.INVALID_PRICE: "The close, or another number of the bar, is beyond its limits: nothing changed.",
    PointOutcome.CORPORATE_ACTION: "Price and volume changed like those of a split: the bar is kept, and the market is "
    "not sized until it is settled. Send it again with split: 2 (new units for one old), or with split: 1 if the price "
    "did move.",
    PointOutcome.UNFINISHED: "The bar closes in the future: nothing changed. close_time is when the bar closes, "
    "and only complete bars count.",
    PointOutcome.CALENDAR_CONFLICT: "The state was begun with another calendar: nothing changed. Reset it to "
    "change that.",
    PointOutcome.NEEDS_REPLAY: "Takes back a jump that can no longer be undone: nothing changed.",
    PointOutcome.STATE_DAMAGED: "The cached state of the market cannot be read: nothing changed. Reset it and feed it "
    "again, or rebuild it from the audit log.",
}
