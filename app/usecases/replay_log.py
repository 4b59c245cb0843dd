"""Recorded decisions of a part of the log computed again and compared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from app.log_ports import LogTree
from app.usecases.read_evaluations import MAX_DIFFERENCES, REPLAYABLE, NotReplayable, differences, recompute

PAGE = 200


@dataclass(frozen=True, slots=True)
class Different:
    """A decision that comes out otherwise than it was recorded, and where."""

    index: int
    event_id: str
    pointers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """`skipped` entries record facts, or a state in the form of another build; `pruned` ones have no body any more."""

    entries: int
    same: int
    different: tuple[Different, ...]
    skipped: int
    pruned: int


async def replay_log(tree: LogTree, *, first: int, last: int | None, advance: Callable[[int, int], None]) -> Replayed:
    """Compute the decisions from `first` to `last` again; `advance` is told (entries done, in all)."""
    size = (await tree.head()).size
    end = size if last is None else min(last + 1, size)
    done, same, skipped, read = first, 0, 0, 0
    different: list[Different] = []
    while done < end and (page := await tree.records(after=done - 1, limit=min(PAGE, end - done))):
        for entry in page:
            if entry.index >= end:
                break
            read += 1
            try:
                if entry.kind not in REPLAYABLE:
                    raise NotReplayable(entry.kind)
                again = await asyncio.to_thread(recompute, entry)
            except NotReplayable:
                skipped += 1
                continue
            if again == entry.response:
                same += 1
                continue
            rows = differences(orjson.loads(entry.response), orjson.loads(again))[:MAX_DIFFERENCES]
            places = tuple(row["pointer"] for row in rows)
            different.append(Different(entry.index, entry.event_id, places))
        done = min(page[-1].index + 1, end)
        advance(done - first, end - first)
    entries = max(end - first, 0)
    return Replayed(entries, same, tuple(different), skipped, entries - read)
