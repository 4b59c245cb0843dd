"""A trigger whose no-trade band is wider than its own: hedges that feed back are better made later."""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.core.errors import InvalidInput
from services.hedging.registry import AnyOf
from services.hedging.view import HedgeView, Judgement, Rule


@dataclass(frozen=True, slots=True)
class Widened:
    """A rule with the widths of its band times `factor`; hard limits stay where they are.

    The rule judges the delta over the factor, and the widths that it finds are multiplied by it. Rules that look at the
    price or at the time, and not at the delta, act as they did.

    Parameters
    ----------
    rule : Rule
    factor : float
        >= 1.

    Examples
    --------
    >>> from services.hedging.triggers.threshold import ThresholdRule
    >>> wide = Widened(ThresholdRule(max_delta=0.5, rebalance_to="edge"), 1.2)
    >>> verdicts = [wide.judge(HedgeView(net_delta=delta, spot=100.0)) for delta in (0.55, 0.7)]
    >>> [(bool(verdict.due), round(float(verdict.left), 9)) for verdict in verdicts]
    [(False, 0.55), (True, 0.6)]
    """

    rule: Rule
    factor: float

    def __post_init__(self) -> None:
        if not self.factor >= 1.0:
            raise InvalidInput("factor", "must be >= 1", self.factor)

    @property
    def remembers(self) -> bool:
        """Whether the rule does."""
        return self.rule.remembers

    def judge(self, view: HedgeView) -> Judgement:
        """Judgement of the rule on a delta that counts for less."""
        if self.factor == 1.0:
            return self.rule.judge(view)
        verdict = self._inner().judge(
            replace(view, net_delta=view.net_delta / self.factor, most=view.most / self.factor)
        )
        return replace(
            verdict,
            left=verdict.left * self.factor,
            outer=None if verdict.outer is None else verdict.outer * self.factor,
            inner=None if verdict.inner is None else verdict.inner * self.factor,
        )

    def _inner(self) -> Rule:
        rule = self.rule
        if isinstance(rule, AnyOf) and rule.hard_limit is not None:
            return replace(rule, hard_limit=rule.hard_limit / self.factor)
        return rule
