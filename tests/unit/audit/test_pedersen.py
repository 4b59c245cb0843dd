"""Commitments and range proofs: complete at the edges, sound against attacks, the same by slow arithmetic."""

from __future__ import annotations

import secrets

import nacl.bindings as sodium
import pytest

from services.audit import pedersen
from services.audit.canonical import base64_bytes, base64_text
from services.audit.governance import weak_key
from services.audit.pedersen import IDENTITY, ORDER, G, H, RangeProof, check_range, committed, prove_range, scalar
from services.core.errors import InvalidInput
from tests.support import edwards

RANDOM = secrets.token_bytes
SMALL = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
]
"""The eight points of small order."""
ODD = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]
"""Encodings of some of them that are not canonical."""


def proved(value: int, count: int, statement: bytes = b"s") -> tuple[bytes, RangeProof]:
    blind = scalar(RANDOM)
    return committed(value, blind), prove_range(value, blind, count, statement, RANDOM)


def slowly(target: bytes, proof: RangeProof, statement: bytes = b"s") -> bool:
    said = proof.document()
    return edwards.range_proof_holds(
        target,
        H,
        {
            "points": [base64_bytes(item, "p") for item in said["points"]],
            "challenge": [base64_bytes(said["challenge"], "c")],
            "bits": [base64_bytes(item, "b") for row in said["bits"] for item in row],
        },
        statement,
    )


def test_the_generators_are_two_points_of_prime_order_that_never_change() -> None:
    assert edwards.encode(edwards.BASE) == G != H
    assert edwards.multiply(ORDER, edwards.decode(H)) == edwards.ZERO
    assert H.hex() == "8384b4729da6dc8d389e2e2d03981cd7282a922ade434fe6c4f8c35f44640079"


def test_a_commitment_is_what_it_says_and_adds_up() -> None:
    one, other = scalar(RANDOM), scalar(RANDOM)
    slow = edwards.total([(7, edwards.BASE), (one, edwards.decode(H))])
    assert committed(7, one) == edwards.encode(slow)
    assert pedersen.plus(committed(7, one), committed(5, other)) == committed(12, (one + other) % ORDER)
    assert committed(7, one) != committed(7, other)
    assert committed(0, 0) == pedersen.times(0, G) == pedersen.times(3, IDENTITY) == IDENTITY
    for value in (-1, 2**64):
        with pytest.raises(InvalidInput):
            committed(value, one)


@pytest.mark.parametrize("count", [1, 2, 5, 16])
def test_every_number_in_the_range_is_proved(count: int) -> None:
    for value in {0, 1, 2**count - 1, 2 ** (count - 1)}:
        target, proof = proved(value, count)
        assert check_range(target, proof, count, b"s")
        assert RangeProof.parse(proof.document()) == proof


def test_the_slow_definition_agrees() -> None:
    target, proof = proved(5, 3)
    assert slowly(target, proof)
    assert not slowly(target, proof, b"another")
    assert not slowly(committed(5, 1), proof)


def test_the_longest_range() -> None:
    target, proof = proved(2**64 - 1, 64)
    assert check_range(target, proof, 64, b"s")


def test_a_number_outside_has_no_proof() -> None:
    for value, count in ((-1, 4), (16, 4), (0, 0), (0, 65)):
        with pytest.raises(InvalidInput):
            prove_range(value, 1, count, b"s", RANDOM)
    # Whoever proves the low bits of a larger number, or of one below 0, proves nothing of it.
    blind = scalar(RANDOM)
    for wrong in (16, 17, 31, ORDER - 1, ORDER - 16, 2**64):
        target = pedersen.plus(pedersen.times(wrong, G), pedersen.times(blind, H))
        proof = prove_range(wrong % 16, blind, 4, b"s", RANDOM)
        assert not check_range(target, proof, 4, b"s")


def test_a_digit_of_two_is_no_bit() -> None:
    blind = scalar(RANDOM)
    honest = prove_range(15, blind, 4, b"s", RANDOM)
    target = pedersen.plus(committed(15, blind), G)  # opens to 16
    assert not check_range(target, honest, 4, b"s")
    shifted = RangeProof(
        (pedersen.plus(honest.points[0], G), *honest.points[1:]), honest.challenge, honest.bits
    )  # the second digit is 2 now
    assert not check_range(pedersen.plus(committed(15, blind), pedersen.times(2, G)), shifted, 4, b"s")


def test_a_proof_is_for_one_commitment_one_statement_and_one_range() -> None:
    target, proof = proved(9, 4)
    other, another = proved(9, 4)
    assert not check_range(other, proof, 4, b"s") and not check_range(target, another, 4, b"s")
    for statement in (b"", b"t", b"s\0"):
        assert not check_range(target, proof, 4, statement)
    for count in (3, 5):
        assert not check_range(target, proof, count, b"s")
    mixed = RangeProof(proof.points, proof.challenge, another.bits)
    assert not check_range(target, mixed, 4, b"s")
    order = RangeProof(proof.points[::-1], proof.challenge, proof.bits)
    assert not check_range(target, order, 4, b"s")


@pytest.mark.parametrize("raw", [*SMALL, *ODD])
def test_points_of_small_order_and_other_encodings_are_refused(raw: str) -> None:
    with pytest.raises(InvalidInput, match="prime-order"):
        pedersen.checked_point(bytes.fromhex(raw), "point")
    assert weak_key(bytes.fromhex(raw)), "nor may they be keys of approvers"


@pytest.mark.parametrize("raw", SMALL[1:])
def test_points_with_a_part_of_small_order_are_refused(raw: str) -> None:
    point = edwards.decode(bytes.fromhex(raw))
    assert edwards.multiply(8, point) == edwards.ZERO
    mixed = edwards.encode(edwards.add(edwards.decode(committed(3, 4)), point))
    assert mixed != committed(3, 4)
    with pytest.raises(InvalidInput, match="prime-order"):
        pedersen.checked_point(mixed, "point")
    document = proved(3, 2)[1].document() | {"points": [base64_text(mixed)]}
    with pytest.raises(InvalidInput, match="prime-order"):
        RangeProof.parse(document)


def test_what_is_no_point_or_no_reduced_number_is_refused() -> None:
    for raw in (bytes(31), bytes(33), b"\x02" + bytes(31)):
        with pytest.raises(InvalidInput):
            pedersen.checked_point(raw, "point")
    _, proof = proved(3, 2)
    said = proof.document()
    large = base64_text((proof.challenge + ORDER).to_bytes(32, "little"))
    with pytest.raises(InvalidInput, match="below the order"):
        RangeProof.parse({**said, "challenge": large})
    for wrong in ({"points": []}, {"bits": []}, {"bits": [[]] * 2}, {"more": 1}, {"challenge": 3}, {"points": [1]}):
        with pytest.raises(InvalidInput):
            RangeProof.parse({**said, **wrong})


def test_keys_in_use_are_not_weak() -> None:
    for _ in range(20):
        assert not weak_key(bytes(sodium.crypto_sign_seed_keypair(RANDOM(32))[0]))
