"""The tree against the definitions of RFC 6962, against public vectors, and against tampering."""

from __future__ import annotations

import base64
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.frontier import Frontier
from services.audit.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from services.core.errors import InvalidInput
from tests.support import merkle_reference as reference

VECTORS = Path(__file__).parents[4] / "shared" / "data" / "rfc6962_vectors.json"
ENTRIES = [b"entry %d" % number for number in range(130)]


@cache
def at(height: int, number: int) -> bytes:
    if height == 0:
        return leaf_hash(ENTRIES[number])
    return node_hash(at(height - 1, 2 * number), at(height - 1, 2 * number + 1))


def test_the_example_tree_of_the_rfc() -> None:
    # RFC 6962 2.1.3 names the parts of a tree of seven leaves: root = node(k, l), k = node(g, h), l = node(i, j).
    a, b, c, d, e, f, j = (leaf_hash(entry) for entry in ENTRIES[:7])
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, m = node_hash(g, h), node_hash(i, j)
    assert tree_root(7, at) == node_hash(k, m)
    assert inclusion_proof(0, 7, at) == [b, h, m]
    assert inclusion_proof(3, 7, at) == [c, g, m]
    assert inclusion_proof(4, 7, at) == [f, j, k]
    assert inclusion_proof(6, 7, at) == [i, k]
    assert consistency_proof(3, 7, at) == [c, d, g, m]
    assert consistency_proof(4, 7, at) == [m]
    assert consistency_proof(6, 7, at) == [i, j, k]


@pytest.mark.parametrize("size", range(66))
def test_root_and_frontier_are_the_recursive_definition(size: int) -> None:
    expected = reference.root(ENTRIES[:size])
    assert tree_root(size, at) == expected
    frontier = Frontier().appended(leaf_hash(entry) for entry in ENTRIES[:size])
    assert (frontier.size, frontier.root) == (size, expected)
    assert Frontier.unpacked(size, frontier.packed()) == frontier


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33])
def test_proofs_are_the_recursive_definition_and_verify(size: int) -> None:
    entries = ENTRIES[:size]
    root = reference.root(entries)
    for index in range(size):
        proof = inclusion_proof(index, size, at)
        assert proof == reference.path(index, entries)
        assert verify_inclusion(index, size, leaf_hash(entries[index]), proof, root)
    for first in range(1, size + 1):
        proof = consistency_proof(first, size, at)
        assert proof == reference.proof(first, entries)
        assert verify_consistency(first, size, reference.root(entries[:first]), root, proof)


@given(st.lists(st.integers(0, 40), max_size=6))
def test_appending_in_any_batches_gives_one_tree(batches: list[int]) -> None:
    frontier, done = Frontier(), 0
    for count in batches:
        count = min(count, len(ENTRIES) - done)
        frontier = frontier.appended(leaf_hash(entry) for entry in ENTRIES[done : done + count])
        done += count
    assert frontier.root == reference.root(ENTRIES[:done])


def test_an_empty_tree_has_the_hash_of_nothing() -> None:
    assert Frontier().root == EMPTY_ROOT == reference.root([])


def changed(proof: list[bytes], rng: random.Random) -> list[bytes]:
    """The proof with one thing wrong: a bit, an order, a hash too many or too few."""
    found = list(proof)
    what = rng.randrange(4)
    if what == 0 and found:
        place, bit = rng.randrange(len(found)), rng.randrange(256)
        value = bytearray(found[place])
        value[bit // 8] ^= 1 << bit % 8
        found[place] = bytes(value)
    elif what == 1 and len(found) > 1:
        place = rng.randrange(len(found) - 1)
        found[place], found[place + 1] = found[place + 1], found[place]
    elif what == 2 and found:
        del found[rng.randrange(len(found))]
    else:
        found.insert(rng.randrange(len(found) + 1), rng.randbytes(32))
    return found


def test_a_thousand_tampered_proofs_are_refused() -> None:
    rng = random.Random(6962)
    refused = 0
    while refused < 1000:
        size = rng.randrange(2, 130)
        root = tree_root(size, at)
        index, first = rng.randrange(size), rng.randrange(1, size)
        leaf = leaf_hash(ENTRIES[index])
        good = inclusion_proof(index, size, at)
        if (bad := changed(good, rng)) != good:
            assert not verify_inclusion(index, size, leaf, bad, root)
            refused += 1
        assert not verify_inclusion((index + 1) % size, size, leaf, good, root)
        assert not verify_inclusion(index, size, leaf_hash(b"another"), good, root)
        good = consistency_proof(first, size, at)
        if (bad := changed(good, rng)) != good:
            assert not verify_consistency(first, size, tree_root(first, at), root, bad)
            refused += 1
        assert not verify_consistency(first, size, leaf_hash(b"fork"), root, good)


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(InvalidInput, match="index"):
        inclusion_proof(3, 3, at)
    with pytest.raises(InvalidInput, match="first"):
        consistency_proof(0, 3, at)
    with pytest.raises(InvalidInput, match="first"):
        consistency_proof(4, 3, at)
    with pytest.raises(InvalidInput, match="subtrees"):
        Frontier(3, (bytes(32),))
    with pytest.raises(InvalidInput, match="packed"):
        Frontier.unpacked(1, bytes(31))
    assert not verify_consistency(0, 3, EMPTY_ROOT, tree_root(3, at), [])


def decoded(text: str | None) -> bytes:
    return base64.b64decode(text) if text else b""


@pytest.mark.skipif(not VECTORS.exists(), reason="the public RFC 6962 vectors are not on this machine")
def test_public_vectors() -> None:
    stored: dict[str, dict[str, Any]] = json.loads(VECTORS.read_text())["vectors"]
    # The others are proofs of subtrees, which RFC 6962 does not have.
    vectors = {name: item for name, item in stored.items() if "/subtree" not in name}
    wrong = []
    for name, vector in vectors.items():
        proof = [decoded(item) for item in vector["proof"] or []]
        if "leafIdx" in vector:
            found = verify_inclusion(
                vector["leafIdx"], vector["treeSize"], decoded(vector["leafHash"]), proof, decoded(vector["root"])
            )
        else:
            found = verify_consistency(
                vector["size1"], vector["size2"], decoded(vector["root1"]), decoded(vector["root2"]), proof
            )
        if found == vector["wantErr"]:
            wrong.append((name, vector["desc"]))
    assert len(vectors) == 196 and wrong == []
