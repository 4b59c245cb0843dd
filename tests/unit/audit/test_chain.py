"""Batches: chains of streams, and proofs from the frontier alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.audit.chain import StreamHead, Unchained, batch_proof, chain
from services.audit.entry import FIRST
from services.audit.frontier import Frontier
from services.audit.merkle import leaf_hash, verify_inclusion
from tests.support import merkle_reference as reference

ENTRIES = [b"%d" % number for number in range(300)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def record(number: int, stream: int) -> Unchained:
    return Unchained(
        event_id=f"ev_{number:032x}",
        kind="evaluation",
        recorded_at=datetime(2026, 11, 21, tzinfo=UTC),
        status=200,
        body_sha256=bytes([1]) * 32,
        request_sha256=bytes([2]) * 32,
        response_sha256=bytes([3]) * 32,
        fields_sha256=None,
        body_length=number,
        stream=bytes([stream]) * 32,
    )


@given(st.lists(st.lists(st.integers(0, 3), max_size=8), max_size=5))
def test_streams_are_numbered_without_gaps_and_linked_over_batches(batches: list[list[int]]) -> None:
    heads: dict[bytes, StreamHead] = {}
    seen: dict[int, list[tuple[int, str, bytes]]] = {}
    number = 0
    for streams in batches:
        records = [record(number + place, stream) for place, stream in enumerate(streams)]
        links = chain("risk.example/log1", records, heads)
        for stream, item, link in zip(streams, records, links, strict=True):
            said = json.loads(link.entry)
            assert said["id"] == item.event_id and said["stream_seq"] == link.stream_seq
            assert link.leaf == leaf_hash(link.entry)
            seen.setdefault(stream, []).append((link.stream_seq, said["stream_prev"], link.leaf))
            heads[item.stream] = StreamHead(link.stream_seq, link.leaf)
        number += len(streams)
    for links_of_stream in seen.values():
        before = FIRST
        for place, (seq, previous, leaf) in enumerate(links_of_stream, 1):
            assert (seq, previous) == (place, f"sha256:{before.hex()}")
            before = leaf


@given(st.integers(0, 150), st.integers(1, 150))
def test_a_proof_from_the_frontier_is_the_recursive_definition(before: int, count: int) -> None:
    frontier = Frontier().appended(LEAVES[:before])
    size = before + count
    root = frontier.appended(LEAVES[before:size]).root
    for index in {before, before + count // 2, size - 1}:
        proof = batch_proof(frontier, LEAVES[before:size], index)
        assert proof == reference.path(index, ENTRIES[:size])
        assert verify_inclusion(index, size, LEAVES[index], proof, root)
