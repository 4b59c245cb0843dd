"""Every hedge trigger; adding one is one file and one line in each union: the rule, and the rule with an instrument."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Len

from services.core.explain import Bools, Floats
from services.core.outcome import Reason
from services.core.tagged import Tagged
from services.hedging.triggers.adaptive import Adaptive, AdaptiveRule
from services.hedging.triggers.interval import Interval, IntervalRule
from services.hedging.triggers.price_move import PriceMove, PriceMoveRule
from services.hedging.triggers.threshold import Threshold, ThresholdRule
from services.hedging.view import HedgeView, Judgement

HedgeRule = ThresholdRule | PriceMoveRule | IntervalRule | AdaptiveRule
HARD_LIMIT, NO_OPTIONS = "hard_limit", "no_options"
"""What `fired` says of a trade that no rule asked for, or that did not wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    r"""Trade as soon as any rule is due, but not within the cooldown; beyond the hard limit always.

    Parameters
    ----------
    instrument : str
        Symbol of the spot, linear or inverse instrument that hedges.
    triggers : tuple of HedgeRule
        Rules, without an instrument of their own. Of those that are due, the one that leaves the least delta counts.
    cooldown_seconds : float
        Time after a hedge in which nothing is traded [s].
    hard_limit : float, optional
        Largest |net delta| that is ever left [base units]: beyond it the cooldown does not count, and where no rule is
        due, the whole delta is traded. No band is wider.

    Notes
    -----
    The cooldown does not count either once the options that the last hedge was for are gone: what is left of it is then
    traded as a whole. Without a memory of the last hedge there is no cooldown. A rule that lacks what it needs does
    not keep the others from acting.

    References
    ----------
    Lyra (now Derive), ``PoolHedger``: interaction delay, and hedges of an empty book at once.

    Examples
    --------
    >>> from services.hedging.view import LastHedge
    >>> trigger = AnyOf(instrument="X", triggers=(ThresholdRule(max_delta=0.1),), cooldown_seconds=600, hard_limit=1)
    >>> last = LastHedge(seconds_ago=60.0, price=100.0)
    >>> verdicts = [trigger.judge(HedgeView(net_delta=delta, spot=100.0, last=last)) for delta in (0.5, 1.5)]
    >>> [(bool(verdict.due), verdict.fired, verdict.wait_seconds) for verdict in verdicts]
    [(False, ('threshold',), 540.0), (True, ('threshold', 'hard_limit'), 540.0)]
    """

    method: Literal["any_of"] = "any_of"
    instrument: Annotated[str, Len(1, 64)]
    triggers: Annotated[tuple[Annotated[HedgeRule, Tagged()], ...], Len(1, 8)]
    cooldown_seconds: Annotated[float, Ge(0), Le(31_536_000)] = 0.0
    hard_limit: Annotated[float, Gt(0)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"greeks", "price"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    @property
    def remembers(self) -> bool:
        """Whether a rule does, or there is a cooldown."""
        return self.cooldown_seconds > 0.0 or any(rule.remembers for rule in self.triggers)

    def judge(self, view: HedgeView) -> Judgement:
        """Due where any rule is and the cooldown is over, beyond the hard limit, and once the options are gone."""
        most = view.most if self.hard_limit is None else min(view.most, self.hard_limit)
        verdicts = [rule.judge(replace(view, most=most)) for rule in self.triggers]
        asked = np.logical_or.reduce([verdict.due for verdict in verdicts])
        beyond = np.asarray(view.size > most)
        gone = np.asarray(view.options_gone & (view.size > 0.0))
        waiting = self._waiting(view)
        due = np.asarray((asked & (waiting <= 0.0)) | beyond | gone)
        held = bool((asked & ~due).any())
        lacking = next((item for item in verdicts if item.reason is not Reason.WITHIN_BUFFER), None)
        outer, inner = narrowest(verdicts)
        named = [name for verdict in verdicts for name in verdict.fired]
        named += [name for name, acts in ((HARD_LIMIT, beyond), (NO_OPTIONS, gone)) if acts.any()]
        return Judgement(
            due=due,
            left=np.where(gone | (beyond & ~asked), 0.0, least_left(view, verdicts)),
            outer=outer,
            inner=inner,
            fired=tuple(dict.fromkeys(named)),
            reason=Reason.COOLDOWN if held else lacking.reason if lacking is not None else Reason.WITHIN_BUFFER,
            detail="" if held or lacking is None else lacking.detail,
            wait_seconds=float(waiting.max()),
            basis=next((verdict.basis for verdict in verdicts if verdict.basis), {}),
        )

    def _waiting(self, view: HedgeView) -> Floats:
        """Rest of the cooldown [s]; 0 where it was never hedged."""
        if view.last is None:
            return np.zeros(view.size.shape)
        rest = self.cooldown_seconds - np.asarray(view.last.seconds_ago, dtype=float)
        return np.where(rest > 0.0, rest, 0.0)


def least_left(view: HedgeView, verdicts: list[Judgement]) -> Floats:
    """Least |net delta| that any rule that is due leaves; all of it where none is."""
    left = view.size
    for verdict in verdicts:
        due: Bools = verdict.due
        left = np.where(due, np.minimum(left, verdict.left), left)
    return left


def narrowest(verdicts: list[Judgement]) -> tuple[Floats | None, Floats | None]:
    """Band of the rule that would be due first, of those that have one."""
    outer: Floats | None = None
    inner: Floats | None = None
    for verdict in verdicts:
        if verdict.outer is None or verdict.inner is None:
            continue
        if outer is None or inner is None:
            outer, inner = verdict.outer, verdict.inner
        else:
            inner = np.where(verdict.outer < outer, verdict.inner, inner)
            outer = np.minimum(outer, verdict.outer)
    return outer, inner


HedgeTrigger = Threshold | PriceMove | Interval | Adaptive | AnyOf

__all__ = ["Adaptive", "AnyOf", "HedgeRule", "HedgeTrigger", "Interval", "PriceMove", "Threshold"]
