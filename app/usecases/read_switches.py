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


async def next_expiry(store: SwitchStore, tenant_id: str, now: datetime) -> datetime | None:
    """When the next switch runs out, and with it what it allowed; None where none will, or nobody can say."""
    try:
        found = await store.read(tenant_id)
    except AuditUnavailable:
        return None
    return min(
        (item.expires_at for item in found if item.expires_at is not None and item.expires_at > now), default=None
    )
