"""What the doors of the service remember for a short time: what callers spent, which nonces were used, which tickets
are out. All of it may be lost; then less is let in, never more than the rules say.
"""

from __future__ import annotations

from typing import Protocol

from app.token_bucket import RatePlan, Taken


class DoorsUnsure(Exception):
    """Nobody can say whether a nonce was used: the request must not pass. `retry_seconds`: until that may be known."""

    def __init__(self, detail: str, retry_seconds: float) -> None:
        super().__init__(detail)
        self.detail, self.retry_seconds = detail, retry_seconds


class DoorStore(Protocol):
    """Short memory of all processes of a deployment, or of this one while they cannot be asked."""

    @property
    def shared(self) -> bool:
        """Whether it is that of all processes that it should be."""
        ...

    async def recover(self) -> bool:
        """Whether it is shared, after another look if it was not."""
        ...

    async def take(self, caller: str, plan: RatePlan, cost: int) -> Taken:
        """Spend units of a caller; always answers, within the time that the store is waited for."""
        ...

    async def claim(self, key_id: str, nonce: str, *, signed_at_ms: int, now_ms: int, seconds: float) -> bool:
        """Use a nonce of a key for `seconds`; False if it was used before.

        Raises
        ------
        DoorsUnsure
            If it was signed before the memory begins, or those who may have seen it cannot be asked.
        """
        ...

    async def keep(self, ticket: str, content: bytes, *, seconds: float) -> None:
        """Remember a ticket, by its name."""
        ...

    async def redeem(self, ticket: str) -> bytes | None:
        """Content of a ticket, once."""
        ...
