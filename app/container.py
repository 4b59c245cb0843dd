"""The ports handed to use cases: one frozen record, built by `app.lifespan`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.fill_ledger import FillLedger
    from app.fit_port import FitWorker
    from app.live_ports import Lease, PortfolioStore, UpdateBus
    from app.log_ports import LogSigner, LogTree
    from app.parameter_port import ParameterStore
    from app.ports import AuditLog, Clock, InstrumentStore, PolicyStore, VolatilityStore
    from app.settings import Settings
    from app.switch_port import SwitchStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Everything that a use case may reach outside itself."""

    settings: Settings
    clock: Clock
    audit: AuditLog
    tree: LogTree
    signer: LogSigner | None
    volatility: VolatilityStore
    instruments: InstrumentStore
    policies: PolicyStore
    portfolios: PortfolioStore
    bus: UpdateBus
    lease: Lease
    switches: SwitchStore
    parameters: ParameterStore
    fits: FitWorker
    fills: FillLedger
