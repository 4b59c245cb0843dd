"""Slow reference of the field tree of `services.audit.disclosure`, from its written form alone: no line is shared."""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.support import merkle_reference


def sha256(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize()


def fields(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Pointer and JSON text of each field, by a walk with a stack."""
    found, waiting = [], [("", answer, False)]
    while waiting:
        pointer, value, member = waiting.pop(0)
        if isinstance(value, dict) and value and not member:
            steps = [(name.replace("~", "~0").replace("/", "~1"), item) for name, item in value.items()]
            waiting = [(f"{pointer}/{name}", item, False) for name, item in steps] + waiting
        elif isinstance(value, list) and value and not member:
            rows = []
            for place, item in enumerate(value):
                if isinstance(item, dict) and item:
                    for name, inner in item.items():
                        escaped = name.replace("~", "~0").replace("/", "~1")
                        rows.append((f"{pointer}/{place}/{escaped}", inner, True))
                else:
                    rows.append((f"{pointer}/{place}", item, True))
            waiting = rows + waiting
        else:
            found.append((pointer, json.dumps(value, ensure_ascii=False, separators=(",", ":"))))
    return found


def digest(answer: dict[str, Any], secret: bytes, event_id: str) -> bytes:
    """What the entry of the log says of the fields."""
    rows = fields(answer)
    key = HKDF(hashes.SHA256(), 32, b"trimtab/disclosure/v1", event_id.encode()).derive(secret)
    stream = hashes.Hash(hashes.SHAKE256(16 * len(rows)))
    stream.update(key)
    salts = stream.finalize()
    commitments = sorted(
        sha256(salts[16 * place : 16 * place + 16] + pointer.encode() + b"\n" + text.encode())
        for place, (pointer, text) in enumerate(rows)
    )
    buckets = [b"".join(commitments[start : start + 16]) for start in range(0, len(rows), 16)]
    root = merkle_reference.root(buckets)
    return sha256(b"trimtab/fields/v1\n" + len(rows).to_bytes(8, "big") + root)
