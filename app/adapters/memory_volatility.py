"""Volatility states in this process: the embedded default."""

from __future__ import annotations

from collections.abc import Sequence

from app.adapters.volatility_keys import key_name
from app.ports import FedState, StateChange, StateDamaged, StateKey
from services.volatility.state import VolatilityState

MAX_STATES = 10_000
"""About 200 MB; beyond, the state that was fed least recently is forgotten."""


class MemoryVolatilityStore:
    """`VolatilityStore` as a dictionary. States end with the process (the next one rebuilds them from the audit log);
    other processes do not see them.
    """

    def __init__(self, max_states: int = MAX_STATES) -> None:
        self._states: dict[StateKey, FedState] = {}
        self._max_states = max_states

    async def load(self, keys: Sequence[StateKey]) -> list[VolatilityState | StateDamaged | None]:
        """States in the order of the keys."""
        return [found.state if (found := self._states.get(key)) else None for key in keys]

    async def load_for_update(self, keys: Sequence[StateKey]) -> list[FedState | StateDamaged | None]:
        """States with their replays."""
        return [self._states.get(key) for key in keys]

    async def compare_and_set(self, changes: Sequence[StateChange]) -> list[bool]:
        """Store each state whose key still holds the expected version."""
        return [self._store(change) for change in changes]

    def _store(self, change: StateChange) -> bool:
        found = self._states.get(change.key)
        if (found.state.version if found else None) != change.expected_version:
            return False
        self._states.pop(change.key, None)
        self._states[change.key] = FedState(change.state, change.replay)
        if len(self._states) > self._max_states:
            del self._states[next(iter(self._states))]
        return True

    async def delete(self, key: StateKey) -> bool:
        """Forget a state."""
        return self._states.pop(key, None) is not None

    async def list(
        self, tenant_id: str, *, after: StateKey | None, limit: int
    ) -> list[tuple[StateKey, VolatilityState | StateDamaged]]:
        """States above `after`, by encoded key."""
        above = key_name(after) if after else ""
        names = {key_name(key): key for key in self._states if key.tenant_id == tenant_id}
        keys = [names[name] for name in sorted(names) if name > above]
        return [(key, self._states[key].state) for key in keys[:limit]]

    async def ping(self) -> None:
        """Always answers."""

    def server_version(self) -> str:
        """Kind of the store."""
        return "in-process"

    def warnings(self) -> tuple[str, ...]:
        """What is lost when."""
        return (
            "volatility states are kept in this process only: other processes do not see them, and they are rebuilt "
            "from the audit log at the next start",
        )
