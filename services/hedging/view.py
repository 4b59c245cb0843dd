"""What every trigger is given, and what it answers; for one book, or for many paths at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.core.outcome import Reason

Figure = float | Floats
"""A number of one book, or an array over paths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastHedge:
    """The book at its last hedge; NaN on paths that were never hedged.

    Parameters
    ----------
    seconds_ago : float or array
        >= 0 [s].
    price : float or array
        Mark of the hedge instrument then [quote per base].
    gamma_1pct, vega_per_point : float or array, optional
        Greeks of the book then; units as in `HedgeView`.
    """

    seconds_ago: Figure
    price: Figure
    gamma_1pct: Figure | None = None
    vega_per_point: Figure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeView:
    """The book of one underlying as a trigger sees it. None: not known.

    Parameters
    ----------
    net_delta : float or array
        Premium-adjusted where coin-settled, pending hedges and coin collateral counted [base units].
    spot : float or array
        Mark of the hedge instrument [quote per base].
    conversion : float, optional
        Account currency per unit of quote currency.
    gamma_1pct : float or array, optional
        Change of the delta for a move of 1 % [base units].
    vega_per_point : float or array, optional
        Change of value per volatility point [quote].
    volatility : float or array, optional
        Of the hedge instrument [annual fraction].
    cost_rate : float or array
        Fee, half spread and impact of a hedge over its notional [fraction].
    impact_known : bool
        Whether the impact is in the cost rate; otherwise that is a lower bound, and the band narrower.
    fixed_cost : float or array
        Of one order [account currency].
    equity : float
        [account currency]
    least : float
        Half a lot or the smallest order, whichever is larger: no band is narrower [base units].
    most : float
        Hard limit on the net delta: no band is wider [base units].
    last : LastHedge, optional
        None: never hedged, as far as is known.
    has_options : bool
        Whether anything in the book has a gamma to be hedged.
    """

    net_delta: Figure
    spot: Figure
    conversion: float | None = 1.0
    gamma_1pct: Figure | None = None
    vega_per_point: Figure | None = None
    volatility: Figure | None = None
    cost_rate: Figure = 0.0
    impact_known: bool = True
    fixed_cost: Figure = 0.0
    equity: float = np.inf
    least: float = 0.0
    most: float = np.inf
    last: LastHedge | None = None
    has_options: bool = True

    def __post_init__(self) -> None:
        """An unknown exposure is not hedged.

        Raises
        ------
        InvalidInput
            If a net delta is not finite, or a price not positive and finite.
        """
        if not np.isfinite(self.net_delta).all():
            raise InvalidInput("net_delta", "must be finite", self.net_delta)
        if not (np.isfinite(self.spot).all() and np.greater(self.spot, 0.0).all()):
            raise InvalidInput("price", "must be > 0 and finite", self.spot)

    @property
    def size(self) -> Floats:
        """|Net delta| [base units]."""
        return np.asarray(np.abs(self.net_delta), dtype=float)

    @property
    def options_gone(self) -> bool:
        """Whether the last hedge was of options that are no longer there: what is left is the hedge alone."""
        if self.last is None or self.has_options:
            return False
        before = (self.last.gamma_1pct, self.last.vega_per_point)
        return any(greek is not None and np.not_equal(greek, 0.0).any() for greek in before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a rule says: whether to trade, and how much of the |net delta| to leave.

    Parameters
    ----------
    due : bool or array
        Trade now.
    left : float or array
        |Net delta| after the trade, where due; never above the present one [base units].
    outer, inner : float or array, optional
        Half widths of the band, of rules that have one [base units].
    fired : tuple of str
        Methods of the rules that are due, of one book.
    reason : Reason
        `WITHIN_BUFFER` where nothing is due and all was known, `COOLDOWN` where it must wait, else what was lacking.
    detail : str
        What was lacking, in words.
    wait_seconds : float
        Rest of a cooldown [s].
    basis : dict
        Figures behind the band, by name.
    """

    due: Bools
    left: Floats
    outer: Floats | None = None
    inner: Floats | None = None
    fired: tuple[str, ...] = ()
    reason: Reason = Reason.WITHIN_BUFFER
    detail: str = ""
    wait_seconds: float = 0.0
    basis: dict[str, float] = field(default_factory=dict)


class Rule(Protocol):
    """Interface of the members of `HedgeRule`: when to trade, and how far."""

    def judge(self, view: HedgeView) -> Judgement:
        """Judgement on a book, or on many paths at once."""
        ...

    @property
    def remembers(self) -> bool:
        """Whether the judgement depends on the last hedge."""
        ...


def unable(view: HedgeView, reason: Reason, detail: str) -> Judgement:
    """Judgement of a rule that lacks what it needs: nothing is due, and it says so."""
    return Judgement(due=np.zeros(view.size.shape, dtype=bool), left=view.size, reason=reason, detail=detail)


def to_zero(view: HedgeView, due: Bools, method: str) -> Judgement:
    """Judgement of a rule without a band: where due, the whole delta is traded."""
    # Nothing is due where there is nothing to trade, so that a flat book is not said to have fired.
    acts = np.asarray(due & (view.size > 0.0))
    return Judgement(due=acts, left=np.where(acts, 0.0, view.size), fired=fired_of(acts, method))


def fired_of(due: Bools, method: str) -> tuple[str, ...]:
    """Name of the rule where it is due on any path."""
    return (method,) if due.any() else ()


def traded(view: HedgeView, judgement: Judgement) -> Floats:
    """Delta to trade of each path [base units, positive = buy]; 0 where nothing is due.

    Examples
    --------
    >>> view = HedgeView(net_delta=np.array([-0.5, 0.2]), spot=100.0)
    >>> verdict = Judgement(due=np.array([True, False]), left=np.array([0.1, 0.2]))
    >>> traded(view, verdict).tolist()
    [0.4, 0.0]
    """
    delta = np.asarray(view.net_delta, dtype=float)
    # Never away from zero, whatever a rule says.
    goal = np.copysign(np.minimum(judgement.left, view.size), delta)
    return np.where(judgement.due, goal - delta, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerDecision:
    """What a trigger decided on one book.

    Parameters
    ----------
    delta_to_trade : float, optional
        [base units, positive = buy]; None: nothing is due.
    outer, inner : float, optional
        Half widths of the band [base units].
    fired : tuple of str
        Methods that are due; `hard_limit` and `no_options` stand for these two rules.
    reason : Reason
        `NONE` for a trade, else as in `Judgement`.
    detail : str
        In words.
    wait_seconds : float
        Rest of a cooldown [s].
    basis : dict
        Figures behind the band, by name: ``gamma`` [base units per unit of price], ``cost_rate`` [fraction],
        ``fixed_cost`` [account currency], ``risk_aversion`` [1 / account currency].
    """

    delta_to_trade: float | None
    outer: float | None
    inner: float | None
    fired: tuple[str, ...]
    reason: Reason
    detail: str
    wait_seconds: float
    basis: dict[str, float]


def decide(rule: Rule, view: HedgeView) -> TriggerDecision:
    """Decision of a rule on one book.

    Examples
    --------
    >>> from services.hedging.triggers.threshold import ThresholdRule
    >>> decide(ThresholdRule(max_delta=0.5), HedgeView(net_delta=-0.75, spot=100.0)).delta_to_trade
    0.75
    """
    judgement = rule.judge(view)
    acts = bool(judgement.due)
    return TriggerDecision(
        delta_to_trade=float(traded(view, judgement)) if acts else None,
        outer=None if judgement.outer is None else float(judgement.outer),
        inner=None if judgement.inner is None else float(judgement.inner),
        fired=judgement.fired,
        reason=Reason.NONE if acts else judgement.reason,
        detail="" if acts else judgement.detail,
        wait_seconds=judgement.wait_seconds,
        basis=judgement.basis,
    )
