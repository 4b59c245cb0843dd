"""The ports handed to use cases: one frozen record, built by `app.lifespan`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from app.attempts import Attempts
from app.turnstile import Turnstile

if TYPE_CHECKING:
    from app.door_ports import DoorStore
    from app.fill_ledger import FillLedger
    from app.fit_port import FitWorker
    from app.governance_port import GovernanceStore
    from app.key_port import KeyStore, Pepper
    from app.live_ports import Lease, PortfolioStore, UpdateBus
    from app.log_ports import LogCosigner, LogSigner, LogTree
    from app.parameter_port import ParameterStore
    from app.ports import AuditLog, Clock, InstrumentStore, PolicyStore, VolatilityStore
    from app.retention_port import RetentionStore
    from app.settings import Settings
    from app.switch_port import SwitchStore


LOCAL_TENANT = "local"
"""The tenant of a service without keys, and of its command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Everything that a use case may reach outside itself, on behalf of one tenant.

    Parameters
    ----------
    tenant_id : str
        Whose books, policies, states and entries a use case reads and writes: every store takes it as an argument, and
        no use case has another one at hand.
    """

    settings: Settings
    clock: Clock
    audit: AuditLog
    tree: LogTree
    signer: LogSigner | None
    volatility: VolatilityStore
    instruments: InstrumentStore
    policies: PolicyStore
    governance: GovernanceStore
    portfolios: PortfolioStore
    bus: UpdateBus
    lease: Lease
    switches: SwitchStore
    parameters: ParameterStore
    retention: RetentionStore
    fits: FitWorker
    fills: FillLedger
    keys: KeyStore
    pepper: Pepper | None = field(repr=False)
    doors: DoorStore
    attempts: Attempts = field(default_factory=Attempts, repr=False)
    turnstile: Turnstile = field(default_factory=Turnstile, repr=False)
    tenant_id: str = LOCAL_TENANT
    cosigner: LogCosigner | None = None

    def of(self, tenant_id: str) -> Self:
        """The same ports for another tenant."""
        return self if tenant_id == self.tenant_id else replace(self, tenant_id=tenant_id)
