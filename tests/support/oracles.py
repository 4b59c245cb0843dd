"""Observations of oracles with everything usual filled in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from services.guards.observation import Aggregate, ConversionRate, OracleObservation
from services.guards.outcome import OracleReason, SourceReason

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    """Moment before `NOW`."""
    return NOW - timedelta(seconds=seconds)


def said(source: str, price: float, age: float = 0.0, **more: Any) -> OracleObservation:
    """What a source said `age` seconds ago, with a heartbeat of a minute."""
    return OracleObservation(**{"source": source, "price": price, "as_of": ago(age), "heartbeat_seconds": 60.0} | more)


def several(*prices: float, **more: Any) -> list[OracleObservation]:
    """One source for each price: s0, s1 …"""
    return [said(f"s{place}", price, **more) for place, price in enumerate(prices)]


def rate(currency: str, value: float, age: float = 0.0, **more: Any) -> ConversionRate:
    """Rate of `age` seconds ago, with a heartbeat of a minute."""
    fields = {"currency": currency, "rate": value, "as_of": ago(age), "heartbeat_seconds": 60.0}
    return ConversionRate(**fields | more)


def rejected(found: Aggregate) -> dict[str, SourceReason]:
    """Source to why it was rejected; of a source that was rejected twice, the last."""
    return {item.source: item.reason for item in found.rejected}


def reasons(found: Aggregate) -> list[OracleReason]:
    """All findings."""
    return [item.reason for item in found.findings]
