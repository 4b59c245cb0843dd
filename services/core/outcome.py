"""Outcome of one instrument: status, action, permission and the stable reason codes."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """What became of an instrument's target."""

    OK = "ok"
    LIMITED = "limited"
    HELD = "held"
    REFUSED = "refused"


class Action(StrEnum):
    """What the order does to the position."""

    INCREASE = "increase"
    DECREASE = "decrease"
    REVERSE = "reverse"
    CLOSE = "close"
    NONE = "none"


class Permission(StrEnum):
    """What a client may do with this instrument while the answer is valid."""

    ANY = "any"
    REDUCE_ONLY = "reduce_only"
    NONE = "none"


class Reason(StrEnum):
    """Stable reason codes of per-instrument outcomes; `REASON_TEXT` explains each one."""

    NONE = "none"
    NO_DIRECTION = "no_direction"
    NO_SIGNAL = "no_signal"
    SIGNAL_EXPIRED = "signal_expired"
    WITHIN_BUFFER = "within_buffer"
    COOLDOWN = "cooldown"
    BELOW_MINIMUM = "below_minimum"
    BELOW_LOT = "below_lot"
    OPTION_NOT_RESIZED = "option_not_resized"
    HEDGE_INSTRUMENT = "hedge_instrument"
    EQUITY_NOT_POSITIVE = "equity_not_positive"
    INSTRUMENT_REQUIRED = "instrument_required"
    PRICE_REQUIRED = "price_required"
    FX_REQUIRED = "fx_required"
    VOLATILITY_UNAVAILABLE = "volatility_unavailable"
    INSUFFICIENT_HISTORY = "insufficient_history"
    INVALID_PRICE = "invalid_price"
    STALE_PRICE = "stale_price"
    PRICE_INCONSISTENT = "price_inconsistent"
    SPLIT_SUSPECTED = "split_suspected"
    ZERO_VOLATILITY = "zero_volatility"
    MARGIN_UNMODELLED = "margin_unmodelled"
    GREEKS_UNAVAILABLE = "greeks_unavailable"
    OPEN_ORDERS = "open_orders"
    EXPIRED = "expired"
    LIMIT = "limit"
    HALTED = "halted"
    REDUCE_ONLY = "reduce_only"
    BUDGET_TOO_SMALL = "budget_too_small"
    NO_LEVEL = "no_level"
    NO_EDGE = "no_edge"
    NO_CANDIDATE = "no_candidate"
    DATA_REQUIRED = "data_required"
    UNUSABLE_DATA = "unusable_data"
    SCENARIO_MISSING = "scenario_missing"
    TRADES_UNMATCHED = "trades_unmatched"
    BOUNDS_INFEASIBLE = "bounds_infeasible"
    SOLVER_FAILED = "solver_failed"
    RISK_NOT_REDUCED = "risk_not_reduced"
    NO_DEPTH = "no_depth"
    FUNDING_TOO_HIGH = "funding_too_high"
    INDEX_GAP = "index_gap"
    HEDGE_CAP = "hedge_cap"
    HEDGE_PENDING = "hedge_pending"
    REFLEXIVE_HEDGE = "reflexive_hedge"


NOT_A_FAULT = frozenset({Reason.OPTION_NOT_RESIZED, Reason.HEDGE_INSTRUMENT})
"""Reasons not to size a row that are no fault of its data."""

REASON_TEXT: dict[Reason, str] = {
    Reason.NONE: "The target is what the sizing method asks for.",
    Reason.NO_DIRECTION: "Flat, and no signal was sent: nobody goes long by silence. Send signals[].direction.",
    Reason.NO_SIGNAL: "Signals were sent, but none for this symbol: never increased; limits still act.",
    Reason.SIGNAL_EXPIRED: "The signal is older than its half-life allows: never increased; limits still act.",
    Reason.WITHIN_BUFFER: "The position lies within the no-trade buffer around the optimal size.",
    Reason.COOLDOWN: "A hedge is due, but the last one is younger than the cooldown; beyond the hard limit it acts.",
    Reason.BELOW_MINIMUM: "The order that would increase the position is below the minimum quantity or notional.",
    Reason.BELOW_LOT: "The change is smaller than one lot.",
    Reason.OPTION_NOT_RESIZED: "Linear sizing methods never resize option positions.",
    Reason.HEDGE_INSTRUMENT: "This instrument is reserved for hedges; its orders are in hedges[].",
    Reason.EQUITY_NOT_POSITIVE: "Equity is zero or negative: positions are held and may only be reduced.",
    Reason.INSTRUMENT_REQUIRED: "The symbol reads as inverse, contract-sized or option: describe it in instruments[].",
    Reason.PRICE_REQUIRED: "No mark price, no entry in marks[] and no series to take a close from.",
    Reason.FX_REQUIRED: "The quote currency differs from the account currency and fx[] has no rate for it.",
    Reason.VOLATILITY_UNAVAILABLE: "No series was sent and no volatility state is cached for this symbol and bar.",
    Reason.INSUFFICIENT_HISTORY: "Too few bars for a volatility forecast.",
    Reason.INVALID_PRICE: "The series contains a price that is not finite or not positive.",
    Reason.STALE_PRICE: "The price is flat or older than the policy allows: held, and only reductions are allowed.",
    Reason.PRICE_INCONSISTENT: "The mark is less than half or more than twice the last close: symbol, units or order?",
    Reason.SPLIT_SUSPECTED: "Price and volume of the last bar changed like those of a split: held, and only reductions "
    "are allowed, until it is sent again with split (1 if the price did move).",
    Reason.ZERO_VOLATILITY: "The forecast volatility is zero: a size cannot be computed from it.",
    Reason.MARGIN_UNMODELLED: "The margin of a held position is neither modelled nor given, or what collateral counts "
    "is not known: increases are blocked.",
    Reason.GREEKS_UNAVAILABLE: "The option lacks an implied volatility and forward, and brings no Greeks of its own.",
    Reason.OPEN_ORDERS: "Open orders stand beyond the target: cancel them; nothing is traded against an open order.",
    Reason.EXPIRED: "The option has expired.",
    Reason.DATA_REQUIRED: "The sizing method needs a figure that was not sent for this row; the detail says which.",
    Reason.UNUSABLE_DATA: "A figure that the sizing method needs is contradictory or too thin; the detail says why.",
    Reason.SCENARIO_MISSING: "The position cannot be revalued in a scenario that was asked for: its own ladder lacks "
    "the node, or its Greeks what a shock applies to. It is in no ladder, which is then not complete.",
    Reason.TRADES_UNMATCHED: "The two snapshots of a position do not belong together: contract, quantity and trades. "
    "Its profit and loss is in no sum, which is then not complete.",
    Reason.LIMIT: "A limit of the policy, the account or the instrument cut the size; binding[] names it.",
    Reason.HALTED: "An operator has halted this row: it is held, and no order is made. The detail names the switch, "
    "its author and the reason.",
    Reason.REDUCE_ONLY: "An operator's switch lets nothing grow here: reductions are made, increases are not. The "
    "detail names the switch, its author and the reason.",
    Reason.BUDGET_TOO_SMALL: "The budget of a grid does not pay for its smallest legal orders: nothing is placed, and "
    "least says what would do.",
    Reason.BOUNDS_INFEASIBLE: "No trades in whole lots keep the hard bounds within depth, margin and cash: at most the "
    "delta is hedged.",
    Reason.SOLVER_FAILED: "The hedge optimiser did not finish in time or with sound numbers: at most the delta is "
    "hedged.",
    Reason.RISK_NOT_REDUCED: "The trades that the bounds ask for would raise the risk of the book: at most the delta "
    "is hedged.",
    Reason.NO_DEPTH: "The book of the hedge instrument is empty, unknown or too thin: the hedge may only shrink.",
    Reason.FUNDING_TOO_HIGH: "The hedge would pay more funding than the policy allows, or its funding is unknown: it "
    "may only shrink.",
    Reason.INDEX_GAP: "Mark and index are further apart than the policy allows: the hedge may only shrink.",
    Reason.HEDGE_CAP: "The hedge would exceed the largest share of the gross option delta that the policy allows.",
    Reason.HEDGE_PENDING: "A hedge order is outstanding: a second one waits for it; the hedge may only shrink.",
    Reason.REFLEXIVE_HEDGE: "Hedging with delta alone would move the price by more than the move it hedges: buy gamma, "
    "or trade far smaller clips.",
    Reason.NO_LEVEL: "The range of a grid holds no level on the side of the mark on which it may open a position.",
    Reason.NO_EDGE: "The premium of an option does not pay for the forecast volatility and the fees: nothing is sold.",
    Reason.NO_CANDIDATE: "None of the quotes may be traded, or none of them protects; candidates[] says why of each.",
}
