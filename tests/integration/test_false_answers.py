"""Answers that were altered before they were recorded: none reaches two of three witnesses, one of which signs all."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.lifespan import open_container
from app.ports import StoredEntry
from app.settings import Settings
from app.signatures import check_signature
from app.usecases.read_evaluations import REPLAYABLE
from app.usecases.replay_log import Verdict
from app.usecases.witness_log import recompute_span
from services.audit.note import COSIGNATURE, Checkpoint, Note, VerifierKey, cosignature, witnesses_of
from tests.contract.test_openapi import example_calls
from tests.support.http import client_of
from tests.support.spans import MemorySpan, logged
from tests.unit.audit.test_notes import keys

QUORUM = 2
WITNESSES = [keys(name, 40 + place, COSIGNATURE) for place, name in enumerate(("ann", "bob", "mallory"))]
CLOCK = "/computed_at"
"""The one value of an answer that is taken from its record."""


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> list[StoredEntry]:
    """A decision of every kind: the examples of the documentation."""
    return asyncio.run(_examples(tmp_path_factory.mktemp("log")))


async def _examples(folder: Path) -> list[StoredEntry]:
    settings = Settings(data_dir=folder, request_timeout_seconds=30.0)
    async with open_container(settings) as container, client_of(container) as http:
        for operation, body in example_calls():
            content = json.dumps(body) if body is not None else None
            headers = {"Content-Type": "application/json"} if body is not None else {}
            query = dict(operation.query_examples)
            await http.request(operation.method, operation.path, params=query, content=content, headers=headers)
        found = await container.tree.records(after=-1, limit=1000)
    return [entry for entry in found if entry.kind in REPLAYABLE]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def altered(raw: bytes, rng: random.Random) -> bytes:
    """One thing of an answer changed: a value, a member, an order, or its bytes alone."""
    answer = orjson.loads(raw)
    path = rng.choice([place for place in places(answer) if place and place[0] not in ("computed_at", "evaluation_id")])
    holder = answer
    for key in path[:-1]:
        holder = holder[key]
    kind = rng.choice(["value", "value", "value", "remove", "add", "bytes"])
    if kind == "remove":
        del holder[path[-1]]
    elif kind == "add":
        holder[path[-1]] = [holder[path[-1]]]
    elif kind == "bytes":
        place = rng.randrange(1, len(raw))
        return raw[:place] + b" " + raw[place:]
    else:
        holder[path[-1]] = other(holder[path[-1]], rng)
    return orjson.dumps(answer)


def other(value: Any, rng: random.Random) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * rng.choice([0.5, 1.000001, 2, -1]) + 1
    if isinstance(value, str):
        digits = [place for place, sign in enumerate(value) if sign.isdigit()]
        if digits:
            place = rng.choice(digits)
            return value[:place] + str((int(value[place]) + 1) % 10) + value[place + 1 :]
        return value + "x"
    return None if value else [1]


def signed_by(source: MemorySpan) -> int:
    """Witnesses that sign the head of a log: two recompute it, each for itself, and the third signs whatever comes."""
    head = source.span.head
    note = Note(head.text(), ())
    for place, (key, private) in enumerate(WITNESSES):
        lies = place == 2
        if lies or recompute_span(source, None, head, advance=lambda done, total: None).sound:
            note = note.with_signatures([cosignature(key, private.sign, head.text(), 1_800_000_000)])
    return witnesses_of([key for key, _ in WITNESSES if note.signed_by(key, check_signature)])


def check_false_answers(honest: list[StoredEntry], count: int) -> None:
    reached, tried = [], set()
    for seed in range(count):
        rng = random.Random(seed)
        stored = honest[seed % len(honest)]
        response = altered(stored.response, rng)
        while (stored.event_id, response) in tried or response == stored.response:
            response = altered(stored.response, rng)
        tried.add((stored.event_id, response))
        if signed_by(MemorySpan([logged(0, stored, response)])) >= QUORUM:
            reached.append((seed, stored.kind, differing(stored.response, response)))
    assert reached == [], f"{len(reached)} of {count} false answers"
    assert len(tried) == count


def differing(one: bytes, two: bytes) -> str:
    place = next((place for place, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
    return f"{one[max(place - 40, 0) : place + 20]!r} {two[max(place - 40, 0) : place + 20]!r}"


def test_no_false_answer_reaches_a_quorum(honest: list[StoredEntry]) -> None:
    assert len({entry.kind for entry in honest}) >= 8
    check_false_answers(honest, 100)


@pytest.mark.faults
def test_no_false_answer_of_a_thousand_reaches_a_quorum(honest: list[StoredEntry]) -> None:
    check_false_answers(honest, 1000)


def test_every_honest_answer_reaches_it(honest: list[StoredEntry]) -> None:
    for entry in honest:
        assert signed_by(MemorySpan([logged(0, entry)])) == 3, entry.kind


@pytest.mark.faults
def test_a_thousand_honest_answers_reach_it(honest: list[StoredEntry]) -> None:
    rows = [logged(place, honest[place % len(honest)]) for place in range(1000)]
    assert signed_by(MemorySpan(rows)) == 3


def test_what_a_witness_does_not_vouch_for(honest: list[StoredEntry]) -> None:
    """The time of computing is taken from the record, as the documentation says; that of receipt is in the entry."""
    stored = next(entry for entry in honest if b'"computed_at"' in entry.response)
    answer = orjson.loads(stored.response)
    later = orjson.dumps(answer | {"computed_at": "2030-01-01T00:00:00.000000Z"})
    assert signed_by(MemorySpan([logged(0, stored, later)])) == 3
    moved = stored.recorded_at + timedelta(seconds=1)
    assert signed_by(MemorySpan([logged(0, stored, at=moved)])) == 1


def test_another_build_that_gives_other_numbers_is_not_judged(honest: list[StoredEntry]) -> None:
    stored = next(entry for entry in honest if b'"computed_at"' in entry.response)
    old = dataclasses.replace(stored, versions=b'{"engine":"0.0.1"}', response=stored.response.replace(b"0", b"1", 1))
    source = MemorySpan([logged(0, old)])
    found = recompute_span(source, None, source.span.head, advance=lambda done, total: None)
    assert (found.sound, found.different, found.unjudged) == (False, (), (0,))
    accepted = recompute_span(
        source, None, source.span.head, accept=[Verdict.OTHER_BUILD], advance=lambda done, total: None
    )
    assert accepted.sound


def test_an_entry_that_is_not_shown_is_not_judged_and_a_forged_one_is_evidence(honest: list[StoredEntry]) -> None:
    rows = [logged(place, honest[place]) for place in range(4)]
    head = MemorySpan(rows).span.head

    def judged(changed: list[Any], accept: tuple[Verdict, ...] = ()) -> tuple[bool, tuple[int, ...], int]:
        source = MemorySpan(changed, head)
        found = recompute_span(source, None, head, accept=accept, advance=lambda done, total: None)
        return found.sound, found.unjudged, len(found.findings)

    assert judged(rows) == (True, (), 0)
    hidden = [*rows[:2], dataclasses.replace(rows[2], entry=None, body=None), rows[3]]
    assert judged(hidden) == (False, (2,), 0)
    assert judged(hidden, (Verdict.NO_BODY,)) == (True, (), 0)
    bodies = [rows[0], dataclasses.replace(rows[1], body=rows[2].body), *rows[2:]]
    assert judged(bodies)[0] is False and judged(bodies)[2] >= 1
    assert judged(rows[:3])[0] is False
    assert judged([rows[0], rows[2], rows[1], rows[3]])[0] is False
    elsewhere = dataclasses.replace(rows[3], entry=(rows[3].entry or b"").replace(b'"status":200', b'"status":201'))
    assert judged([*rows[:3], elsewhere])[0] is False


def test_a_witness_key_counts_once_however_it_is_named() -> None:
    key, private = WITNESSES[0]
    text = Checkpoint("risk.example/log1", 1, bytes(32)).text()
    twin = VerifierKey("twin", COSIGNATURE, key.public)
    note = Note(text, ()).with_signatures([cosignature(item, private.sign, text, 5) for item in (key, twin)])
    signed = [item for item in (key, twin) if note.signed_by(item, check_signature)]
    assert (len(signed), witnesses_of(signed)) == (2, 1)
