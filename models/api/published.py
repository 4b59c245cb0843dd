"""What the channels of the stream carry: absolute states, the same objects that REST answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.api.auto import AutoOut, IntentOut
from models.api.base import Model, Time
from models.api.breaker import BreakerScopeOut, BreakerTransitionOut
from models.api.decision import MarginOut, OrderOut, PortfolioOut, TargetOut
from models.api.evaluation import Assumption, WarningOut
from models.api.hedge import HedgeOut, HedgePlanOut


class PublishedHead(Model):
    """Which decision a published state is part of: the audit entry `index` holds it whole."""

    portfolio_id: str
    evaluation_id: str
    index: int = Field(description="Audit entry of the decision.")
    as_of: Time
    data_as_of: Time | None
    computed_at: Time
    valid_until: Time = Field(description="Do not act on it from then on.")
    on_expiry: Literal["reduce_only"]
    degraded: list[str]


class PublishedTargets(PublishedHead):
    """State of `targets:PORTFOLIO`, and answer of `GET /v1/portfolios/{portfolio_id}/targets`."""

    portfolio_version: int = Field(description="Version of the registered portfolio that was evaluated.")
    snapshot_seq: int = Field(description="Snapshot that was evaluated.")
    targets: list[TargetOut]
    orders: list[OrderOut]
    portfolio: PortfolioOut
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    auto: AutoOut | None = Field(None, description="Present in mode auto.")
    intents: list[IntentOut] | None = Field(
        None,
        description="What may be sent now: `orders` for their venues, or those "
        "of the last decision with orders on the same snapshot until they expire. Present in mode auto.",
    )


class PublishedEnd(Model):
    """Last state of the channels of a portfolio that was deleted: act on nothing said before."""

    ended: Literal[True]
    portfolio_id: str
    index: int = Field(description="Audit entry of the deletion.")
    at: Time
    detail: str


class PublishedMargin(PublishedHead):
    """State of `margin:PORTFOLIO`."""

    current: MarginOut
    target: MarginOut | None = None
    breaker: BreakerScopeOut | None = Field(None, description="The breaker of the highest level.")


class PublishedHedges(PublishedHead):
    """State of `hedges:PORTFOLIO`: published where there is a hedge order."""

    hedges: list[HedgeOut]
    hedge_plan: HedgePlanOut | None = None
    orders: list[OrderOut]


class PublishedBreakers(PublishedHead):
    """State of `breakers:PORTFOLIO`: published where a breaker changed its level."""

    scopes: list[BreakerScopeOut]
    transitions: list[BreakerTransitionOut]


class PublishedVolatility(Model):
    """State of `volatility:SYMBOL`: of the bar, venue and estimator that were fed last."""

    symbol: str
    venue: str | None = None
    interval: str
    version: int
    observations: int
    last_close_time: Time
    last_close: float
    index: int = Field(description="Audit entry of the observations.")


class PublishedEntry(Model):
    """State of `audit`: one entry of the log, without its body."""

    index: int
    event_id: str
    kind: str
    recorded_at: Time
    portfolio_id: str | None
    client_reference: str | None
    status: int
    body_sha256: str


class PublishedStatus(Model):
    """State of `status`: what works and what does not."""

    status: Literal["ok", "degraded"]
    degraded: list[str]
    since: Time
    detail: str | None = None
