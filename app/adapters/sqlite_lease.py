"""Lease of the live engine on an embedded database: the lock of its file lets one process in, which has the lease."""

from __future__ import annotations


class SqliteLease:
    """`app.live_ports.Lease` of the only process."""

    async def acquire(self) -> bool:
        """Always."""
        return True

    async def held(self) -> bool:
        """Always."""
        return True

    async def release(self) -> None:
        """Nothing to give back."""
