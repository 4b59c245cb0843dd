"""What an aggregate means for one position: prices to value it at, and how far it may grow."""

from __future__ import annotations

from dataclasses import dataclass

from services.core.errors import InvalidInput
from services.core.outcome import Permission
from services.guards.observation import Aggregate
from services.guards.outcome import OracleReason
from services.guards.policy import OraclePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceQuality:
    """Judgement on the price of a position.

    Parameters
    ----------
    long_price, short_price : float
        What to value it at if it is long, or short.
    multiplier : float
        On an increase: current + multiplier × (target − current), from 0 to 1.
    permission : Permission
        `any` or `reduce_only`.
    reason : OracleReason
        The gravest thing that is wrong.
    detail : str
        It, in words; empty where nothing is wrong.
    """

    long_price: float
    short_price: float
    multiplier: float
    permission: Permission
    reason: OracleReason
    detail: str


def judge_price(
    aggregate: Aggregate | None, mark: float, policy: OraclePolicy | None = None, *, required: bool = False
) -> PriceQuality:
    """Quality of the price of a position whose mark is `mark`, in the same currency as the aggregate.

    Longs are valued at ``min(mark, long_price)``, shorts at ``max(mark, short_price)``. A mark further from the
    aggregate than `max_mark_gap` is not used at all and blocks increases: one of both is wrong.

    Parameters
    ----------
    aggregate : Aggregate, optional
        None where no oracle was sent for this position.
    mark : float
        Mark price, > 0.
    policy : OraclePolicy, optional
        Rules; the default ones where left out.
    required : bool
        Whether a position without an oracle may only be reduced; else its mark is taken as it is.

    Raises
    ------
    InvalidInput
        If the mark is not positive and finite.

    Examples
    --------
    >>> judge_price(None, 100.0).multiplier, judge_price(None, 100.0, required=True).permission.value
    (1.0, 'reduce_only')
    """
    if not 0.0 < mark < float("inf"):
        raise InvalidInput("mark", "must be > 0 and finite", mark)
    if aggregate is None:
        missing = (OracleReason.NO_QUORUM, "no oracle was sent for it") if required else (OracleReason.NONE, "")
        return _quality(mark, mark, 0.0 if required else 1.0, *missing)
    if aggregate.price is None or aggregate.long_price is None or aggregate.short_price is None:
        return _quality(mark, mark, 0.0, aggregate.reason, aggregate.detail)
    gap, most = mark / aggregate.price - 1.0, (policy or OraclePolicy()).max_mark_gap
    if abs(gap) > most:
        detail = f"the mark {mark:.8g} is {gap:+.3g} from the aggregate {aggregate.price:.8g}, at most {most:g}"
        graver = aggregate.multiplier == 0.0
        said = (aggregate.reason, aggregate.detail) if graver else (OracleReason.MARK_DISAGREES, detail)
        return _quality(aggregate.long_price, aggregate.short_price, 0.0, *said)
    low, high = min(mark, aggregate.long_price), max(mark, aggregate.short_price)
    return _quality(low, high, aggregate.multiplier, aggregate.reason, aggregate.detail)


def _quality(low: float, high: float, multiplier: float, reason: OracleReason, detail: str) -> PriceQuality:
    return PriceQuality(
        long_price=low,
        short_price=high,
        multiplier=multiplier,
        permission=Permission.ANY if multiplier > 0.0 else Permission.REDUCE_ONLY,
        reason=reason,
        detail=detail,
    )
