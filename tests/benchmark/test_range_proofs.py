"""Range proofs: milliseconds and bytes by the number of bits.

Hypothesis: linear in the bits, some 1.5 ms a bit to prove and 1.5 ms to check (four or five scalar multiplications of
0.2 ms, and their conversion), 128 bytes a bit. Input: one claim of 8, 16, 32, 48 and 64 bits.
"""

from __future__ import annotations

import json
import secrets
import time

import pytest

from services.audit.pedersen import RangeProof, check_range, committed, prove_range, scalar

pytestmark = pytest.mark.benchmark
REPEATS = 20


def test_range_proofs() -> None:
    for bits in (8, 16, 32, 48, 64):
        value, blind = 2**bits - 1, scalar(secrets.token_bytes)
        target, made, checked = committed(value, blind), [], []
        for _ in range(REPEATS):
            start = time.perf_counter()
            proof = prove_range(value, blind, bits, b"statement", secrets.token_bytes)
            middle = time.perf_counter()
            text = json.dumps(proof.document(), separators=(",", ":"))
            arrived = time.perf_counter()
            assert check_range(target, RangeProof.parse(json.loads(text)), bits, b"statement")
            made.append(middle - start)
            checked.append(time.perf_counter() - arrived)
        raw = 32 * (bits - 1) + 32 + 96 * bits
        print(
            f"{bits:2d} bits: prove {1e3 * min(made):.1f} ms, check {1e3 * min(checked):.1f} ms, "
            f"{raw:,} bytes, {len(text):,} as JSON"
        )
