"""What to do on events of a stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from trimtab_client.stream.events import Degraded, Event, Expired, Gap, Notice, Update

Result = Awaitable[Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """Functions, plain or ``async``, called with each event in the order in which it happened.

    `on_expired` is the one that money depends on: it is called once for each state whose time ends, also while the
    service cannot be reached. All but `on_update` are called by the task that reads the connection: return soon.
    An exception in one of them ends the stream and is raised to its reader.
    """

    on_update: Callable[[Update], Result] | None = None
    on_gap: Callable[[Gap], Result] | None = None
    on_expired: Callable[[Expired], Result] | None = None
    on_notice: Callable[[Notice], Result] | None = None
    on_degraded: Callable[[Degraded], Result] | None = None

    def call(self, event: Event) -> Result:
        """Call the function of an event; what it returns must be awaited, if anything."""
        functions: dict[type, Callable[[Any], Result] | None] = {
            Update: self.on_update,
            Gap: self.on_gap,
            Expired: self.on_expired,
            Notice: self.on_notice,
            Degraded: self.on_degraded,
        }
        function = functions[type(event)]
        return None if function is None else function(event)


SILENT = Handlers()
"""Nothing is called."""
