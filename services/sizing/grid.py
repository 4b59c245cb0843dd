"""Terms of a grid of resting orders, what it stands in, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from annotated_types import Ge, Gt, Le

from services.core.errors import InvalidInput
from services.core.instrument import Instrument, Kind
from services.core.outcome import Reason
from services.sizing.grid_risk import ZERO, WorstCase
from services.sizing.grid_spacing import GeometricSpacing, GridSpacing

GRID_KINDS = frozenset({Kind.SPOT, Kind.LINEAR, Kind.INVERSE})
GridSide = Literal["two_sided", "long_only", "short_only"]


class GridLevel(NamedTuple):
    """One resting order: `side` +1 buys and -1 sells `contracts` > 0 at `price`; `closes` inventory, or opens."""

    side: int
    price: Decimal
    contracts: Decimal
    notional: Decimal
    closes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GridMarket:
    """What a grid stands in.

    Parameters
    ----------
    inventory : Decimal
        What is held and may be traded by the grid, signed [contracts].
    volatility : float, optional
        Annual, as a fraction.
    equity : Decimal, optional
        [quote currency].
    """

    instrument: Instrument
    mark: Decimal
    inventory: Decimal = ZERO
    volatility: float | None = None
    equity: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlan:
    """A grid and what it may come to.

    Parameters
    ----------
    levels : tuple of GridLevel
        By price, ascending.
    committed : Decimal
        Notional of all orders that open a position, with fees [quote]; at most the budget.
    least_step : float
        Smallest step asked for [fraction].
    low, high : WorstCase, optional
        At the stop below and above; None for a side that cannot open.
    size_bound, count_bound : str
        What bound the size of the orders and their number.
    """

    levels: tuple[GridLevel, ...]
    committed: Decimal
    least_step: float
    low: WorstCase | None
    high: WorstCase | None
    size_bound: str
    count_bound: str

    @property
    def limited(self) -> bool:
        """Whether something else than the budget and the range made it smaller."""
        return self.size_bound != "budget" or self.count_bound not in ("max_levels", "step")


@dataclass(frozen=True, slots=True)
class GridRefusal:
    """No grid: why, and what would do, by the name of the field (`budget`, `risk_budget`, `equity`)."""

    reason: Reason
    detail: str
    least: dict[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    r"""Resting buys below the mark and sells above it, in whole lots, within a budget and a largest loss.

    n levels between `low` and `high` share the budget alike; each is floored to lots **at its own price**. The notional
    of one level is the largest q with ``m q (1 + fee) ≤ budget`` for the m levels that open a position, the loss at the
    stop ``Σ q (1 − s/p_i) + fees ≤ risk_budget``, the inventory ``Σ q ≤ risk_budget / (σ √h κ)`` and its largest
    notional ``≤ max_leverage × equity``. Where that is below the smallest order at some level, levels are left out.

    Parameters
    ----------
    side : {"two_sided", "long_only", "short_only"}
        `long_only` sells what is held and nothing else; `short_only` buys back what is short.
    low, high : Decimal
        Ends of the range [price].
    stop_low, stop_high : Decimal, optional
        Where the inventory is closed: below `low` for whatever buys, above `high` for whatever sells short [price].
    budget : Decimal
        What the orders that open a position may cost together, fees included [quote currency].
    spacing : GridSpacing
        Where the levels lie.
    max_levels : int
        Largest number of levels.
    fee_rate : float
        Of every fill [fraction of notional]; no step is below twice that.
    risk_budget : Decimal, optional
        Largest loss at the stop; also what κ standard deviations of the inventory may cost [quote currency].
    confidence_factor : float
        κ [standard deviations]; 2.326 is one day in a hundred under a normal law.
    horizon_days : float
        h [days].
    max_leverage : float, optional
        Largest notional of the inventory over equity.

    Notes
    -----
    Where the budget does not pay for all levels that fit, each level is the smallest order that is legal anywhere on
    its side (which is that at its lowest price), and as many levels are taken as pass every bound: hence more budget
    never gives less inventory, where levels lie ticks apart. Prices are rounded to ticks away from the mark, inside the
    range; levels that fall together are one. No fill is promised, and a stop that gaps loses more than is told.

    References
    ----------
    hummingbot `grid_executor` (which spends more than the budget where that pays for less than one level); the bound by
    volatility is the risk budget of J.P. Morgan/Reuters (1996), RiskMetrics Technical Document, section 1.2.
    """

    side: GridSide
    low: Decimal
    high: Decimal
    budget: Decimal
    stop_low: Decimal | None = None
    stop_high: Decimal | None = None
    spacing: GridSpacing = GeometricSpacing()
    max_levels: Annotated[int, Ge(1), Le(100)] = 20
    fee_rate: Annotated[float, Ge(0), Le(0.05)] = 0.0
    risk_budget: Decimal | None = None
    confidence_factor: Annotated[float, Gt(0), Le(20)] = 2.326
    horizon_days: Annotated[float, Gt(0), Le(365)] = 1.0
    max_leverage: Annotated[float, Gt(0), Le(1000)] | None = None

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise InvalidInput("low", "must be > 0 and < high", f"{self.low} with high {self.high}")
        if self.budget <= 0:
            raise InvalidInput("budget", "must be > 0", self.budget)
        for name, opens, wrong, rule in (
            ("stop_low", self.buys, self.stop_low is not None and not 0 < self.stop_low < self.low, "< low"),
            ("stop_high", self.sells, self.stop_high is not None and self.stop_high <= self.high, "> high"),
        ):
            if opens and getattr(self, name) is None:
                rule = f"is required for {self.side}: without a stop the loss has no bound"
                raise InvalidInput(name, rule, None, f"a price {'below low' if name == 'stop_low' else 'above high'}")
            if wrong:
                end = self.low if name == "stop_low" else self.high
                raise InvalidInput(name, f"must be > 0 and {rule} ({end})", str(getattr(self, name)))
        if self.risk_budget is not None and self.risk_budget <= 0:
            raise InvalidInput("risk_budget", "must be > 0", self.risk_budget)

    @property
    def buys(self) -> bool:
        """Whether buys open a position."""
        return self.side != "short_only"

    @property
    def sells(self) -> bool:
        """Whether sells open a position."""
        return self.side != "long_only"

    def check(self, market: GridMarket) -> None:
        """Refuse what these terms cannot be applied to.

        Raises
        ------
        InvalidInput
            For an instrument, side or inventory that a grid cannot be made of, and where a bound needs what is not
            known.
        """
        kind = market.instrument.kind
        if kind not in GRID_KINDS:
            raise InvalidInput("symbol", "must be spot, linear or inverse", kind.value)
        if kind is Kind.SPOT and self.side != "long_only":
            raise InvalidInput("side", "must be long_only for spot, which cannot be sold short", self.side)
        if market.mark <= 0:
            raise InvalidInput("mark_price", "must be > 0", market.mark)
        inventory = market.inventory
        if (inventory < 0 and not self.sells) or (inventory > 0 and not self.buys):
            rule = f"must be {'>=' if self.buys else '<='} 0 for {self.side}"
            raise InvalidInput("inventory", rule, str(inventory), "choose two_sided, or close it first")
        if self.risk_budget is not None and not (market.volatility and market.volatility > 0.0):
            raise InvalidInput("volatility", "is needed by risk_budget", market.volatility)
        if self.max_leverage is not None and market.equity is None:
            raise InvalidInput("equity", "is needed by max_leverage", None)
