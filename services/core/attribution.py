r"""Why a size is another than before: the change of an explained value, shared out over its stages, exactly.

An explanation is a chain of stages, each of which multiplies what it is given or adds to it. Followed to the end, a
chain that starts at :math:`b` gives

.. math:: x = b \prod_i f_i + \sum_j A_j, \qquad A_j = a_j \prod_{i > j} f_i,

where :math:`f_i` are the factors and :math:`a_j` what caps, buffer and rounding add (a cap adds a negative amount). Of
two such values the sums differ term by term, and the products by

.. math:: P' - P = \sum_i L(P, P') \ln(f'_i / f_i), \qquad L(P, P') = \frac{P' - P}{\ln P' - \ln P},

the logarithmic mean Divisia decomposition: no remainder, no dependence on the order of the stages, and twice the factor
undoes half the factor.

References
----------
Ang, B. W. (2005), The LMDI approach to decomposition analysis: a practical guide, Energy Policy 33(7), eq. 4–6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

START = "start"
"""Stage of a chain that begins at a value, and not with one that sets it: a book scaled as a whole, at its position."""


class ExplainedStage(NamedTuple):
    """One stage as it was recorded: the value given to it, the value it gave, and whether it is a factor.

    The first stage of a chain that begins at zero sets the value that the others multiply; it counts as a factor too.
    """

    stage: str
    parameter: str
    before: float
    after: float
    is_factor: bool


class Unsplit(StrEnum):
    """Why the change of the product could not be shared out over its factors."""

    SIGN_CHANGED = "sign_changed"
    ZERO_SIZE = "zero_size"


class StageKey(NamedTuple):
    """Name of a stage within a chain; `occurrence` counts those of one name and parameter."""

    stage: str
    parameter: str
    occurrence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageShare:
    """What one stage did in each explanation, and its share of the change.

    Parameters
    ----------
    factor_before, factor_after : float or None
        What it multiplied by (1 where only the other explanation has the stage); None where it is no factor. Of the
        first stage, the value that it set.
    value_before, value_after : float or None
        What it gave; None where the explanation does not have the stage.
    log_change : float or None
        ln(factor_after / factor_before).
    contribution : float or None
        Share of the change, in the unit of the values; None for a factor whose share cannot be told.
    """

    key: StageKey
    factor_before: float | None
    factor_after: float | None
    value_before: float | None
    value_after: float | None
    log_change: float | None
    contribution: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Two values and what each stage contributed to the change: Σ contributions + `unsplit_change` = after − before."""

    before: float
    after: float
    shares: tuple[StageShare, ...]
    unsplit: Unsplit | None = None
    unsplit_change: float = 0.0


@dataclass(slots=True)
class _Chain:
    """A chain taken apart: factors by stage, what each other stage adds to the end value, and what every stage gave."""

    end: float = 0.0
    factors: dict[StageKey, float] = field(default_factory=dict)
    additions: dict[StageKey, float] = field(default_factory=dict)
    values: dict[StageKey, float] = field(default_factory=dict)

    @property
    def product(self) -> float:
        return math.prod(self.factors.values()) if self.factors else 0.0


def attribute(before: Sequence[ExplainedStage], after: Sequence[ExplainedStage]) -> Attribution:
    """Share the change between the end values of two explanations out over their stages.

    Parameters
    ----------
    before, after : sequence of ExplainedStage
        Stages in order; the value given to each is the one that the former gave. A stage that left the value as it was
        may be missing.

    Notes
    -----
    The contributions add up to the change, to within the rounding of the largest value in the chains. Where a product
    is zero or changes its sign no logarithm exists: `unsplit` says so, `unsplit_change` is the change of the product,
    and the factors have their values side by side without a share. Cost O(stages).

    Examples
    --------
    Volatility doubles and a cap that had taken 1 no longer binds:

    >>> def stages(volatility, cap):
    ...     target = ExplainedStage("volatility", "target", 12.0, 12.0 / volatility, True)
    ...     limit = ExplainedStage("cap", "max", 12.0 / volatility, min(12.0 / volatility, cap), False)
    ...     return [ExplainedStage("equity", "equity", 0.0, 12.0, True), target, limit]
    >>> found = attribute(stages(2.0, 5.0), stages(4.0, 5.0))
    >>> found.before, found.after, [(share.key.stage, share.contribution) for share in found.shares]
    (5.0, 3.0, [('equity', 0.0), ('volatility', -3.0), ('cap', 1.0)])
    """
    then, now = _taken_apart(before), _taken_apart(after)
    logs = _log_changes(then, now)
    change = now.product - then.product
    if isinstance(logs, Unsplit):
        shares = _shares(then, now, {}, 0.0)
        return Attribution(before=then.end, after=now.end, shares=shares, unsplit=logs, unsplit_change=change)
    total = math.fsum(logs.values())
    mean = then.product * math.expm1(total) / total if total else then.product
    return Attribution(before=then.end, after=now.end, shares=_shares(then, now, logs, mean))


def _taken_apart(stages: Sequence[ExplainedStage]) -> _Chain:
    chain = _Chain()
    if stages and (stages[0].before != 0.0 or not stages[0].is_factor):
        chain.factors[StageKey(START, "", 0)] = chain.values[StageKey(START, "", 0)] = stages[0].before
    keys = _keys(stages)
    for key, item in zip(keys, stages, strict=True):
        chain.values[key] = chain.end = item.after
        if item.is_factor and item.before != 0.0:
            chain.factors[key] = item.after / item.before
        elif item.is_factor and not chain.factors:
            chain.factors[key] = item.after
    downstream = 1.0
    for key, item in zip(reversed(keys), reversed(stages), strict=True):
        if key in chain.factors:
            downstream *= chain.factors[key]
        else:
            chain.additions[key] = (item.after - item.before) * downstream
    return chain


def _keys(stages: Sequence[ExplainedStage]) -> list[StageKey]:
    seen: dict[tuple[str, str], int] = {}
    keys = []
    for item in stages:
        name = (item.stage, item.parameter)
        keys.append(StageKey(*name, seen.get(name, 0)))
        seen[name] = keys[-1].occurrence + 1
    return keys


def _log_changes(then: _Chain, now: _Chain) -> dict[StageKey, float] | Unsplit:
    ratios = {}
    for key in dict.fromkeys([*then.factors, *now.factors]):
        old, new = then.factors.get(key, 1.0), now.factors.get(key, 1.0)
        if old == 0.0 or new == 0.0:
            return Unsplit.ZERO_SIZE
        ratios[key] = new / old
    if not then.factors or not now.factors:
        return Unsplit.ZERO_SIZE
    if any(ratio < 0.0 for ratio in ratios.values()):
        return Unsplit.SIGN_CHANGED
    return {key: math.log(ratio) for key, ratio in ratios.items()}


def _shares(then: _Chain, now: _Chain, logs: dict[StageKey, float], mean: float) -> tuple[StageShare, ...]:
    return tuple(_share(key, then, now, logs, mean) for key in _in_order(list(then.values), list(now.values)))


def _share(key: StageKey, then: _Chain, now: _Chain, logs: dict[StageKey, float], mean: float) -> StageShare:
    is_factor = key in then.factors or key in now.factors
    added = now.additions.get(key, 0.0) - then.additions.get(key, 0.0)
    known = not is_factor or key in logs or key in then.additions or key in now.additions
    return StageShare(
        key=key,
        factor_before=then.factors.get(key, 1.0) if is_factor else None,
        factor_after=now.factors.get(key, 1.0) if is_factor else None,
        value_before=then.values.get(key),
        value_after=now.values.get(key),
        log_change=logs.get(key),
        contribution=added + mean * logs.get(key, 0.0) if known else None,
    )


def _in_order(then: list[StageKey], now: list[StageKey]) -> list[StageKey]:
    """Stages of both chains; one that only the former has comes after the one that it followed there."""
    merged = list(now)
    for place, key in enumerate(then):
        if key not in merged:
            merged.insert(merged.index(then[place - 1]) + 1 if place else 0, key)
    return merged
