"""Terms of an allocation of collateral: accounts, balances, assets, routes, when to move, and what a plan says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from services.core.annualization import SECONDS_PER_DAY
from services.core.errors import InvalidInput

Verdict = Literal["transfer", "keep", "reduce"]
"""Move funds; nothing is worth moving; not even all funds suffice: reduce positions."""
Dropped = Literal["gain_too_small", "does_not_pay"]
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """One account.

    Parameters
    ----------
    name : str
        Unique.
    equity : float
        After haircuts, without what is in transit to it [account currency].
    maintenance : float
        Maintenance margin [account currency], >= 0.
    loss_per_sigma : float
        κ: loss of its positions in a joint move of one standard deviation over `horizon_seconds` [account currency].
    horizon_seconds : float
        Horizon of κ [s].
    liquidation_cost : float, optional
        What a liquidation would cost [account currency]; the maintenance margin where it is not given.
    """

    name: str
    equity: float
    maintenance: float
    loss_per_sigma: float
    horizon_seconds: float = SECONDS_PER_DAY
    liquidation_cost: float | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.equity):
            raise InvalidInput("equity", "must be finite", self.equity)
        for name in ("maintenance", "loss_per_sigma"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise InvalidInput(name, "must be finite and >= 0", getattr(self, name))
        if not 0.0 < self.horizon_seconds < math.inf:
            raise InvalidInput("horizon_seconds", "must be finite and > 0", self.horizon_seconds)

    @property
    def stake(self) -> float:
        """What a liquidation would cost [account currency]."""
        return self.maintenance if self.liquidation_cost is None else self.liquidation_cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an account holds, or may hold, of an asset.

    Parameters
    ----------
    venue, asset : str
        Names.
    withdrawable : Decimal
        What may leave now [asset], >= 0.
    haircut : float
        Of the asset as collateral there, in [0, 1].
    """

    venue: str
    asset: str
    withdrawable: Decimal = ZERO
    haircut: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """What is moved: its price [account currency], and the smallest unit that can be sent [asset]."""

    name: str
    price: float = 1.0
    unit: Decimal = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way from one account to another.

    Parameters
    ----------
    source, destination, asset : str
        Names.
    fee_fixed, least : Decimal
        Fee of a transfer whatever its size, and the smallest transfer [asset].
    fee_proportional : Decimal
        Fee as a share of what is sent; all fees are taken from what arrives.
    latency_seconds, finality_seconds : float
        Until the network has it, and until the destination counts it [s].
    failure_probability : float
        That it does not arrive in time, in [0, 1).
    """

    source: str
    destination: str
    asset: str
    fee_fixed: Decimal = ZERO
    fee_proportional: Decimal = ZERO
    least: Decimal = ZERO
    latency_seconds: float = 0.0
    finality_seconds: float = 0.0
    failure_probability: float = 0.0

    @property
    def seconds(self) -> float:
        """Until it counts [s]."""
        return self.latency_seconds + self.finality_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationPolicy:
    """When moving collateral is worth it.

    Parameters
    ----------
    withdrawable_share : float
        Of a withdrawable balance that may be used.
    target_safety : float
        Safety beyond which no more is sought [standard deviations].
    low_safety : float
        A destination below this is helped however small the gain.
    least_gain : float
        Gain of a destination above it that makes a transfer worth while [standard deviations].
    must_pay : bool
        Whether what transfers to a destination avert, less what they risk at their senders, must exceed their cost.
    failure_loss : float
        Share of a transfer that a failure costs.
    capital_rate : float
        Cost of funds that count nowhere while they travel [annual].
    restored_safety : float
        What positions are reduced to where no transfer helps [standard deviations].

    Notes
    -----
    Thresholds and the cost of a failure are choices without an empirical optimum behind them.
    """

    withdrawable_share: Annotated[float, Gt(0), Le(1)] = 0.9
    target_safety: Annotated[float, Gt(0), Le(50)] = 50.0
    low_safety: Annotated[float, Ge(0), Le(50)] = 2.0
    least_gain: Annotated[float, Ge(0), Le(50)] = 0.25
    must_pay: bool = True
    failure_loss: Annotated[float, Ge(0), Le(1)] = 1.0
    capital_rate: Annotated[float, Ge(0), Le(10)] = 0.1
    restored_safety: Annotated[float, Ge(0), Le(50)] = 2.0

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, slots=True)
class Move:
    """One transfer: what leaves, the fee in it, and what arrives [asset]; ``sent = fee + arrives`` exactly."""

    route: Route
    sent: Decimal
    fee: Decimal
    arrives: Decimal


@dataclass(frozen=True, slots=True)
class VenueOutcome:
    """One account before, while transfers travel, and once they are confirmed.

    `safety_*` in standard deviations, None where κ is 0; `reduction` is the share of its positions to close, and
    `worth_of_equity` how much a unit of equity more there would add to the least safety.
    """

    name: str
    equity_before: float
    equity_in_transit: float
    equity_after: float
    safety_before: float | None
    safety_in_transit: float | None
    safety_after: float | None
    reduction: float
    worth_of_equity: float | None


@dataclass(frozen=True, slots=True)
class Allocation:
    """Plan.

    Parameters
    ----------
    verdict : str
        transfer, keep or reduce.
    safety_before, safety_after : float
        Least of all venues, before and once everything has arrived; None where it is infinite.
    safety_attainable : float, optional
        If moving were free, instant and certain; None where even then a venue without risk is short.
    moves : sequence of Move
    venues : sequence of VenueOutcome
        In the order of the request.
    binding : str, optional
        Venue that holds the least safety down.
    worth_of_balance : mapping
        (venue, asset) to what a unit more to withdraw would add to the least safety, where that is not 0.
    cost, saved : float
        Expected cost of the transfers, and expected cost of liquidations that they avert [account currency].
    dropped : sequence of (str, str)
        Destinations whose transfers were dropped, and why.
    optimal : bool
        False where the search was cut short: the plan is sound but may not be the best.
    """

    verdict: Verdict
    safety_before: float | None
    safety_after: float | None
    safety_attainable: float | None
    moves: tuple[Move, ...]
    venues: tuple[VenueOutcome, ...]
    binding: str | None
    worth_of_balance: dict[tuple[str, str], float]
    cost: float
    saved: float
    dropped: tuple[tuple[str, Dropped], ...]
    optimal: bool
