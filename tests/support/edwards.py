"""Slow arithmetic on edwards25519 with whole numbers, from RFC 8032, section 5.1: checks what a library computes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, PRIME) % PRIME
Point = tuple[int, int]
ZERO: Point = (0, 1)


def decode(raw: bytes) -> Point:
    """Point of an encoding."""
    number = int.from_bytes(raw, "little")
    y, sign = number & (2**255 - 1), number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if x * x % PRIME != square:
        x = x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    assert x * x % PRIME == square
    return (PRIME - x if x & 1 != sign else x), y


def encode(point: Point) -> bytes:
    """Canonical encoding."""
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def add(one: Point, other: Point) -> Point:
    """Sum."""
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2 % PRIME
    return (
        (x1 * y2 + x2 * y1) * pow(1 + product, -1, PRIME) % PRIME,
        (y1 * y2 + x1 * x2) * pow(1 - product, -1, PRIME) % PRIME,
    )


def multiply(factor: int, point: Point) -> Point:
    """Multiple."""
    total = ZERO
    while factor:
        total = add(total, point) if factor & 1 else total
        point, factor = add(point, point), factor >> 1
    return total


def total(parts: Sequence[tuple[int, Point]]) -> Point:
    """Sum of multiples."""
    found = ZERO
    for factor, point in parts:
        found = add(found, multiply(factor % ORDER, point))
    return found


BASE = decode(bytes([0x58]) + bytes([0x66]) * 31)


def range_proof_holds(target: bytes, blind_base: bytes, proof: dict[str, list[bytes]], statement: bytes) -> bool:
    """The definition of a range proof: `proof` has `points`, `challenge` (one) and `bits` (three scalars a bit)."""
    height = decode(blind_base)
    numbers = [int.from_bytes(item, "little") for item in proof["bits"]]
    challenge = int.from_bytes(proof["challenge"][0], "little")
    rest = [decode(item) for item in proof["points"]]
    lowest = total([(1, decode(target)), *((-(2**place), point) for place, point in enumerate(rest, 1))])
    points = [lowest, *rest]
    parts = [b"trimtab/pedersen-range/v1", encode(BASE), blind_base, statement, len(points).to_bytes(2, "big"), target]
    parts += [encode(point) for point in points]
    for place, point in enumerate(points):
        share, zero, one = numbers[3 * place : 3 * place + 3]
        parts.append(encode(total([(zero, height), (-share, point)])))
        parts.append(encode(total([(one, height), (share - challenge, point), (challenge - share, BASE)])))
    hashed = hashlib.sha512(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()
    return int.from_bytes(hashed, "little") % ORDER == challenge
