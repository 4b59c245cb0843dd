"""Copy of the registered instruments in the process, one tenant at a time."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from app.ports import InstrumentKey


class InstrumentCopy:
    """All instruments of a tenant at one generation. Immutable: a change makes a new copy."""

    def __init__(self, generation: int, rows: Sequence[tuple[str, str, bytes]]) -> None:
        self.generation = generation
        self._specifications = {(venue, symbol): specification for venue, symbol, specification in rows}
        self._order = sorted(self._specifications)

    def get_many(self, keys: Sequence[InstrumentKey]) -> dict[InstrumentKey, bytes]:
        """Those of the keys that are registered."""
        if not self._specifications:
            return {}
        return {key: self._specifications[key] for key in keys if key in self._specifications}

    def page(self, after: InstrumentKey | None, limit: int) -> list[tuple[str, str, bytes]]:
        """At most `limit` rows above `after`, by (venue, symbol)."""
        start = 0 if after is None else bisect.bisect_right(self._order, after)
        return [(*key, self._specifications[key]) for key in self._order[start : start + limit]]
