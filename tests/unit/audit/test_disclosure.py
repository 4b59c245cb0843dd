"""Fields of answers: committed to, shown, checked; nothing that was altered passes."""

from __future__ import annotations

import copy
import json
import random
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.signatures import check_signature
from services.audit.chain import Unchained, batch_proof, chain
from services.audit.disclosure import Disclosure, Field, FieldTree, check_disclosure, commitment, lines_of
from services.audit.frontier import Frontier
from services.audit.note import ED25519, Checkpoint, Note, VerifierKey, signature
from services.audit.receipt import Receipt
from services.audit.statement import Statement
from services.core.errors import InvalidInput
from tests.support import disclosure_reference as reference

SECRET, EVENT = bytes(range(32)), "ev_01a1fb67180070008000000000000001"
ANSWER: dict[str, Any] = {
    "evaluation_id": EVENT,
    "degraded": [],
    "portfolio": {"gross_leverage": 1.25, "net_leverage": -0.5, "tracking": None, "a/b~c": {"d": True}},
    "targets": [
        {"symbol": f"COIN{place}-PERP", "target_quantity": f"{place}.5", "volatility": {"annual": 0.5 + place / 10}}
        for place in range(9)
    ],
    "method_used": ["historical", "tail"],
    "text": 'é "quoted"\nline',
}
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
ORIGIN = "risk.example/log1"
KEY = VerifierKey(ORIGIN, ED25519, PRIVATE.public_key().public_bytes_raw())
NAMES = st.text(st.sampled_from("ab/~\n é"), max_size=4)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=60,
)
ANSWERS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=8)


def logged(fields: bytes | None) -> tuple[str, str]:
    """An entry that commits to fields, third of five in a signed log, and its receipt."""
    records = [
        Unchained(
            event_id=EVENT,
            kind="evaluation",
            recorded_at=datetime(2026, 11, 21, tzinfo=UTC),
            status=200,
            body_sha256=bytes(32),
            request_sha256=bytes(32),
            response_sha256=bytes(32),
            fields_sha256=fields,
            body_length=place,
            stream=bytes(32),
        )
        for place in range(5)
    ]
    links = chain(ORIGIN, records, {})
    leaves = [link.leaf for link in links]
    head = Checkpoint(ORIGIN, 5, Frontier().appended(leaves).root).text()
    note = Note(head, (signature(KEY, PRIVATE.sign, head),)).encoded()
    return links[2].entry.decode(), Receipt(2, tuple(batch_proof(Frontier(), leaves, 2)), note).text()


def shown(answer: dict[str, Any], *pointers: str) -> Disclosure:
    tree = FieldTree.of(answer, SECRET, EVENT)
    assert tree is not None
    return tree.disclosed(pointers, *logged(tree.digest))


def tree_of(answer: dict[str, Any]) -> FieldTree:
    tree = FieldTree.of(answer, SECRET, EVENT)
    assert tree is not None
    return tree


def test_the_golden_vector_of_an_independent_implementation() -> None:
    # Computed by tests.support.disclosure_reference; written out so that a change of both is seen.
    assert tree_of(ANSWER).digest == reference.digest(ANSWER, SECRET, EVENT)
    assert tree_of(ANSWER).digest.hex() == "9d4263c95a7ae5c19c5075971fb374a741b6be71e81054c73b8721c04084c4cb"


@given(ANSWERS)
def test_every_answer_has_the_digest_of_the_slow_definition(answer: dict[str, Any]) -> None:
    assert tree_of(answer).digest == reference.digest(answer, SECRET, EVENT)
    assert [tuple(Field.of(line)) for line in lines_of(answer)] == reference.fields(answer)


@given(ANSWERS, st.data())
def test_what_is_shown_is_what_was_answered_and_nothing_else(answer: dict[str, Any], data: st.DataObject) -> None:
    tree = tree_of(answer)
    fields = dict(reference.fields(answer))
    pointers = data.draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=4, unique=True))
    document = json.loads(json.dumps(tree.disclosed(pointers, *logged(tree.digest)).document()))
    found = check_disclosure(Disclosure.parse(document), KEY, check_signature)
    below = {name for name in fields for pointer in pointers if name == pointer or name.startswith(f"{pointer}/")}
    assert found.fields == {name: fields[name] for name in below}
    assert (found.number, found.size) == (2, 5)


def test_a_container_is_shown_by_its_pointer() -> None:
    found = check_disclosure(shown(ANSWER, "/targets/3", "/degraded"), KEY, check_signature).fields
    assert found == {
        "/targets/3/symbol": '"COIN3-PERP"',
        "/targets/3/target_quantity": '"3.5"',
        "/targets/3/volatility": '{"annual":0.8}',
        "/degraded": "[]",
    }


def test_the_empty_pointer_is_the_whole_answer() -> None:
    assert check_disclosure(shown(ANSWER, ""), KEY, check_signature).fields == dict(reference.fields(ANSWER))


@pytest.mark.parametrize("pointer", ["portfolio", "/portfolio/gross", "/targets/9", "/targets/0/volatility/annual"])
def test_a_pointer_to_nothing_is_named(pointer: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        shown(ANSWER, "/text", pointer)
    assert caught.value.parameter == "fields.1"


def mutated(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The document with one leaf changed: a sign of a text, a number, or an item of a list."""
    made = copy.deepcopy(document)
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in items:
            if isinstance(item, dict | list):
                walk(item)
            else:
                places.append((value, name))

    walk(made)
    holder, name = chance.choice(places)
    value = holder[name]
    if isinstance(value, int):
        holder[name] = value + chance.choice((-1, 1, 16))
    else:
        at = chance.randrange(len(value))
        other = chance.choice([sign for sign in "0aZ+/=.\"'\n " if sign != value[at]])
        holder[name] = value[:at] + other + value[at + 1 :]
    return made


def test_a_thousand_alterations_are_refused() -> None:
    document = shown(ANSWER, "/portfolio", "/targets/2/target_quantity", "/text").document()
    genuine = check_disclosure(Disclosure.parse(document), KEY, check_signature)
    chance, refused = random.Random(11), 0
    for _ in range(1000):
        altered = mutated(document, chance)
        try:
            found = check_disclosure(Disclosure.parse(altered), KEY, check_signature)
        except InvalidInput:
            refused += 1
        else:
            # A signature line of another name may stand in a note: it vouches for nothing.
            assert altered["receipt"] != document["receipt"] and found == genuine
    assert refused >= 990


@pytest.mark.parametrize(
    "change",
    [
        {"value": "9.0"},
        {"value": "1.250"},
        {"pointer": "/portfolio/net_leverage"},
        {"salt": "AAAAAAAAAAAAAAAAAAAAAA=="},
    ],
)
def test_another_value_pointer_or_salt_is_not_what_was_committed(change: dict[str, str]) -> None:
    document = shown(ANSWER, "/portfolio/gross_leverage").document()
    document["fields"][0] |= change
    with pytest.raises(InvalidInput, match="committed"):
        check_disclosure(Disclosure.parse(document), KEY, check_signature)


def test_fields_of_another_answer_do_not_fit_this_entry() -> None:
    other = tree_of({**ANSWER, "portfolio": {"gross_leverage": 9.0}})
    forged = other.disclosed(["/portfolio"], *logged(tree_of(ANSWER).digest))
    with pytest.raises(InvalidInput) as caught:
        check_disclosure(forged, KEY, check_signature)
    assert caught.value.parameter == "root"


def test_an_entry_without_fields_cannot_be_disclosed() -> None:
    tree = tree_of(ANSWER)
    with pytest.raises(InvalidInput, match="version 1"):
        check_disclosure(tree.disclosed(["/text"], *logged(None)), KEY, check_signature)


def test_a_field_shown_twice_a_bucket_twice_and_extra_members_are_refused() -> None:
    document = shown(ANSWER, "/text").document()
    for altered in (
        {**document, "fields": document["fields"] * 2},
        {**document, "buckets": document["buckets"] * 2},
        {**document, "comment": "trust me"},
        {**document, "fields": [{**document["fields"][0], "note": 1}]},
    ):
        with pytest.raises(InvalidInput):
            check_disclosure(Disclosure.parse(altered), KEY, check_signature)


def test_hidden_fields_cannot_be_guessed_from_what_is_shown() -> None:
    # The neighbours in the bucket are commitments of hidden fields: every guess of value and pointer without the salt,
    # and with every salt that is shown, misses them all.
    document = shown(ANSWER, "/text")
    [bucket] = document.buckets.values()
    known = [salt for _, salt in document.fields]
    guesses = [Field(pointer, text).line for pointer, text in reference.fields(ANSWER) if pointer != "/text"]
    tried = {commitment(salt, line) for salt in (b"", bytes(16), *known) for line in guesses}
    assert tried.isdisjoint(bucket.commitments)
    hidden = [item for item in bucket.commitments if item not in {commitment(s, f.line) for f, s in document.fields}]
    assert set(hidden) <= set(tree_of(ANSWER).commitments) and len(hidden) == len(bucket.commitments) - 1


def test_salts_differ_between_fields_events_and_tenants() -> None:
    trees = [
        FieldTree.of(ANSWER, secret, event) for secret in (SECRET, bytes(32)) for event in (EVENT, EVENT[:-1] + "2")
    ]
    found = [salt for tree in trees if tree is not None for salt in tree.salts]
    assert len(set(found)) == len(found) == 4 * len(lines_of(ANSWER))


def test_commitments_are_sorted_so_places_say_nothing_of_the_order() -> None:
    document = shown(ANSWER, *("/" + name for name in ANSWER))
    held = [item for _, bucket in sorted(document.buckets.items()) for item in bucket.commitments]
    assert len(held) == document.count and all(left < right for left, right in pairwise(held))


def test_an_answer_without_fields_or_with_too_many_has_no_tree() -> None:
    assert FieldTree.of({"many": list(range(50_001))}, SECRET, EVENT) is None
    assert tree_of({"many": list(range(50_000))}).digest


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("/portfolio/gross_leverage <= 3", True),
        ("/portfolio/gross_leverage<1.25", False),
        ("/portfolio/gross_leverage == 1.250", True),
        ("/portfolio/net_leverage > -0.5", False),
        ("/portfolio/net_leverage >= -0.5", True),
        ("/targets/1/target_quantity >= 1.5", True),
        ("/targets/1/target_quantity == 1.50", True),
        ("/targets/1/volatility/annual < 0.61", True),
        ('/targets/1/symbol == "COIN1-PERP"', True),
        ("/targets/1/symbol != COIN1-PERP", False),
        ("/targets/1/symbol == 1", False),
        ("/targets/1/symbol != 1", True),
        ("/portfolio/tracking == null", True),
        ("/portfolio/a~1b~0c/d == true", True),
    ],
)
def test_statements_are_judged_on_the_values(text: str, holds: bool) -> None:
    assert Statement.parse(text).holds(dict(reference.fields(ANSWER))) is holds


@pytest.mark.parametrize(
    "text",
    [
        "gross_leverage <= 3",
        "/portfolio/gross_leverage",
        "/portfolio/gross_leverage ~ 3",
        "/targets/1/symbol < A",
        "/a <=",
    ],
)
def test_what_is_no_statement_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Statement.parse(text)


@pytest.mark.parametrize("text", ["/hidden <= 3", "/targets/1/volatility/monthly < 1", "/targets/1/symbol <= 3"])
def test_a_statement_on_what_is_hidden_or_no_number_is_neither_true_nor_false(text: str) -> None:
    with pytest.raises(InvalidInput):
        Statement.parse(text).holds(dict(reference.fields(ANSWER)))
