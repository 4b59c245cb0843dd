"""Control state of an account: what a decision must remember from the ones before it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple


class RowMemory(NamedTuple):
    """What is remembered of one row.

    Parameters
    ----------
    traded_at : datetime, optional
        When its last order was made; None: never, as far as is known.
    """

    traded_at: datetime | None = None


class HedgeMemory(NamedTuple):
    """What is remembered of the last hedge of an underlying.

    Parameters
    ----------
    hedged_at : datetime
        When its order was made.
    price : float
        Mark of the hedge instrument then [quote per base], > 0.
    gamma_1pct : float, optional
        Gamma of the book then [base units per 1 %].
    vega_per_point : float, optional
        Vega of the book then [quote per volatility point].
    """

    hedged_at: datetime
    price: float
    gamma_1pct: float | None = None
    vega_per_point: float | None = None


class MarginMemory(NamedTuple):
    """What is remembered of the margin of one market.

    Parameters
    ----------
    long, short : float
        Rates that were asked of a long and of a short, before floors and caps [fraction of notional].
    as_of : datetime
        When they were.
    """

    long: float
    short: float
    as_of: datetime


class BreakerState(NamedTuple):
    """State of the circuit breaker of one scope.

    Parameters
    ----------
    level : int
        0 normal, 1 caution, 2 reduce, 3 close only, 4 flatten.
    since : datetime, optional
        When the level was reached; None where it always was.
    calm_since : datetime, optional
        Since when every metric has been below the exit of the level; None where one is not.
    latched : bool
        Flatten, until somebody resets it.
    last_at : datetime, optional
        Time of the last reading.
    forgiven : float
        Part of the fall from the high-water mark that a reset has forgiven, in [0, 1).
    """

    level: int = 0
    since: datetime | None = None
    calm_since: datetime | None = None
    latched: bool = False
    last_at: datetime | None = None
    forgiven: float = 0.0


class ContagionState(NamedTuple):
    """Multiplier of a venue in distress, >= 1, and the decision that left it."""

    multiplier: float
    as_of: datetime


RowName = tuple[str, str | None, str | None, str | None]
"""Identity of a row: symbol, venue, account, position side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """State that travels from answer to request: nothing of it is kept anywhere else.

    Parameters
    ----------
    initial_capital : float, optional
        Equity at which the account started, deposits and withdrawals since then counted [account currency].
    high_water_mark : float, optional
        Highest equity so far, deposits and withdrawals counted [account currency].
    net_deposits : float
        Cumulative deposits less withdrawals at the time of this state [account currency].
    floor : float, optional
        Floor of a portfolio insurance [account currency].
    as_of : datetime, optional
        Event time of the decision that left this state.
    breaker_tier : int
        Tier of the circuit breaker, 0 (normal) to 4 (flatten): the highest of all scopes.
    rows : dict
        Memory by row identity.
    hedges : dict
        Memory of the last hedge by underlying.
    breakers : dict
        State of the circuit breaker by scope: `account`, `portfolio`, `venue:NAME`.
    contagion : dict
        Multiplier by venue.
    margins : dict
        Margin rates that were asked last, by market.
    """

    initial_capital: float | None = None
    high_water_mark: float | None = None
    net_deposits: float = 0.0
    floor: float | None = None
    as_of: datetime | None = None
    breaker_tier: int = 0
    rows: dict[RowName, RowMemory] = field(default_factory=dict)
    hedges: dict[str, HedgeMemory] = field(default_factory=dict)
    breakers: dict[str, BreakerState] = field(default_factory=dict)
    contagion: dict[str, ContagionState] = field(default_factory=dict)
    margins: dict[str, MarginMemory] = field(default_factory=dict)

    def at(self, equity: float, net_deposits: float | None) -> Control:
        """This state on an account of `equity` whose cumulative deposits are now `net_deposits`.

        Deposits and withdrawals are neither profit nor drawdown: they move capital, mark and floor by their amount.
        What was never set starts at the equity.

        Examples
        --------
        >>> Control(high_water_mark=120.0).at(equity=100.0, net_deposits=None).high_water_mark
        120.0
        >>> Control(high_water_mark=120.0, initial_capital=100.0).at(110.0, net_deposits=-20.0).high_water_mark
        110.0
        """
        moved = 0.0 if net_deposits is None else net_deposits - self.net_deposits
        capital = equity if self.initial_capital is None else max(self.initial_capital + moved, 0.0)
        mark = equity if self.high_water_mark is None else max(self.high_water_mark + moved, equity)
        return replace(
            self,
            initial_capital=capital,
            high_water_mark=mark,
            net_deposits=self.net_deposits + moved,
            floor=None if self.floor is None else max(self.floor + moved, 0.0),
        )


def drawdown_of(control: Control, equity: float) -> float:
    """Fall of the equity from its high-water mark, in [0, 1]; 0 without a mark.

    Examples
    --------
    >>> drawdown_of(Control(high_water_mark=120.0), 90.0)
    0.25
    """
    mark = control.high_water_mark
    return min(max(1.0 - equity / mark, 0.0), 1.0) if mark is not None and mark > 0.0 else 0.0
