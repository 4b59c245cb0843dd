"""What the hedge optimiser answers: trades in exact lots, and every number with what made it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from services.core.outcome import Reason
from services.hedging.exposures import Exposure


class HedgeStatus(StrEnum):
    """What became of a hedge problem."""

    OPTIMAL = "optimal"
    """Every bound is kept, and the search for the least cost was finished; `gap` is what is proven of it."""
    LIMITED = "limited"
    """The best that depth, lots, margin, cash or the search allow; `breaches` says how far bounds are missed."""
    FALLBACK_DELTA_ONLY = "infeasible_fallback_delta_only"
    """No acceptable optimum: the delta alone is brought toward its bounds in linear instruments."""
    REFUSED = "refused"
    """No acceptable optimum, and no linear instrument that could help: no trades."""


class ConstraintKind(StrEnum):
    """What holds a hedge back."""

    UPPER_BOUND = "upper_bound"
    LOWER_BOUND = "lower_bound"
    BUY_DEPTH = "buy_depth"
    SELL_DEPTH = "sell_depth"
    MARGIN = "margin"
    CASH = "cash"


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeTrade:
    """One trade of a plan.

    Parameters
    ----------
    symbol : str
    contracts : Decimal
        Signed, whole lots.
    cost : float
        Half spread, fee and impact of the whole trade [quote].
    change : Exposure
        What it adds to the Greeks of the book.
    worth_per_contract : float, optional
        What one contract saves in risk and breaches at the marginal prices of the optimum [quote per contract]: traded
        for it exceeds the cost, or equals it where the size is a compromise. None in a fallback.
    """

    symbol: str
    contracts: Decimal
    cost: float
    change: Exposure
    worth_per_contract: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GreekPrice:
    """Marginal prices of one Greek at the optimum in fractions of lots.

    Parameters
    ----------
    greek : str
    exposure_price : float
        What one unit more of it in the book would add to cost and risk of the optimal hedge [quote per unit]; negative
        where more would help.
    bound_price : float
        What moving the bound that binds outward by one unit would save [quote per unit], >= 0; 0 where none binds.
    """

    greek: str
    exposure_price: float
    bound_price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A constraint that holds the hedge back.

    Parameters
    ----------
    kind : ConstraintKind
    name : str
        The Greek or the symbol; the kind again for margin and cash.
    price : float
        What one unit more of it would save [quote per unit of the Greek, per contract, per quote of margin or cash].
    """

    kind: ConstraintKind
    name: str
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgePlan:
    """Answer of the hedge optimiser.

    Parameters
    ----------
    status : HedgeStatus
    reason : Reason
        `NONE` for trades that are optimal, `WITHIN_BUFFER` where no trade is worth its cost; else what went wrong.
    detail : str
        One sentence with the figures.
    trades : tuple of HedgeTrade
        Sorted by symbol.
    before, after : Exposure
        Greeks of the book.
    risk_before, risk_after : float
        Standard deviation of profit and loss over the horizon [quote]. Never higher after.
    expected_cost : float
        Of all trades [quote].
    margin_before, margin_after : float
        Margin of all positions in the instruments [quote].
    cash : float
        Cash that the trades take, costs included [quote].
    objective_before, objective_after : float
        Cost, price of risk and of breaches, without and with the trades [quote].
    gap : float, optional
        How far `objective_after` may lie above the least possible, as a share of its cost and risk: proven, against
        fractions of lots. None where nothing was proven.
    breaches : tuple of (str, float)
        Bounded Greeks outside their bounds after the trades, and how far [unit of the Greek].
    prices : tuple of GreekPrice
        Of every Greek; empty without an optimum.
    margin_price, cash_price : float
        What one unit more of the budget would save [quote per quote].
    binding : tuple of Binding
        Constraints that bind, dearest kinds first as listed in `ConstraintKind`.
    """

    status: HedgeStatus
    reason: Reason
    detail: str
    trades: tuple[HedgeTrade, ...]
    before: Exposure
    after: Exposure
    risk_before: float
    risk_after: float
    expected_cost: float
    margin_before: float
    margin_after: float
    cash: float
    objective_before: float
    objective_after: float
    gap: float | None = None
    breaches: tuple[tuple[str, float], ...] = ()
    prices: tuple[GreekPrice, ...] = ()
    margin_price: float = 0.0
    cash_price: float = 0.0
    binding: tuple[Binding, ...] = ()
