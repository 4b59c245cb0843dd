"""Pedersen commitments to whole numbers, and proofs that a committed number lies below 2ⁿ. Experimental.

Not externally reviewed, and not constant time: who can measure the time of a proof may learn of what is hidden.

::

    group       the subgroup of prime order ℓ of edwards25519; encodings that are not canonical, not on the curve, of
                small or mixed order, or the identity, are refused
    G, H        base point, and Elligator 2 of SHA-256("trimtab/pedersen/v1/H"): nobody knows log_G H
    commitment  C = v·G + r·H, 0 <= v < 2⁶⁴, r uniform below ℓ
    range       v = Σ 2ⁱ bᵢ, Cᵢ = bᵢ·G + rᵢ·H with Σ 2ⁱ rᵢ = r, so that Σ 2ⁱ Cᵢ = C; for each Cᵢ a proof that it opens
                to 0 or to 1 (disjunction of two Schnorr proofs), all under one challenge

The challenge is SHA-512 modulo ℓ over a domain, the statement that the proof is for, the number of bits, C, every Cᵢ
and every announcement, each with its length: a proof for one statement is none for another.

Hiding is perfect, binding rests on discrete logarithms, the proofs are sound in the random oracle model. Commitments
add up: the sum of two commits to the sum. Random bytes are an argument; they must come from the operating system.

Needs PyNaCl (the extra `commitments`).

References
----------
Pedersen (1991), Non-interactive and information-theoretic secure verifiable secret sharing; Cramer, Damgård and
Schoenmakers (1994), Proofs of partial knowledge; RFC 8032 (2017), edwards25519; RFC 9380 (2023), section 6.7.1,
Elligator 2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import nacl.bindings as sodium

from services.audit.canonical import base64_bytes, base64_text
from services.core.errors import InvalidInput

Random = Callable[[int], bytes]
"""So many bytes that nobody can guess."""
ORDER = 2**252 + 27742317777372353535851937790883648493
POINT_BYTES = SCALAR_BYTES = 32
VALUE_BITS = 64
IDENTITY = b"\x01" + bytes(31)
_H_DOMAIN = b"trimtab/pedersen/v1/H"
_RANGE_DOMAIN = b"trimtab/pedersen-range/v1"
G: bytes = sodium.crypto_scalarmult_ed25519_base_noclamp((1).to_bytes(SCALAR_BYTES, "little"))
H: bytes = sodium.crypto_core_ed25519_from_uniform(hashlib.sha256(_H_DOMAIN).digest())


def scalar(random: Random) -> int:
    """Uniform scalar below ℓ: 512 bits reduced."""
    return int.from_bytes(random(64), "little") % ORDER


def times(factor: int, point: bytes) -> bytes:
    """``factor · point``; the library refuses to give the identity."""
    reduced = factor % ORDER
    if reduced == 0 or point == IDENTITY:
        return IDENTITY
    raw = reduced.to_bytes(SCALAR_BYTES, "little")
    if point == G:
        return bytes(sodium.crypto_scalarmult_ed25519_base_noclamp(raw))
    return bytes(sodium.crypto_scalarmult_ed25519_noclamp(raw, point))


def plus(one: bytes, other: bytes) -> bytes:
    """Sum of two points."""
    return bytes(sodium.crypto_core_ed25519_add(one, other))


def minus(one: bytes, other: bytes) -> bytes:
    """Difference of two points."""
    return bytes(sodium.crypto_core_ed25519_sub(one, other))


def combined(factors: Iterable[tuple[int, bytes]]) -> bytes:
    """``Σ factor · point``."""
    total = IDENTITY
    for factor, point in factors:
        total = plus(total, times(factor, point))
    return total


def checked_point(raw: bytes, place: str) -> bytes:
    """A point that a stranger has sent.

    Raises
    ------
    InvalidInput
        Unless it is the canonical encoding of a point of order ℓ.
    """
    if len(raw) != POINT_BYTES or not sodium.crypto_core_ed25519_is_valid_point(raw):
        raise InvalidInput(place, "must be the canonical encoding of a point of the prime-order subgroup", raw.hex())
    return raw


def committed(value: int, blind: int) -> bytes:
    """``value · G + blind · H``.

    Raises
    ------
    InvalidInput
        Unless ``0 <= value < 2⁶⁴``.
    """
    if not 0 <= value < 2**VALUE_BITS:
        raise InvalidInput("value", f"must be at least 0 and below 2^{VALUE_BITS} units", value)
    return plus(times(value, G), times(blind, H))


@dataclass(frozen=True, slots=True)
class BitProof:
    """That a commitment opens to 0 or 1: the share of the challenge for 0, and both responses."""

    share: int
    zero: int
    one: int


@dataclass(frozen=True, slots=True)
class RangeProof:
    """That a commitment opens to a number below 2ⁿ.

    Parameters
    ----------
    points : tuple of bytes
        Commitments to the bits from the second on; the first follows from them.
    challenge : int
        Challenge.
    bits : tuple of BitProof
        One for each bit, the lowest first.
    """

    points: tuple[bytes, ...]
    challenge: int
    bits: tuple[BitProof, ...]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "points": [base64_text(point) for point in self.points],
            "challenge": scalar_text(self.challenge),
            "bits": [[scalar_text(bit.share), scalar_text(bit.zero), scalar_text(bit.one)] for bit in self.bits],
        }

    @classmethod
    def parse(cls, document: Any) -> Self:
        """The proof of a JSON value.

        Raises
        ------
        InvalidInput
            Naming the member that is malformed.
        """
        if type(document) is not dict or document.keys() != {"points", "challenge", "bits"}:
            raise InvalidInput("proof", "must be an object of points, challenge and bits", type(document).__name__)
        points, bits = document["points"], document["bits"]
        if type(points) is not list or type(bits) is not list or not 1 <= len(bits) <= VALUE_BITS:
            raise InvalidInput("proof.bits", f"must be lists of 1 to {VALUE_BITS} bits", type(bits).__name__)
        if any(type(row) is not list or len(row) != 3 for row in bits) or len(points) != len(bits) - 1:
            raise InvalidInput("proof.points", "must be one fewer than the bits, which are rows of three", len(points))
        return cls(
            tuple(checked_point(_raw(item, "proof.points"), "proof.points") for item in points),
            scalar_of(document["challenge"], "proof.challenge"),
            tuple(BitProof(*(scalar_of(item, "proof.bits") for item in row)) for row in bits),
        )


def prove_range(value: int, blind: int, count: int, statement: bytes, random: Random) -> RangeProof:
    """Proof that ``committed(value, blind)`` opens to a number below 2ⁿ, n = `count`, bound to a statement. O(n).

    Raises
    ------
    InvalidInput
        If it does not.
    """
    if not 1 <= count <= VALUE_BITS or not 0 <= value < 2**count:
        raise InvalidInput("value", f"must be at least 0 and below 2^{count}", "another number")
    blinds = [0, *(scalar(random) for _ in range(count - 1))]
    blinds[0] = (blind - sum(item << place for place, item in enumerate(blinds))) % ORDER
    values = [value >> place & 1 for place in range(count)]
    points = [plus(times(bit, G), times(item, H)) for bit, item in zip(values, blinds, strict=True)]
    nonces = [scalar(random) for _ in values]
    shares, others = [scalar(random) for _ in values], [scalar(random) for _ in values]
    announced = []
    for bit, point, nonce, share, other in zip(values, points, nonces, shares, others, strict=True):
        honest = times(nonce, H)
        # The branch that is not true is simulated: its challenge and response come first, its announcement follows.
        feigned = minus(times(other, H), times(share, point if bit else minus(point, G)))
        announced.append((feigned, honest) if bit else (honest, feigned))
    target = committed(value, blind)
    challenge = _challenge(statement, count, target, points, announced)
    bits = []
    for bit, item, nonce, share, other in zip(values, blinds, nonces, shares, others, strict=True):
        left = (challenge - share) % ORDER
        response = (nonce + left * item) % ORDER
        bits.append(BitProof(share, other, response) if bit else BitProof(left, response, other))
    return RangeProof(tuple(points[1:]), challenge, tuple(bits))


def check_range(target: bytes, proof: RangeProof, count: int, statement: bytes) -> bool:
    """Whether a proof shows that `target` opens to a number below 2ⁿ, n = `count`, for this statement. O(n)."""
    if len(proof.bits) != count or len(proof.points) != count - 1:
        return False
    rest = combined((2**place, point) for place, point in enumerate(proof.points, 1))
    points = [minus(target, rest), *proof.points]
    announced = []
    for point, bit in zip(points, proof.bits, strict=True):
        other = (proof.challenge - bit.share) % ORDER
        zero = minus(times(bit.zero, H), times(bit.share, point))
        one = minus(times(bit.one, H), times(other, minus(point, G)))
        announced.append((zero, one))
    return _challenge(statement, count, target, points, announced) == proof.challenge


def _challenge(
    statement: bytes, count: int, target: bytes, points: Sequence[bytes], announced: Sequence[tuple[bytes, bytes]]
) -> int:
    parts = [_RANGE_DOMAIN, G, H, statement, count.to_bytes(2, "big"), target, *points]
    parts += [item for pair in announced for item in pair]
    hashed = hashlib.sha512()
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big") + part)
    return int.from_bytes(hashed.digest(), "little") % ORDER


def scalar_text(value: int) -> str:
    """A scalar in base64."""
    return base64_text(value.to_bytes(SCALAR_BYTES, "little"))


def scalar_of(text: Any, place: str) -> int:
    """Scalar of a base64 text.

    Raises
    ------
    InvalidInput
        Unless it is 32 bytes of a number below ℓ.
    """
    raw = _raw(text, place)
    value = int.from_bytes(raw, "little")
    if len(raw) != SCALAR_BYTES or value >= ORDER:
        raise InvalidInput(place, "must be 32 bytes of a number below the order of the group", len(raw))
    return value


def _raw(text: Any, place: str) -> bytes:
    if type(text) is not str:
        raise InvalidInput(place, "must be base64", type(text).__name__)
    return base64_bytes(text, place)
