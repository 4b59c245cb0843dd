"""Where a reader goes on: behind its old position, or at the newest state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.streaming.update import Position, Update


class Continuation(StrEnum):
    """How a subscription begins."""

    SNAPSHOT = "snapshot"
    """At the newest state; what lay between is not told."""
    RECOVERED = "recovered"
    """Behind the position of the reader: nothing is missing."""
    BEHIND = "behind"
    """The history that was read ends before the newest state: read it again."""
    IMPOSSIBLE = "impossible"
    """The position lies ahead of the stream, within its epoch: the stream was set back."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """How a subscription begins, and the states to send after the reply."""

    continuation: Continuation
    missed: tuple[Update, ...] = ()


def resume(since: Position | None, newest: Update | None, history: Sequence[Update] | None) -> Resumption:
    """Decide how a subscription begins.

    Parameters
    ----------
    since : Position, optional
        Where the reader says it stands.
    newest : Update, optional
        Newest state of the channel.
    history : sequence of Update, optional
        States after `since`, oldest first; None where the bus no longer reaches back to it.

    Examples
    --------
    >>> resume(None, None, None).continuation
    <Continuation.SNAPSHOT: 'snapshot'>
    """
    if since is None or newest is None or newest.position.epoch != since.epoch:
        return Resumption(Continuation.SNAPSHOT)
    if since.seq > newest.position.seq:
        return Resumption(Continuation.IMPOSSIBLE)
    if history is None:
        return Resumption(Continuation.SNAPSHOT)
    reached = since
    for update in history:
        if update.position != (reached.epoch, reached.seq + 1):
            return Resumption(Continuation.SNAPSHOT)
        reached = update.position
    if reached.seq < newest.position.seq:
        return Resumption(Continuation.BEHIND)
    return Resumption(Continuation.RECOVERED, tuple(history))
