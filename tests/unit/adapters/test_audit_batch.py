"""Who gets which index, and what a caller is told when it gives up."""

import asyncio
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.audit_batch import (
    Entry,
    Known,
    Pending,
    Verdict,
    encode_all,
    encode_entry,
    place,
    resolve_all,
    settled,
)
from app.adapters.log_growth import LogGrowth
from app.ports import Appended, AuditUnavailable, IdempotencyKey, IdempotencyMismatch, Outcome
from tests.support.audit import key, record

SECRET = bytes(32)
KEYS = st.none() | st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from([b"one", b"two"]))


def entries_of(keys: list[tuple[str, bytes] | None]) -> list[Entry]:
    return [encode_entry(record(idempotency=key(*pair) if pair else None), SECRET) for pair in keys]


@given(
    st.lists(KEYS, max_size=20),
    st.integers(0, 1000),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from([b"one", b"two"])),
)
def test_placement_against_a_slow_reading_of_the_rule(
    keys: list[tuple[str, bytes] | None], size: int, stored: dict[str, bytes]
) -> None:
    known = {("local", "evaluations", name): Known(key(name, body).fingerprint, 5) for name, body in stored.items()}
    placement = place(entries_of(keys), size, known)
    first: dict[str, tuple[bytes, int]] = {name: (body, 5) for name, body in stored.items()}
    following = size
    for pair, verdict in zip(keys, placement.verdicts, strict=True):
        if pair is None or pair[0] not in first:
            assert verdict == Appended(following)
            if pair is not None:
                first[pair[0]] = (pair[1], following)
            following += 1
        elif first[pair[0]][0] == pair[1]:
            assert verdict == Appended(first[pair[0]][1], replayed=True)
        else:
            assert isinstance(verdict, IdempotencyMismatch)
    assert [index for index, _ in placement.rows] == list(range(size, following))


def test_the_same_key_of_another_route_or_tenant_is_another_key() -> None:
    records = [
        record(idempotency=key("a")),
        record(idempotency=key("a", route="margin")),
        record(idempotency=key("a"), tenant_id="other"),
    ]
    assert place([encode_entry(item, SECRET) for item in records], 0, {}).verdicts == [
        Appended(0),
        Appended(1),
        Appended(2),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"event_id": "ev_1"},
        {"recorded_at": datetime(2026, 1, 1)},  # noqa: DTZ001 - what must be refused
        {"idempotency": IdempotencyKey("evaluations", "a", b"short")},
    ],
)
def test_a_malformed_record_fails_alone(changes: dict[str, object]) -> None:
    first, second, third = encode_all([record(), record(**changes), record()], {"local": SECRET})
    assert isinstance(first, Entry)
    assert isinstance(second, ValueError)
    assert isinstance(third, Entry)


def pending() -> Pending:
    return Pending(record(), asyncio.get_running_loop().create_future())


async def test_a_verdict_reaches_the_caller() -> None:
    waiting = [pending(), pending()]
    verdicts: list[Verdict] = [Appended(7), IdempotencyMismatch("a")]
    resolve_all(zip(waiting, verdicts, strict=True), LogGrowth())
    assert await settled(waiting[0], 1) == Appended(7)
    with pytest.raises(IdempotencyMismatch):
        await settled(waiting[1], 1)


async def test_giving_up_before_the_writer_began_means_that_nothing_is_written() -> None:
    waiting = pending()
    with pytest.raises(AuditUnavailable) as refused:
        await settled(waiting, 0)
    assert refused.value.outcome is Outcome.REJECTED
    assert not waiting.claim(), "the writer must not take it any more"


async def test_giving_up_after_the_writer_began_leaves_a_doubt() -> None:
    waiting = pending()
    assert waiting.claim()
    with pytest.raises(AuditUnavailable) as refused:
        await settled(waiting, 0)
    assert refused.value.outcome is Outcome.UNKNOWN
    waiting.resolve(Appended(1))  # late, to nobody: must not fail


async def test_a_caller_that_goes_away_withdraws_its_record() -> None:
    waiting = pending()
    caller = asyncio.create_task(settled(waiting, 60))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert waiting.abandoned
    assert not waiting.claim()
