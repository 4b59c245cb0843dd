"""Breaker tier: increases by the tier of the circuit breaker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from services.core.errors import InvalidInput
from services.sizing.overlay import Acts, Effect, View, whole_book

TIERS = ("normal", "caution", "reduce", "close only", "flatten")


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerTier:
    """Multiplier on increases by `previous.breaker_tier`: 1, caution, reduce, 0, 0.

    Parameters
    ----------
    caution, reduce : float
        Multipliers of tiers 1 and 2; tiers 3 (close only) and 4 (flatten) allow no increase.

    Raises
    ------
    InvalidInput
        If a higher tier has a larger multiplier.

    Notes
    -----
    Acts on increases alone, also in tier 4: closing positions is not the business of a multiplier on what is added.
    Which tier holds is read from the control state; without `previous` it is 0. Under `policy.breakers` the engine
    moves the ladder itself and multiplies increases by it, so that a policy has one or the other; the tier that it
    leaves in the state is what this overlay of another policy reads.

    References
    ----------
    The ladder of margin ratios 0.50, 0.67, 0.80, 0.90 (maintenance margin over equity); Binance's uniMMR marks are
    0.667, 0.833, 0.952.
    """

    method: Literal["breaker_tier"] = "breaker_tier"
    caution: Annotated[float, Ge(0), Le(1)] = 0.75
    reduce: Annotated[float, Ge(0), Le(1)] = 0.5

    acts_on: ClassVar[Acts] = "increase"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"previous"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if self.reduce > self.caution:
            raise InvalidInput(
                "policy.overlays", f"must give breaker_tier reduce <= caution ({self.caution:g})", self.reduce
            )

    @property
    def shares(self) -> tuple[float, ...]:
        """Multiplier of each tier."""
        return (1.0, self.caution, self.reduce, 0.0, 0.0)

    def effect(self, view: View) -> Effect:
        """One multiplier for the book."""
        tier = view.columns.control.breaker_tier
        return whole_book(view, self.shares[tier], f"breaker tier {tier}: {TIERS[tier]}")
