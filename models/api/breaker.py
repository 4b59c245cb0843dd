"""Wire models of circuit breakers: their state, a reset, and what an answer says of them and of operator's switches."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Model, Number, Time

Scope = Annotated[
    str, Strict(), StringConstraints(pattern=r"^(account|portfolio|venue:[A-Za-z0-9][A-Za-z0-9._-]{0,63})$")
]
"""Scope of a breaker: `account`, `portfolio`, or `venue:` and a name."""
Text = Annotated[str, Strict(), StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
LevelName = Literal["normal", "caution", "reduce", "close_only", "flatten"]


class BreakerStateIn(Model):
    """State of one breaker, as the last answer gave it."""

    scope: Scope
    level: Annotated[int, Field(ge=0, le=4, strict=True)] = Field(
        description="0 normal, 1 caution, 2 reduce, 3 close only, 4 flatten."
    )
    since: Time | None = Field(None, description="When the level was reached; left out where it always was.")
    calm_since: Time | None = Field(None, description="Since when every metric has been below the exit of the level.")
    latched: Annotated[bool, Strict()] = Field(default=False, description="True at level 4, until a reset.")
    last_at: Time | None = Field(None, description="Time of the last reading; an earlier one changes nothing.")
    forgiven: Annotated[Number, Field(ge=0, lt=1)] = Field(
        default=0.0, description="Part of the fall from the high-water mark that a reset has forgiven (fraction)."
    )

    @model_validator(mode="after")
    def _latch(self) -> BreakerStateIn:
        if self.latched != (self.level == 4):
            raise PydanticCustomError("inconsistent", "latched must be true at level 4, and at no other")
        return self


class BreakerResetIn(Model):
    """Takes the latch of a breaker off: from flatten to close only, from where the ladder goes on."""

    scope: Scope
    actor: Text = Field(description="Who resets it; part of the audited request and answer.")
    reason: Text = Field(description="Why.")


class BreakerStateOut(Model):
    """State of one breaker."""

    scope: str
    level: int
    since: Time | None = None
    calm_since: Time | None = None
    latched: bool
    last_at: Time | None = None
    forgiven: float | None = Field(None, description="Fraction; present where a reset has forgiven part of a fall.")


class BreakerMetricsOut(Model):
    """Metrics of a breaker; null where unknown, or where there is nothing that can be liquidated."""

    maintenance_ratio: float | None = Field(None, description="Maintenance margin over equity; null without equity.")
    distance_sigma: float | None = Field(
        None, description="Smallest distance to liquidation, in standard deviations of a day."
    )
    drawdown: float | None = Field(None, description="Fall from the high-water mark, less what is forgiven (fraction).")
    trusted: bool = Field(description="False: prices are stale or not agreed on; not for flattening.")


class BreakerExitOut(Model):
    """What must hold, for how long, before a breaker goes down by one level."""

    tier: int = Field(description="Level after it.")
    maintenance_ratio_below: float
    distance_sigma_from: float | None = None
    drawdown_below: float | None = None
    dwell_seconds: float
    not_before: Time | None = Field(None, description="If every metric stays calm from now on; null: one is not calm.")


class BreakerScopeOut(Model):
    """One breaker of an answer."""

    scope: str
    tier: int
    level: LevelName
    since: Time | None
    latched: bool
    next_exit: BreakerExitOut | None = Field(description="Null at normal, and at flatten: that takes breaker_reset.")
    metrics: BreakerMetricsOut


class BreakerTransitionOut(Model):
    """A change of level in this decision."""

    scope: str
    at: Time
    before: LevelName
    after: LevelName
    cause: Literal[
        "maintenance_ratio",
        "liquidation_distance",
        "drawdown",
        "metric_unknown",
        "price_not_trusted",
        "calm",
        "manual_reset",
    ]
    actor: str | None = None
    reason: str | None = None


class BreakerOut(BreakerScopeOut):
    """The breaker of the highest level, and all of them; present under a policy with breakers."""

    scopes: list[BreakerScopeOut]
    transitions: list[BreakerTransitionOut]


class ActiveSwitchOut(Model):
    """A switch that holds in a decision."""

    scope: str
    mode: Literal["reduce_only", "halt"]
    actor: str
    reason: str
    version: int = Field(description="0: the stored switches could not be read, and nothing may grow until they can.")
    expired: bool = Field(description="True: it has run out, so it is on reduce_only.")
