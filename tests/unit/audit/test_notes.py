"""Signed notes, checkpoints and receipts against public examples and an independent signer."""

from __future__ import annotations

import dataclasses
import hashlib
import random
import struct

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from app.signatures import check_signature
from services.audit.frontier import Frontier
from services.audit.merkle import leaf_hash
from services.audit.note import (
    COSIGNATURE,
    ED25519,
    MLDSA_COSIGNATURE,
    Checkpoint,
    Note,
    VerifierKey,
    cosignature,
    signature,
    verified_checkpoint,
)
from services.audit.receipt import Receipt, check_receipt
from services.core.errors import InvalidInput
from tests.support import merkle_reference as reference

# The example of the Go package golang.org/x/mod/sumdb/note (BSD-3-Clause), and the key of sum.golang.org.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
SUM_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

ORIGIN = "risk.example/log1"
ENTRIES = [b"entry %d" % number for number in range(9)]


def check(public: bytes, signed: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signed, message)
    except InvalidSignature:
        return False
    return True


def keys(name: str, seed: int, kind: int = ED25519) -> tuple[VerifierKey, Ed25519PrivateKey]:
    private = Ed25519PrivateKey.from_private_bytes(random.Random(seed).randbytes(32))
    return VerifierKey(name, kind, private.public_key().public_bytes_raw()), private


LOG, LOG_PRIVATE = keys(ORIGIN, 1)
WITNESSES = [keys(f"witness{number}.example", 10 + number, COSIGNATURE) for number in range(3)]


def signed_checkpoint(size: int = len(ENTRIES), witnesses: int = 0) -> str:
    text = Checkpoint(ORIGIN, size, reference.root(ENTRIES[:size])).text()
    note = Note(text, (signature(LOG, LOG_PRIVATE.sign, text),))
    added = [cosignature(key, private.sign, text, 1_790_000_000) for key, private in WITNESSES[:witnesses]]
    return note.with_signatures(added).encoded()


def test_the_example_of_the_go_package_verifies() -> None:
    note = Note.parse(GO_NOTE)
    assert note.encoded() == GO_NOTE
    assert note.signed_by(VerifierKey.parse(GO_KEY), check)
    assert not Note.parse(GO_NOTE.replace("answer", "Answer")).signed_by(VerifierKey.parse(GO_KEY), check)
    assert not note.signed_by(VerifierKey.parse(SUM_KEY), check)


def test_keys_have_the_ids_of_their_publishers() -> None:
    for text in (GO_KEY, SUM_KEY):
        assert VerifierKey.parse(text).text() == text
    with pytest.raises(InvalidInput, match="id"):
        VerifierKey.parse(SUM_KEY.replace("033de0ae", "033de0af"))


def test_a_note_with_empty_lines_ends_at_the_last_one() -> None:
    text = "one\n\ntwo\n"
    note = Note(text, (signature(LOG, LOG_PRIVATE.sign, text),))
    assert Note.parse(note.encoded()) == note
    assert Note.parse(note.encoded()).signed_by(LOG, check)


def test_a_wrong_signature_beside_a_right_one_spoils_the_note() -> None:
    note = Note.parse(signed_checkpoint())
    wrong = note.signatures[0].__class__(LOG.name, LOG.key_id, bytes(64))
    assert not Note(note.text, (*note.signatures, wrong)).signed_by(LOG, check)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\nno dash\n",
        "text\n\n— name\n",
        "text\n\n— name AAAA\n",
        "text\n\n— na+me AAAAAAAAAAA=\n",
        "te\tt\n\n— name AAAAAAAAAAA=\n",
        "text\n\n— name AAAAAAAAAAA\n",
    ],
)
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Note.parse(text)


@pytest.mark.parametrize("text", ["a\n1\n", "a\n01\nAAAA\n", "a\n-1\nAAAA\n", "a\n1\nAAAA\n", "a\n\n1\nAAAA\n"])
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Checkpoint.parse(text)


def test_a_checkpoint_needs_its_log_and_its_quorum() -> None:
    witnesses = [key for key, _ in WITNESSES]
    head = verified_checkpoint(signed_checkpoint(witnesses=2), LOG, check, witnesses=witnesses, quorum=2)
    assert head == Checkpoint(ORIGIN, 9, reference.root(ENTRIES))
    with pytest.raises(InvalidInput, match="3 of 3"):
        verified_checkpoint(signed_checkpoint(witnesses=2), LOG, check, witnesses=witnesses, quorum=3)
    other, _ = keys(ORIGIN, 99)
    with pytest.raises(InvalidInput, match="signature"):
        verified_checkpoint(signed_checkpoint(), other, check)


def test_one_witness_under_two_names_counts_once() -> None:
    key, private = WITNESSES[0]
    twin = VerifierKey("another.example", COSIGNATURE, key.public)
    note = Note.parse(signed_checkpoint())
    signed = note.with_signatures([cosignature(item, private.sign, note.text, 5) for item in (key, twin)]).encoded()
    with pytest.raises(InvalidInput, match="2 of 2"):
        verified_checkpoint(signed, LOG, check, witnesses=[key, twin], quorum=2)


def test_receipts_of_every_entry_check_and_their_text_is_the_one_they_were_made_of() -> None:
    for index, entry in enumerate(ENTRIES):
        receipt = Receipt(index, tuple(reference.path(index, ENTRIES)), signed_checkpoint())
        assert Receipt.parse(receipt.text()) == receipt
        found, head = check_receipt(receipt.text(), entry, LOG, check)
        assert (found, head.size) == (index, 9)
        with pytest.raises(InvalidInput, match="prove"):
            check_receipt(receipt.text(), b"another entry", LOG, check)


def test_a_receipt_with_extra_data_is_read_without_it() -> None:
    receipt = Receipt(0, tuple(reference.path(0, ENTRIES)), signed_checkpoint())
    text = receipt.text().replace("\nindex 0", "\nextra AAAA\nindex 0")
    assert Receipt.parse(text) == receipt


def test_no_changed_byte_of_a_receipt_checks() -> None:
    """Every byte, turned by one bit: refused, or (in what nothing vouches for) still the same statement."""
    receipt = Receipt(4, tuple(reference.path(4, ENTRIES)), signed_checkpoint())
    raw = receipt.text().encode()
    for place in range(len(raw)):
        for bit in (0, 3):
            changed = bytearray(raw)
            changed[place] ^= 1 << bit
            try:
                text = changed.decode()
                check_receipt(text, ENTRIES[4], LOG, check)
            except (InvalidInput, UnicodeDecodeError):
                continue
            pytest.fail(f"byte {place} changed, and the receipt still checks: {text!r}")


def test_the_frontier_signs_what_the_reference_counts() -> None:
    frontier = Frontier().appended(leaf_hash(entry) for entry in ENTRIES)
    assert Checkpoint(ORIGIN, frontier.size, frontier.root).text() == Note.parse(signed_checkpoint()).text


def test_an_ml_dsa_signature_is_over_the_structure_of_the_specification() -> None:
    """C2SP tlog-cosignature: label, name, time, origin, start, end, hash; it names the witness."""
    private = MLDSA44PrivateKey.from_seed_bytes(random.Random(3).randbytes(32))
    key = VerifierKey("w.example", MLDSA_COSIGNATURE, private.public_key().public_bytes_raw())
    head = Checkpoint(ORIGIN, 70_000, bytes(range(32)))
    line = cosignature(key, private.sign, head.text(), 1_790_000_000)
    assert len(line.signature) == 8 + 2420
    message = (
        b"subtree/v1\n\x00"
        + b"\x09w.example"
        + struct.pack(">Q", 1_790_000_000)
        + bytes([len(ORIGIN)])
        + ORIGIN.encode()
        + struct.pack(">QQ", 0, 70_000)
        + bytes(range(32))
    )
    private.public_key().verify(line.signature[8:], message)
    assert hashlib.sha256(b"w.example\n\x06" + key.public).digest()[:4] == line.key_id
    assert VerifierKey.parse(key.text()) == key
    note = Note(head.text(), (line,))
    assert note.signed_by(key, check_signature)
    for changed in (
        Checkpoint(ORIGIN, 70_001, bytes(range(32))),
        Checkpoint("risk.example/log2", 70_000, bytes(range(32))),
        Checkpoint(ORIGIN, 70_000, bytes(32)),
    ):
        assert not Note(changed.text(), (line,)).signed_by(key, check_signature)
    later = dataclasses.replace(line, signature=(1_790_000_001).to_bytes(8, "big") + line.signature[8:])
    assert not Note(head.text(), (later,)).signed_by(key, check_signature)
    twin = VerifierKey("other.example", MLDSA_COSIGNATURE, key.public)
    renamed = dataclasses.replace(line, name=twin.name, key_id=twin.key_id)
    assert not Note(head.text(), (renamed,)).signed_by(twin, check_signature), "the message names the witness"
    short = dataclasses.replace(line, signature=line.signature[:-1])
    assert not Note(head.text(), (short,)).signed_by(key, check_signature)
    with pytest.raises(InvalidInput, match="1312 bytes"):
        VerifierKey("w.example", MLDSA_COSIGNATURE, bytes(32))
    with pytest.raises(InvalidInput, match="known type"):
        VerifierKey("w.example", 5, bytes(32))
