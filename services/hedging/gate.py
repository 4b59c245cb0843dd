"""Whether a hedge may be traded now: what shrinks it always, what grows it only on a sound market."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Le

from services.core.decimals import SNAP, lots_toward_zero
from services.core.errors import InvalidInput
from services.core.outcome import Reason

LEAST_AGE_LIMIT_SECONDS = 30.0
POLLS_MISSED = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GateView:
    """What the gate reads of one hedge instrument; None is unknown, and what is unknown does not let a hedge grow.

    Parameters
    ----------
    contracts : float
        Wanted trade [signed contracts].
    position : float
        Signed contracts held.
    pending : float
        Signed contracts of outstanding orders in this instrument.
    lot : Decimal
        [contracts].
    base_per_contract : float
        Delta of one contract [base units], > 0.
    depth : float, optional
        Contracts on the side that the trade takes.
    funding_rate : float, optional
        What longs pay shorts [annual fraction]; 0 for instruments without funding.
    age_seconds : float, optional
        Age of the oldest figure that the hedge rests on [s].
    mark_price, index_price : float, optional
        [quote per base].
    gross_option_delta : float, optional
        Sum of the absolute deltas of the option positions [base units].
    """

    contracts: float
    position: float
    pending: float = 0.0
    lot: Decimal
    base_per_contract: float
    depth: float | None
    funding_rate: float | None
    age_seconds: float | None
    mark_price: float | None
    index_price: float | None
    gross_option_delta: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """Answer of the gate.

    Parameters
    ----------
    allowed : bool
        Whether any of the trade is.
    reason : Reason
        `NONE` if all of it is; else why not.
    detail : str
        One sentence with the figures.
    max_contracts : Decimal
        Most contracts in the wanted direction, whole lots, >= 0.
    """

    allowed: bool
    reason: Reason
    detail: str
    max_contracts: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeGate:
    """The conditions on which a hedge may grow.

    Parameters
    ----------
    poll_seconds : float
        How often figures are read [s]; they are fresh for three polls, and for at least 30 s.
    max_funding_rate : float
        Most funding that the hedge may pay [annual fraction].
    max_index_gap : float
        Most distance of mark and index [fraction of the index].
    max_hedge_share : float
        Largest hedge over the gross option delta: stops an error of sizing, not a hedge.

    Notes
    -----
    A trade against the position is free up to the position, less what outstanding orders already undo: it is never
    asked for depth, funding or fresh figures. What goes beyond is a new hedge. One order at a time: while one is
    outstanding a hedge does not grow. Depth of which less than a lot is left is none.

    References
    ----------
    Lyra (Avalon) PoolHedger.canHedge: a shrinking hedge is always allowed. Thresholds are conventions.

    Examples
    --------
    >>> sound = {"lot": Decimal("0.1"), "base_per_contract": 1.0, "depth": 50.0, "funding_rate": 0.1,
    ...     "age_seconds": 2.0, "mark_price": 60_010.0, "index_price": 60_000.0, "gross_option_delta": 10.0}
    >>> decision = HedgeGate().allowed(GateView(contracts=-15.0, position=0.0, **sound))
    >>> decision.allowed, str(decision.reason), decision.max_contracts
    (True, 'hedge_cap', Decimal('11.0'))
    >>> HedgeGate().allowed(GateView(contracts=4.0, position=-3.0, **{**sound, "age_seconds": 300.0})).max_contracts
    Decimal('3.0')
    """

    poll_seconds: Annotated[float, Gt(0), Le(86_400)] = 10.0
    max_funding_rate: Annotated[float, Ge(0), Le(100)] = 1.0
    max_index_gap: Annotated[float, Gt(0), Le(1)] = 0.02
    max_hedge_share: Annotated[float, Gt(0), Le(10)] = 1.1

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    @property
    def max_age_seconds(self) -> float:
        """``max(3 · poll, 30)`` [s]."""
        return max(POLLS_MISSED * self.poll_seconds, LEAST_AGE_LIMIT_SECONDS)

    def allowed(self, view: GateView) -> GateDecision:
        """How much of a trade may be sent.

        Raises
        ------
        InvalidInput
            If trade, position, pending orders or size of a contract are not numbers that orders could have.
        """
        _check(view)
        wanted, free = abs(view.contracts), shrinking(view)
        if wanted <= free + SNAP * float(view.lot):
            return _decision(view, wanted, Reason.NONE, "the trade only shrinks the hedge")
        problem = self.problem(view)
        if problem is not None:
            return _decision(view, free, *problem)
        room, reason, detail = self._room(view, free)
        if wanted <= room + SNAP * float(view.lot):
            return _decision(view, wanted, Reason.NONE, "every condition is met")
        return _decision(view, room, reason, detail)

    def problem(self, view: GateView) -> tuple[Reason, str] | None:
        """Why a hedge may not grow at all, the gravest first, or None."""
        age, mark, index, rate = view.age_seconds, view.mark_price, view.index_price, view.funding_rate
        if view.pending:
            return Reason.HEDGE_PENDING, f"{view.pending:g} contracts are outstanding"
        if age is None or not 0.0 <= age <= self.max_age_seconds:
            return Reason.STALE_PRICE, f"figures are {_text(age)} s old, the limit is {self.max_age_seconds:g} s"
        if mark is None or index is None or not (0.0 < index < math.inf and 0.0 < mark < math.inf):
            return Reason.INDEX_GAP, f"mark {_text(mark)} and index {_text(index)} must both be known and > 0"
        if abs(mark - index) > self.max_index_gap * index:
            gap = abs(mark - index) / index
            return Reason.INDEX_GAP, f"mark and index are {gap:.4g} apart, the limit is {self.max_index_gap:g}"
        paid = math.nan if rate is None else rate * math.copysign(1.0, view.contracts)
        if not paid <= self.max_funding_rate:
            return Reason.FUNDING_TOO_HIGH, f"it would pay {_text(paid)} a year, the limit is {self.max_funding_rate:g}"
        return None

    def _room(self, view: GateView, free: float) -> tuple[float, Reason, str]:
        """Largest trade that depth and hedge cap allow, and which of the two is the tighter."""
        gross, lot = view.gross_option_delta, float(view.lot)
        known = gross is not None and 0.0 <= gross < math.inf
        cap = self.max_hedge_share * gross / view.base_per_contract if known and gross is not None else 0.0
        after = math.copysign(1.0, view.contracts) * view.position
        by_cap = max(cap - after, free)
        depth = view.depth if view.depth is not None and 0.0 <= view.depth < math.inf else 0.0
        by_depth = max(depth if depth >= lot * (1.0 - SNAP) else 0.0, free)
        if by_depth < by_cap:
            return by_depth, Reason.NO_DEPTH, f"the book holds {_text(view.depth)} contracts"
        share = f"{self.max_hedge_share:g} of the gross option delta {_text(gross)}"
        return by_cap, Reason.HEDGE_CAP, f"the hedge may reach {cap:g} contracts, {share}"


def shrinking(view: GateView) -> float:
    """Contracts of the wanted direction that only undo the position, outstanding orders counted [contracts, >= 0]."""
    sign = math.copysign(1.0, view.contracts)
    undone = max(sign * view.pending, 0.0)
    return max(-sign * view.position - undone, 0.0) if view.contracts else 0.0


def _decision(view: GateView, most: float, reason: Reason, detail: str) -> GateDecision:
    contracts = lots_toward_zero(min(most, abs(view.contracts)), view.lot)
    return GateDecision(
        allowed=contracts > 0 or not view.contracts, reason=reason, detail=detail, max_contracts=contracts
    )


def _check(view: GateView) -> None:
    for name in ("contracts", "position", "pending"):
        if not math.isfinite(getattr(view, name)):
            raise InvalidInput(f"hedge.{name}", "must be finite", getattr(view, name))
    if not (view.base_per_contract > 0.0 and math.isfinite(view.base_per_contract)):
        raise InvalidInput("hedge.base_per_contract", "must be > 0 and finite", view.base_per_contract)
    if not (view.lot.is_finite() and view.lot > 0):
        raise InvalidInput("hedge.lot", "must be > 0 and finite", view.lot)


def _text(value: float | None) -> str:
    return "unknown" if value is None or math.isnan(value) else f"{value:g}"
