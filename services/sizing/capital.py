"""What counts as the capital that positions are sized on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Gt, Le

from services.core.control import Control

CONFIG: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class FullCompounding:
    """Size on the equity: profits and losses are reinvested."""

    method: Literal["full"] = "full"

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def sized_on(self, equity: float, control: Control) -> float:
        """Capital that positions are sized on [account currency]."""
        return equity


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedCapital:
    """Size on a constant amount: profits are not reinvested, and losses shrink no size.

    Parameters
    ----------
    capital : float
        [account currency]

    Notes
    -----
    Risk over equity grows as the equity falls below `capital`; limits still act on the equity.
    """

    method: Literal["fixed"] = "fixed"
    capital: Annotated[float, Gt(0), Le(1e15)]

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def sized_on(self, equity: float, control: Control) -> float:
        """Capital that positions are sized on [account currency]."""
        return self.capital


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfCompounding:
    """Size on ``min(equity, initial capital)``: losses shrink sizes at once, profits are not reinvested.

    The initial capital is that of the control state (`previous.initial_capital`); the first decision starts it at the
    equity.

    References
    ----------
    Carver, pysystemtrade ``systems/accounts/account_forecast``: half compounding.
    """

    method: Literal["half"] = "half"

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def sized_on(self, equity: float, control: Control) -> float:
        """Capital that positions are sized on [account currency]."""
        return min(equity, control.initial_capital if control.initial_capital is not None else equity)


Capital = FullCompounding | FixedCapital | HalfCompounding
