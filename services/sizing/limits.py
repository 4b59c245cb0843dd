"""Limits and order rules of a policy: plain parameters, each with its unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le

CONFIG: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps on a size. Reductions that they demand bypass the buffer.

    Parameters
    ----------
    max_leverage : float
        Gross notional over equity.
    max_weight : float, optional
        |notional| of one row over equity.
    max_margin_use : float
        Initial margin over equity.
    min_liquidation_distance : float
        Distance between mark and liquidation price [one-day standard deviations]; 0 switches it off.
    max_data_age_bars : float
        Age of the last bar beyond which a price is stale [bars]; at least 5 seconds.
    """

    max_leverage: Annotated[float, Gt(0), Le(100)] = 2.0
    max_weight: Annotated[float, Gt(0), Le(100)] | None = None
    max_margin_use: Annotated[float, Gt(0), Le(1)] = 0.8
    min_liquidation_distance: Annotated[float, Ge(0), Le(20)] = 5.0
    max_data_age_bars: Annotated[float, Ge(1), Le(100)] = 2.0

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRules:
    """How a change of position becomes orders.

    Parameters
    ----------
    allow_bump : bool
        Raise an order below the minimum to the minimum, if that is at most 30 % larger (freqtrade).
    collar_sigmas : float
        Limit price: mark ± this many standard deviations over `valid_for_seconds` (a three-sigma move in the life of
        the order has probability 0.3 % under a normal law).
    valid_for_seconds : float
        Life of an order.
    time_in_force : {"IOC", "GTC", "FOK"}
        Passed on to the order.
    """

    allow_bump: bool = False
    collar_sigmas: Annotated[float, Gt(0), Le(20)] = 3.0
    valid_for_seconds: Annotated[float, Gt(0), Le(86_400)] = 60.0
    time_in_force: Literal["IOC", "GTC", "FOK"] = "IOC"

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG
