"""An order as slices of whole lots: the method's shares, then jitter, rounding, volume and minimum, in this order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le

from services.core.annualization import SECONDS_PER_DAY
from services.core.decimals import SNAP
from services.core.errors import InvalidInput
from services.core.instrument import Instrument
from services.hedging.execution import Execution, ExecutionCost, Part, execution_cost
from services.hedging.schedule_registry import ScheduleMethod
from services.hedging.slices import (
    LotSlice,
    at_random_moments,
    jittered,
    largest_first,
    merged,
    whole_lots_of,
    within_volume,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRules:
    """What every slice must keep to.

    Parameters
    ----------
    max_participation : float, optional
        Largest slice over the expected volume of the market in its time [fraction].
    jitter : float
        Largest random change of a slice before the sum is restored [fraction of the slice]; 0: none.
    time_jitter : float
        Part of its time within which a slice is sent at a random moment [fraction]; 0: any moment will do.
    """

    max_participation: Annotated[float, Gt(0), Le(1)] | None = None
    jitter: Annotated[float, Ge(0), Le(0.9)] = 0.0
    time_jitter: Annotated[float, Ge(0), Le(1)] = 0.0

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Slices of an order.

    Parameters
    ----------
    slices : tuple of LotSlice
        In the order of time, or of distance from the mark.
    unfilled : int
        What the volume does not bear [lots]; ``Σ lots + unfilled`` is the order.
    required_seconds : float, optional
        Time in which the whole order would be borne; None where all of it is planned.
    joined : int
        Slices that were too small and became part of another, or held nothing.
    cost : ExecutionCost, optional
        Of the slices as they are, not of the ideal ones; None where impact or volatility is unknown or no times are.
    """

    slices: tuple[LotSlice, ...]
    unfilled: int = 0
    required_seconds: float | None = None
    joined: int = 0
    cost: ExecutionCost | None = None


def schedule_order(
    lots: int,
    method: ScheduleMethod,
    execution: Execution,
    rules: SliceRules = SliceRules(),
    *,
    minimum: int = 1,
    generator: np.random.Generator | None = None,
) -> Schedule:
    """Spread an order over time or prices.

    Parameters
    ----------
    lots : int
        N > 0, the order.
    method : ScheduleMethod
        How it is spread.
    execution : Execution
        The order [base units] and its market.
    minimum : int
        Smallest slice [lots]; a reduction in a market that exempts reduce-only orders has 1.
    generator : numpy.random.Generator, optional
        Where the jitter of sizes, and then that of times, comes from; needed only for that.

    Returns
    -------
    Schedule
        Of which the lots sum to the order, less what the volume does not bear.

    Raises
    ------
    InvalidInput
        For an order of no lots, and where the method or a rule needs what is not known.

    Notes
    -----
    Reductions round up and move lots forward, all else rounds down and moves them back (`services.hedging.slices`).
    The slices of a reduction fall in size, unless volumes bound them or the method says the order of its steps. Where
    volumes bound, lots only ever move back. O(slices).

    Examples
    --------
    >>> from services.hedging.schedules.twap import Twap
    >>> order = Execution(quantity=10.0, price=100.0, reduces=True)
    >>> [item.lots for item in schedule_order(10, Twap(duration_seconds=3600.0, slices=4), order).slices]
    [3, 3, 2, 2]
    """
    if lots <= 0:
        raise InvalidInput("quantity", "must be at least one lot", lots)
    parts = method.parts(execution)
    shares = _shares(parts, rules, generator)
    # A method made of volumes takes no part of a lot that they do not bear yet.
    by_volume = "volume" in method.requires
    sizes = whole_lots_of(shares, lots, sooner=execution.reduces and not by_volume)
    slices = _timed(sizes, parts, execution, lots)
    bound = rules.max_participation is not None or by_volume
    if rules.max_participation is not None:
        _must_be_known(slices)
        slices, _ = within_volume(slices, rules.max_participation)
    kept = merged(slices, minimum, sooner=execution.reduces, spread=bound)
    if execution.reduces and not bound and not method.in_given_order:
        kept = largest_first(kept)
    if rules.time_jitter:
        kept = at_random_moments(kept, rules.time_jitter, _seeded(generator, "time_jitter", rules.time_jitter))
    unfilled = lots - sum(item.lots for item in kept)
    return Schedule(
        slices=tuple(kept),
        unfilled=unfilled,
        required_seconds=_required_seconds(slices, unfilled),
        joined=len(parts) - len(kept),
        cost=_cost(kept, unfilled, parts, execution, execution.quantity / lots),
    )


def smallest_slice(instrument: Instrument, price: float) -> int:
    """Lots of the smallest order that the instrument allows at a price, at least one.

    Examples
    --------
    >>> from decimal import Decimal
    >>> smallest_slice(Instrument(symbol="X", lot=Decimal("0.001"), min_notional=10.0), 8_000.0)
    2
    """
    by_notional = instrument.min_notional / instrument.notional_per_contract(price)
    least = max(by_notional, float(instrument.min_quantity))
    return max(1, math.ceil(least / float(instrument.lot) - SNAP))


def _shares(parts: Sequence[Part], rules: SliceRules, generator: np.random.Generator | None) -> list[float]:
    shares = [part.share for part in parts]
    if not rules.jitter:
        return shares
    return jittered(shares, rules.jitter, _seeded(generator, "jitter", rules.jitter))


def _seeded(generator: np.random.Generator | None, name: str, value: float) -> np.random.Generator:
    if generator is None:
        raise InvalidInput(name, "needs a seed", value)
    return generator


def _timed(sizes: Sequence[int], parts: Sequence[Part], execution: Execution, lots: int) -> list[LotSlice]:
    """Sizes with the times, prices and volumes of their parts."""
    times = [(part.start, part.end) for part in parts if part.start is not None and part.end is not None]
    volumes: Sequence[float | None] = [None] * len(parts)
    if len(times) == len(parts):
        known = execution.expected_volumes([end - start for start, end in times])
        volumes = volumes if known is None else [volume * lots / execution.quantity for volume in known]
    return [
        LotSlice(size, part.start, part.end, part.offset, volume)
        for size, part, volume in zip(sizes, parts, volumes, strict=True)
    ]


def _must_be_known(slices: Sequence[LotSlice]) -> None:
    if any(item.start is None for item in slices):
        raise InvalidInput("max_participation", "goes with a schedule in time, not with steps at prices", "no times")
    if any(item.volume is None for item in slices):
        raise InvalidInput("average_daily_volume", "is needed by max_participation, or volumes of the slices", None)


def _required_seconds(slices: Sequence[LotSlice], unfilled: int) -> float | None:
    """Time in which the order would be done at the pace at which it is; None where it is done, or would never be."""
    planned = sum(item.lots for item in slices)
    last = slices[-1].end
    if not unfilled or not planned or last is None:
        return None
    return last * (1.0 + unfilled / planned)


def _cost(
    slices: Sequence[LotSlice], unfilled: int, parts: Sequence[Part], execution: Execution, lot: float
) -> ExecutionCost | None:
    times = [(item.start, item.end) for item in slices if item.start is not None and item.end is not None]
    moments = [start if item.at is None else item.at for item, (start, _) in zip(slices, times, strict=False)]
    sigma, end = execution.price_volatility, parts[-1].end
    if execution.impact is None or sigma is None or end is None or not times or len(times) < len(slices):
        return None
    return execution_cost(
        [item.lots * lot for item in slices],
        [moment / SECONDS_PER_DAY for moment in moments],
        [(stop - start) / SECONDS_PER_DAY for start, stop in times],
        impact=execution.impact,
        price_volatility=sigma,
        left=unfilled * lot,
        horizon=end / SECONDS_PER_DAY,
    )
