"""A statement by which a log comes to another key: followed by whoever trusts the former one, and nobody is misled."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.signatures import check_signature
from services.audit.key_change import KeyChange, followed
from services.audit.note import COSIGNATURE, ED25519, Checkpoint, Note, VerifierKey, signature
from services.core.errors import InvalidInput

LOG = "risk.example/log1"
FORMER, NEXT, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2, 3))


def public(key: Ed25519PrivateKey, name: str = LOG) -> VerifierKey:
    return VerifierKey(name, ED25519, key.public_key().public_bytes_raw())


CHANGE = KeyChange(public(FORMER), public(NEXT))
NOTE = CHANGE.signed(FORMER.sign, NEXT.sign)


def test_whoever_trusts_the_former_key_comes_to_the_next() -> None:
    assert followed(NOTE, public(FORMER), check_signature) == public(NEXT)
    again = KeyChange(public(NEXT), public(OTHER)).signed(NEXT.sign, OTHER.sign)
    assert followed(again, followed(NOTE, public(FORMER), check_signature), check_signature) == public(OTHER)


@pytest.mark.parametrize("trusted", [public(NEXT), public(OTHER), public(FORMER, "other.example/log1")])
def test_nobody_else_does(trusted: VerifierKey) -> None:
    with pytest.raises(InvalidInput, match="must be of the key"):
        followed(NOTE, trusted, check_signature)


@pytest.mark.parametrize("place", range(2))
def test_both_signatures_are_needed(place: int) -> None:
    parsed = Note.parse(NOTE)
    with pytest.raises(InvalidInput, match="must carry a valid signature"):
        followed(Note(parsed.text, (parsed.signatures[place],)).encoded(), public(FORMER), check_signature)
    line = parsed.signatures[place]
    for other in (FORMER, NEXT, OTHER):
        signed = Note(
            parsed.text,
            tuple(
                signature(VerifierKey(LOG, ED25519, public(NEXT if place else FORMER).public), other.sign, parsed.text)
                if item is line
                else item
                for item in parsed.signatures
            ),
        ).encoded()
        if other is (NEXT if place else FORMER):
            assert signed == NOTE
            continue
        with pytest.raises(InvalidInput, match="must carry a valid signature"):
            followed(signed, public(FORMER), check_signature)


@pytest.mark.parametrize("place", range(len(NOTE.encode())))
def test_no_changed_byte_is_taken(place: int) -> None:
    raw = bytearray(NOTE.encode())
    raw[place] ^= 1
    try:
        changed = raw.decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(InvalidInput):
        followed(changed, public(FORMER), check_signature)


def test_a_head_is_no_change_and_a_change_is_no_head() -> None:
    head = Checkpoint(LOG, 3, bytes(32)).text()
    with pytest.raises(InvalidInput, match="trimtab/log-key/v1"):
        KeyChange.parse(head)
    with pytest.raises(InvalidInput, match="whole number"):
        Checkpoint.parse(CHANGE.text())
    assert KeyChange.parse(CHANGE.text()) == CHANGE


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        (public(FORMER), "another"),
        (public(NEXT, "other.example/log1"), "must have the name"),
        (VerifierKey(LOG, COSIGNATURE, public(NEXT).public), "Ed25519"),
    ],
)
def test_what_is_no_next_key(key: VerifierKey, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule):
        KeyChange(public(FORMER), key)
