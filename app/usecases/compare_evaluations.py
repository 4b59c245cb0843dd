"""Two recorded decisions compared: nothing is computed anew, and nothing is recorded."""

from __future__ import annotations

import orjson

from app.container import Container
from app.deadline import in_thread
from app.ports import EventKind, StoredEntry
from app.translate.difference import RecordedAnswer, difference
from app.usecases.call import Answer
from app.usecases.read_evaluations import UnknownEntry, find_entry

COMPARABLE = frozenset({EventKind.EVALUATION, EventKind.TARGETS, EventKind.LIVE})


class NotComparable(Exception):
    """The entry has no targets."""


class NothingBefore(Exception):
    """No entry was named to compare with, and none precedes; the text says why."""


async def compare_evaluations(container: Container, evaluation_id: str, against: str | None) -> Answer:
    """What changed from `against` to `evaluation_id`, and why.

    Parameters
    ----------
    against : str, optional
        By default the last decision of the same portfolio, through the same door, before it.

    Raises
    ------
    UnknownEntry, NotComparable, NothingBefore
        If there are no two decisions to compare.
    """
    after = _comparable(await find_entry(container, evaluation_id))
    before = _comparable(await find_entry(container, against or await _previous(container, after)))
    return Answer(200, await in_thread(_compared, before, after), (), {})


async def _previous(container: Container, entry: StoredEntry) -> str:
    if entry.portfolio_id is None:
        raise NothingBefore("the evaluation names no portfolio_id, so none is known to precede it")
    found = await container.audit.previous(
        container.tenant_id, entry.index, kind=EventKind(entry.kind), portfolio_id=entry.portfolio_id
    )
    if found is None:
        raise NothingBefore(f"this is the first of portfolio {entry.portfolio_id} through its door")
    return found.event_id


def _comparable(entry: StoredEntry) -> StoredEntry:
    if entry.kind not in COMPARABLE:
        raise NotComparable(entry.kind)
    return entry


def _compared(before: StoredEntry, after: StoredEntry) -> bytes:
    names = {"evaluation_id": after.event_id, "against": before.event_id}
    return orjson.dumps({**names, **difference(_recorded(before), _recorded(after))})


def _recorded(entry: StoredEntry) -> RecordedAnswer:
    return RecordedAnswer(*map(orjson.loads, (entry.request, entry.response, entry.versions)))


__all__ = ["NotComparable", "NothingBefore", "UnknownEntry", "compare_evaluations"]
