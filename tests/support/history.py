"""What clients did and were told, and the checker that compares it with the log afterwards, in the way of Jepsen.

Every attempt is noted with the monotonic times of its call and its end, and with what its caller knows then: `ok` (an
answer), `fail` (nothing was written), `unknown` (it may have been, or not). From the log:

* each `ok` is stored, at the index that its answer named;
* a key with nothing but `fail` is not stored, and nothing is that nobody sent;
* a key is stored once at most;
* indices are those from 0 on, without a hole;
* an attempt that ended before another began comes before it in the log. Keys are new for every call, so this order in
  the whole log is that of each stream too.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

REJECTED, UNKNOWN = "rejected", "unknown"


class Known(StrEnum):
    """What a caller knows at the end of an attempt."""

    OK = "ok"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call under a key: times [s, monotonic], and what came of it; a status of None is no answer."""

    key: str
    began: float
    ended: float
    known: Known
    status: int | None = None
    code: str = ""
    evaluation_id: str = ""
    index: int = -1
    replayed: bool = False
    body: bytes = b""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


@dataclass(slots=True)
class History:
    """Attempts of all clients, in the order of their ends, and the body of every key."""

    attempts: list[Attempt] = field(default_factory=list)
    sent: dict[str, bytes] = field(default_factory=dict)

    def answered(self, key: str, began: float, status: int, body: bytes, *, replayed: bool = False) -> Attempt:
        """File an answer. A refusal whose `outcome` is not ``rejected`` is in doubt."""
        ended, document = time.monotonic(), orjson.loads(body)
        if status == 200:
            where = document["evaluation_id"], document["audit"]["index"]
            attempt = Attempt(key, began, ended, Known.OK, status, "", *where, replayed, body)
        else:
            known = Known.FAIL if document.get("outcome") == REJECTED else Known.UNKNOWN
            attempt = Attempt(key, began, ended, known, status, document.get("code", ""))
        self.attempts.append(attempt)
        return attempt

    def broken(self, key: str, began: float, error: BaseException) -> Attempt:
        """File a connection that broke after the call was sent."""
        attempt = Attempt(key, began, time.monotonic(), Known.UNKNOWN, None, type(error).__name__)
        self.attempts.append(attempt)
        return attempt

    def of(self, known: Known, since: float = 0.0, until: float = float("inf")) -> list[Attempt]:
        """Attempts with this end that were sent in a span of time."""
        return [one for one in self.attempts if one.known is known and since <= one.began < until]

    @property
    def unsettled(self) -> list[str]:
        """Keys in doubt: an attempt is unknown, and no later one told the truth."""
        doubtful = {one.key for one in self.of(Known.UNKNOWN)}
        return sorted(doubtful - {one.key for one in self.of(Known.OK)})

    def outcomes(self, since: float = 0.0, until: float = float("inf")) -> str:
        """What callers were told in a span of time, with numbers."""
        found = Counter(
            f"{one.status or 'no answer'} {one.code}".strip() for one in self.attempts if since <= one.began < until
        )
        return ", ".join(f"{count} × {what}" for what, count in found.most_common())


def disagreements(history: History, entries: Sequence[dict[str, Any]]) -> list[str]:
    """Everything in which the log and its clients differ; entries are those of ``GET /v1/audit/entries``.

    Entries without a client reference are somebody else's: they only take an index.
    """
    named = [entry["client_reference"] for entry in entries if entry["client_reference"] is not None]
    stored = {entry["client_reference"]: entry for entry in entries}
    sent = {one.key for one in history.attempts}
    found = []
    if [entry["index"] for entry in entries] != list(range(len(entries))):
        found.append("indices have a hole")
    for reference, count in Counter(named).items():
        if count > 1:
            found.append(f"{reference} is stored {count} times")
        if reference not in sent:
            found.append(f"{reference} is stored, and nobody sent it")
    for one in history.of(Known.OK):
        entry = stored.get(one.key)
        if entry is None:
            found.append(f"{one.key} was answered and is not in the log")
        elif (entry["index"], entry["evaluation_id"]) != (one.index, one.evaluation_id):
            found.append(f"{one.key} was answered as entry {one.index} and is entry {entry['index']}")
    maybe = {one.key for one in history.attempts if one.known is not Known.FAIL}
    found += [f"{key} was refused and is in the log" for key in sorted(stored.keys() & (sent - maybe))]
    return found + out_of_order(history, stored)


def out_of_order(history: History, stored: dict[str, dict[str, Any]]) -> list[str]:
    """Calls that ended before others began, and are behind them in the log."""
    first = {}
    for one in history.attempts:
        first[one.key] = min(first.get(one.key, one.began), one.began)
    ends = sorted((one.ended, one.index) for one in history.of(Known.OK))
    found, before, place = [], -1, 0
    for began, key in sorted((began, key) for key, began in first.items() if key in stored):
        while place < len(ends) and ends[place][0] < began:
            before, place = max(before, ends[place][1]), place + 1
        if stored[key]["index"] < before:
            found.append(f"{key} is entry {stored[key]['index']}, and entry {before} was answered before it was sent")
    return found
