"""The service with a note of every stage from an observation to a push: `python -m tests.benchmark.live_server FOLDER`.

Stores come from `DATABASE_URL` and `REDIS_URL`. Prints its port; a line on standard input ends it, and it prints what
it noted as one JSON line: lists of [stage, audit index, moment], moments by the monotonic clock of the machine [s].
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from app.ports import EventKind
from app.settings import Settings
from app.usecases.live_engine import LiveEngine
from services.streaming.update import Kind
from tests.support.sockets import listening

Notes = list[tuple[str, int, float]]
STAGES = {EventKind.OBSERVATION: "observation", EventKind.LIVE: "decision"}


def watch_engine(notes: Notes) -> None:
    """Note when the live engine sees an entry, and when it begins an evaluation."""
    saw, evaluate = LiveEngine.saw, LiveEngine._evaluate

    async def noted_saw(self: LiveEngine, entries: Sequence[Any]) -> None:
        now = time.monotonic()
        notes.extend(("seen", item.entry.index, now) for item in entries if item.entry.kind is EventKind.OBSERVATION)
        await saw(self, entries)

    async def noted_evaluate(self: LiveEngine, name: Any) -> float | None:
        notes.append(("begun", -1, time.monotonic()))
        return await evaluate(self, name)

    LiveEngine.saw, LiveEngine._evaluate = noted_saw, noted_evaluate  # type: ignore[method-assign]


def watch_stores(app: Any, notes: Notes) -> None:
    """Note when records are handed to the log and durable, and when targets are published and told to the hub."""
    container = app.state.container
    append, publish_many, updated = container.audit.append, container.bus.publish_many, app.state.hub.updated

    async def noted_append(record: Any, *, timeout: float) -> Any:
        begun = time.monotonic()
        appended = await append(record, timeout=timeout)
        if (stage := STAGES.get(record.kind)) is not None:
            notes.append((f"{stage} handed over", appended.index, begun))
            notes.append((f"{stage} durable", appended.index, time.monotonic()))
        return appended

    async def noted_publish(publications: Sequence[Any], *, turn: int | None = None) -> Any:
        now = time.monotonic()
        notes.extend(("published", item.version, now) for item in publications if item.channel.kind is Kind.TARGETS)
        return await publish_many(publications, turn=turn)

    def noted_updated(update: Any) -> None:
        if update.channel.kind is Kind.TARGETS:
            notes.append(("told", update.version, time.monotonic()))
        updated(update)

    container.audit.append, container.bus.publish_many = noted_append, noted_publish
    app.state.hub.updated = noted_updated


async def main(folder: Path) -> None:
    """Serve until told to end."""
    notes: Notes = []
    watch_engine(notes)
    settings = Settings(
        data_dir=folder,
        port=0,
        shutdown_seconds=1.0,
        database_url=os.environ.get("DATABASE_URL"),
        redis_url=os.environ.get("REDIS_URL"),
        log_level="WARNING",
    )
    async with listening(settings, watched=False) as here:
        watch_stores(here.app, notes)
        print(here.port, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        used = time.process_time()
        notes.clear()
        await asyncio.to_thread(sys.stdin.readline)
        print(json.dumps({"notes": notes, "processor": time.process_time() - used}), flush=True)


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
