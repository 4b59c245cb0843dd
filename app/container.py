"""The ports handed to use cases: one frozen record, built by `app.lifespan`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.fit_port import FitWorker
    from app.live_ports import Lease, PortfolioStore, UpdateBus
    from app.ports import AuditLog, Clock, InstrumentStore, PolicyStore, VolatilityStore
    from app.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Everything that a use case may reach outside itself."""

    settings: Settings
    clock: Clock
    audit: AuditLog
    volatility: VolatilityStore
    instruments: InstrumentStore
    policies: PolicyStore
    portfolios: PortfolioStore
    bus: UpdateBus
    lease: Lease
    fits: FitWorker
