"""Risk parity: every member of the book makes its budgeted part of the book's risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, MaxLen, MinLen

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.risk.parity import RiskParity as Solution
from services.risk.parity import risk_parity
from services.sizing.columns import SizingColumns
from services.sizing.interface import Composition, on_their_sides, sided_members
from services.sizing.shares import by_symbol, check_symbols, undiversified_shares, unnamed

CONFIG: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}
SUM_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskBudget:
    """Part of one symbol in the risk of the book.

    Parameters
    ----------
    symbol : str
        In equal parts where it has several rows.
    budget : float
        [fraction of the book's risk]; 0 keeps the symbol flat.
    """

    symbol: Annotated[str, MinLen(1), MaxLen(64)]
    budget: Annotated[float, Ge(0), Le(1)]

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskParity(Composition):
    r"""Share one unit of gross exposure so that each row's part in the risk is its budget, ``w_i (Σw)_i = b_i w'Σw``.

    The sides are those of the signals, or without signals those held: a short is budgeted like a long, on the
    correlation matrix ``s s' ∘ R``. The policy's `scaling` makes a size of the composition; without one its
    gross leverage is 1.

    Parameters
    ----------
    budgets : list, optional
        Part of each symbol in the risk; they add up to 1. By default equal for all rows with a side. Budgets of symbols
        without a side go to the others in proportion; a symbol with a side and no budget is refused.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.
    max_share : float, optional
        Largest share of one row in the composition; what is cut is divided among the others in proportion. Where
        every row is at the limit the rest stays cash. Scaling keeps the ratios of the shares, not their sum. A share
        that is cut no longer makes its budget.

    Notes
    -----
    Budgets hold for full directions; a half direction halves its position and with it the row's part.

    Without a correlation matrix nothing is known of diversification: volatilities add up, and shares are ``∝ b/σ``
    (inverse volatility for equal budgets).

    Rows whose sides offset one another exactly, such as a long and a short of one market, have no risk parity: they
    are refused. The volatility is that of the next bar, scheduled events included. Cost: O(n³), see
    `services.risk.parity`.

    References
    ----------
    Maillard, Roncalli and Teïletche (2010), JPM 36(4). Bruder and Roncalli (2012), Managing Risk Exposures Using the
    Risk Budgeting Approach. Spinu (2013), An Algorithm for Computing Risk Parity Weights.
    """

    method: Literal["risk_parity"] = "risk_parity"
    budgets: Annotated[tuple[RiskBudget, ...], MinLen(1), MaxLen(200)] | None = None
    scope: Literal["book", "instrument"] | None = None
    max_share: Annotated[float, Gt(0), Le(1)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "price"})
    stage: ClassVar[str] = "risk_parity"
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def __post_init__(self) -> None:
        if self.budgets is None:
            return
        check_symbols("budgets", [item.symbol for item in self.budgets])
        total = sum(item.budget for item in self.budgets)
        if abs(total - 1.0) > SUM_TOLERANCE:
            raise InvalidInput("budgets", "must add up to 1", total)

    def claims(self, columns: SizingColumns) -> Floats:
        """Budget of each row, NaN where its symbol has none; equal ones by default."""
        if self.budgets is None:
            return np.ones(columns.current.shape)
        return by_symbol([(item.symbol, item.budget) for item in self.budgets], columns)

    def composition(self, columns: SizingColumns, members: Bools) -> Floats:
        """Shares of all rows, Σ = 1 over `members`; 0 where the budgets of all of them are.

        Rows that `unusable` names have no risk parity: sized nevertheless, they are given no diversification.
        """
        budgets = self._budgets(columns, members)
        if not budgets.any():
            return budgets
        solution = solve(columns, members, budgets)
        if solution is None or not solution.solved:
            return undiversified_shares(columns.volatility, members, budgets)
        shares = np.zeros(members.shape)
        shares[members] = solution.exposures / columns.volatility[members]
        normalised: Floats = shares / shares.sum()
        return normalised

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """Rows without a budget, and rows whose sides offset one another."""
        refused = unnamed(self.claims(columns), columns, rows, "sizing.budgets")
        book = on_their_sides(columns, rows, self.scope).with_events()
        members = sided_members(book, rows & ~np.isin(np.arange(rows.size), list(refused)))
        while (budgets := self._budgets(book, members)).any():
            solution = solve(book, members, budgets)
            if solution is None or solution.solved:
                break
            offsetting = np.flatnonzero(members)[solution.offsetting]
            names = ", ".join(dict.fromkeys(book.symbols[index] for index in offsetting.tolist()[:4]))
            text = f"the sides of {names} offset one another: no finite position makes up their part of the risk"
            refused |= dict.fromkeys(offsetting.tolist(), text)
            members = members.copy()
            members[offsetting] = False
        return refused

    def _budgets(self, columns: SizingColumns, members: Bools) -> Floats:
        return np.where(members, np.nan_to_num(self.claims(columns), nan=0.0), 0.0)


def solve(columns: SizingColumns, members: Bools, budgets: Floats) -> Solution | None:
    """Risk parity of the members; None without a correlation matrix."""
    if columns.correlation is None:
        return None
    between = columns.correlation[np.ix_(members, members)]
    return risk_parity(between, budgets[members], np.sign(columns.direction[members]))
