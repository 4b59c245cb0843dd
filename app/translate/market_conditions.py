"""Venues, protocols, chains and volatility views of the wire, by name."""

from __future__ import annotations

from collections.abc import Iterable

from models.api.evaluation import EvaluationRequest
from models.api.market_conditions import ChainIn, VenueIn
from services.core.market_conditions import (
    ChainCondition,
    MarketConditions,
    ProtocolCondition,
    VenueCondition,
    VenueMetrics,
    VolatilityView,
)


def market_conditions(request: EvaluationRequest) -> MarketConditions:
    """Conditions of the core."""
    return MarketConditions(
        venues=venue_conditions(request.venues),
        protocols={
            item.protocol: ProtocolCondition(**item.model_dump(exclude={"protocol"})) for item in request.protocols
        },
        chains={item.chain: chain_condition(item) for item in request.chains},
        volatilities={
            item.symbol: VolatilityView(**item.model_dump(exclude={"symbol"})) for item in request.volatilities
        },
    )


def venue_conditions(items: Iterable[VenueIn]) -> dict[str, VenueCondition]:
    """Venues of the core, by name."""
    return {item.venue: venue_condition(item) for item in items}


def venue_condition(item: VenueIn) -> VenueCondition:
    """Venue of the core: equity as a float."""
    equity = None if item.equity is None else float(item.equity)
    metrics = None if item.metrics is None else VenueMetrics(**item.metrics.model_dump())
    return VenueCondition(**item.model_dump(exclude={"venue", "equity", "metrics"}), equity=equity, metrics=metrics)


def chain_condition(item: ChainIn) -> ChainCondition:
    """Chain of the core: finality in seconds."""
    finality = item.finality_seconds
    return ChainCondition(
        block_time_seconds=item.block_time_seconds,
        finality_seconds=finality if finality is not None else (item.finality_blocks or 0) * item.block_time_seconds,
        congestion=item.congestion,
        sequencer_up=item.sequencer_up,
    )
