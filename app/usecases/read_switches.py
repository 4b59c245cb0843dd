"""What operators have stopped, for a decision that gives orders."""

from __future__ import annotations

from datetime import datetime

from app.ports import AuditUnavailable
from app.switch_port import SwitchStore
from services.guards.switches import UNREAD, ActiveSwitch, active_switches


async def read_switches(store: SwitchStore, tenant_id: str, now: datetime) -> tuple[ActiveSwitch, ...]:
    """Switches that stop something now; where nobody can say, one that lets nothing grow."""
    try:
        return active_switches(await store.read(tenant_id), now)
    except AuditUnavailable:
        return (UNREAD,)
