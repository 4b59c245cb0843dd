"""What the hedge optimiser is asked: instruments, exposure, bounds, risk, budgets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from services.core.errors import InvalidInput
from services.hedging.exposures import Exposure, GreekBound
from services.hedging.risk_model import RiskModel

MOST_INSTRUMENTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeInstrument:
    """One instrument that may be traded to hedge, per contract.

    Parameters
    ----------
    symbol : str
    greeks : Exposure
        Of one contract held long, in the same conventions as the book's; one with a delta only is *linear*.
    buy_cost, sell_cost : float
        Half spread plus fee of one contract [quote], >= 0.
    impact : float
        What each contract adds to the cost of every contract of the trade [quote per contract²], >= 0: a trade of q
        costs ``q (cost + impact · q)``.
    buy_depth, sell_depth : float
        Most contracts that may be bought and sold [contracts], >= 0 and finite; 0 shuts the side.
    lot : Decimal
        [contracts], > 0.
    minimum : Decimal
        Least order [contracts], >= 0.
    margin_long, margin_short : float
        Margin of one contract held long and held short [quote], >= 0.
    price : float
        Cash that buying one contract takes [quote], >= 0: the premium of an option, the price of spot, 0 of futures.
        Selling is not counted to bring cash: a sale may be the later leg.
    position : float
        Signed contracts held now, outstanding orders included.
    reduce_only : bool
        Trade toward zero only, and not beyond.

    Raises
    ------
    InvalidInput
        Naming symbol and parameter.
    """

    symbol: str
    greeks: Exposure
    buy_cost: float = 0.0
    sell_cost: float = 0.0
    impact: float = 0.0
    buy_depth: float
    sell_depth: float
    lot: Decimal
    minimum: Decimal = Decimal(0)
    margin_long: float = 0.0
    margin_short: float = 0.0
    price: float = 0.0
    position: float = 0.0
    reduce_only: bool = False

    def __post_init__(self) -> None:
        for name in _NOT_NEGATIVE:
            value = getattr(self, name)
            if not (value >= 0.0 and math.isfinite(value)):
                raise InvalidInput(f"instruments[{self.symbol}].{name}", "must be >= 0 and finite", value)
        if not math.isfinite(self.position):
            raise InvalidInput(f"instruments[{self.symbol}].position", "must be finite", self.position)
        if not (self.lot.is_finite() and self.lot > 0):
            raise InvalidInput(f"instruments[{self.symbol}].lot", "must be > 0 and finite", self.lot)

    @property
    def linear(self) -> bool:
        """Whether it carries delta and nothing else."""
        delta, *others = self.greeks.values()
        return delta != 0.0 and not any(others)


_NOT_NEGATIVE = (
    "buy_cost",
    "sell_cost",
    "impact",
    "buy_depth",
    "sell_depth",
    "minimum",
    "margin_long",
    "margin_short",
    "price",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HedgeProblem:
    r"""Least cost of trades plus price of the risk that is left, within bounds.

    ``min Σ q_i (cost_i + impact_i q_i) + ½ a · (e + G'x)' Σ (e + G'x) + Σ breach_g · excess_g``, x in whole lots,
    ``q = |x|``, within depth, margin and cash.

    Parameters
    ----------
    exposure : Exposure
        e, of the book without the trades.
    instruments : tuple of HedgeInstrument
        At most 1,000, each symbol once; their order does not matter.
    bounds : tuple of GreekBound
        At most one per Greek.
    risk : RiskModel
        Σ.
    risk_aversion : float
        a [1/quote], >= 0: half of it is what one unit of variance over the horizon may cost to be rid of.
    margin_budget : float, optional
        Most margin of all positions in these instruments [quote]; where more is used already, no more than that.
    cash_budget : float, optional
        Most cash that the trades may take [quote].
    gap : float
        Share of cost and risk that the choice of lots may lie above the proven least.
    time_limit_seconds : float
        Of each call of the solver: two to eight linear programs on the way to fractions, one for the lots.
    node_limit : int
        Branches of the search for lots: a limit that does not depend on the machine, and so keeps answers repeatable.
    """

    exposure: Exposure
    instruments: tuple[HedgeInstrument, ...]
    bounds: tuple[GreekBound, ...] = ()
    risk: RiskModel
    risk_aversion: float
    margin_budget: float | None = None
    cash_budget: float | None = None
    gap: float = 1e-3
    time_limit_seconds: float = 1.0
    node_limit: int = 100

    def __post_init__(self) -> None:
        for name in ("risk_aversion", "margin_budget", "cash_budget", "gap"):
            value = getattr(self, name)
            if value is not None and not (value >= 0.0 and math.isfinite(value)):
                raise InvalidInput(name, "must be >= 0 and finite", value)
        if not self.time_limit_seconds > 0.0:
            raise InvalidInput("time_limit_seconds", "must be > 0", self.time_limit_seconds)
        if not 1 <= self.node_limit:
            raise InvalidInput("node_limit", "must be >= 1", self.node_limit)
        if len(self.instruments) > MOST_INSTRUMENTS:
            raise InvalidInput("instruments", f"must be at most {MOST_INSTRUMENTS}", len(self.instruments))
        _once("instruments.symbol", [instrument.symbol for instrument in self.instruments])
        _once("bounds.greek", [bound.greek for bound in self.bounds])


def _once(parameter: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidInput(parameter, "must not repeat", name)
        seen.add(name)
