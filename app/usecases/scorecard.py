"""`GET /v1/scorecard` and `trimtab scorecard`: how good recorded answers were, from the log alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import orjson

from app.container import Container
from app.deadline import in_thread
from app.limits import MAX_SCORECARD_BYTES, MAX_SCORECARD_ENTRIES
from app.log_ports import LogTree, SpanSource
from app.ports import StoredEntry
from app.translate.logged_answers import Reader
from app.translate.scorecard import scorecard_bytes
from app.usecases.call import Answer
from app.usecases.replay_log import entry_of
from services.core.errors import InvalidInput

PAGE = 200
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class ScorecardQuery(NamedTuple):
    """What a scorecard is about: entries from `first` to `last` of the log, and whose statements."""

    first: int | None = None
    last: int | None = None
    portfolio_id: str | None = None
    symbol: str | None = None


async def read_scorecard(container: Container, query: ScorecardQuery) -> Answer:
    """Scorecard of the tenant's entries.

    Raises
    ------
    InvalidInput
        If the range lies outside of the log, or holds more than one call may read.
    """
    first, last = bounds_of(query, await container.audit.size())
    if last - first >= MAX_SCORECARD_ENTRIES:
        rule = f"must leave at most {MAX_SCORECARD_ENTRIES} entries up to `to` ({last})"
        raise InvalidInput("from", rule, first, "ask in parts, or use `trimtab scorecard` on the database")
    reader, done, size, newest = Reader(query.portfolio_id, query.symbol), first, 0, -1
    async with _turn():
        while done <= last and (page := await container.audit.tail(after=done - 1, limit=min(PAGE, last + 1 - done))):
            own = [item.entry for item in page if item.tenant_id == container.tenant_id]
            size += sum(entry.body_length for entry in own)
            if size > MAX_SCORECARD_BYTES:
                rule = f"must leave at most {MAX_SCORECARD_BYTES} bytes of entries up to `to` ({last})"
                raise InvalidInput("from", rule, first, "ask in parts, or use `trimtab scorecard` on the database")
            await in_thread(take_all, reader, own)
            done, newest = page[-1].entry.index + 1, own[-1].index if own else newest
        # How far the log reaches is also told by what others do.
        end = newest if query.last is None else last
        body = await in_thread(scorecard_bytes, reader, first, end if end >= 0 else None)
    return Answer(200, body)


async def score_log(tree: LogTree, tenant_id: str, query: ScorecardQuery, advance: Callable[[int, int], None]) -> bytes:
    """The same of a log as stored, however long; `advance` is told (entries done, in all).

    Raises
    ------
    InvalidInput
        If the range lies outside of the log.
    """
    first, last = bounds_of(query, (await tree.head()).size)
    several = len(await tree.stream_secrets()) > 1
    reader, done, newest = Reader(query.portfolio_id, query.symbol), first, -1
    while done <= last and (page := await tree.records(after=done - 1, limit=min(PAGE, last + 1 - done))):
        own = [entry for entry in page if not several or await tree.entry_of(tenant_id, entry.event_id) is not None]
        await in_thread(take_all, reader, own)
        done, newest = page[-1].index + 1, own[-1].index if own else newest
        advance(done - first, last + 1 - first)
    end = newest if query.last is None else last
    return await in_thread(scorecard_bytes, reader, first, end if end >= 0 else None)


def score_span(source: SpanSource, query: ScorecardQuery, advance: Callable[[int, int], None]) -> bytes:
    """The same of a part that was handed over; that it is the log's own is checked elsewhere.

    Raises
    ------
    InvalidInput
        If the range lies outside of the part, or an entry or a body is none.
    """
    span = source.span
    first, last = bounds_of(query, span.end)
    if first < span.first:
        if query.first is not None:
            raise InvalidInput("from", f"must be an entry of the part, which begins at {span.first}", first)
        first = span.first

    def pages() -> Iterator[list[StoredEntry]]:
        for rows in source.rows():
            kept = [
                row for row in rows if first <= row.index <= last and row.entry is not None and row.body is not None
            ]
            yield [entry_of(row, orjson.loads(row.entry or b"")) for row in kept]
            advance(max(min(rows[-1].index, last) + 1 - first, 0), last + 1 - first)

    return score_entries(pages(), query, first, last if last >= 0 else None)


def score_entries(pages: Iterable[Sequence[StoredEntry]], query: ScorecardQuery, first: int, last: int | None) -> bytes:
    """The same of entries from anywhere, in the order of the log: those from `first` to `last` of one tenant."""
    reader = Reader(query.portfolio_id, query.symbol)
    for page in pages:
        take_all(reader, page)
    return scorecard_bytes(reader, first, last)


def take_all(reader: Reader, entries: Sequence[StoredEntry]) -> None:
    """Take entries in."""
    for entry in entries:
        reader.take(entry)


def bounds_of(query: ScorecardQuery, size: int) -> tuple[int, int]:
    """First and last index; of an empty log 0 and −1.

    Raises
    ------
    InvalidInput
        If a bound that is named is no entry of the log.
    """
    for name, bound in (("from", query.first), ("to", query.last)):
        if bound is not None and bound >= size:
            raise InvalidInput(name, f"must be an entry of the log, which holds {size}", bound)
    last = size - 1 if query.last is None else query.last
    return (max(last + 1 - MAX_SCORECARD_ENTRIES, 0) if query.first is None else query.first), last


def _turn() -> asyncio.Semaphore:
    """One scorecard of a process at a time: each keeps a processor busy."""
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(1))
