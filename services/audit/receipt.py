"""Receipts: proof that an entry is in the log of a signed checkpoint, complete and checked without a network.

::

    c2sp.org/tlog-proof@v1
    index 73894
    gSKyXoYZ…            the path from the leaf to the root, one hash a line
                         (an empty line)
    risk.example/log1    a signed checkpoint

References
----------
C2SP tlog-proof v1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from services.audit.canonical import base64_bytes, base64_text
from services.audit.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from services.audit.note import Check, Checkpoint, VerifierKey, verified_checkpoint
from services.core.errors import InvalidInput

HEADER = "c2sp.org/tlog-proof@v1"
MAX_PATH = 64
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Index of the entry, its inclusion proof, and the checkpoint as a signed note."""

    index: int
    proof: tuple[bytes, ...]
    checkpoint: str

    def text(self) -> str:
        """The receipt as a text file (``.tlog-proof``)."""
        hashes = "".join(base64_text(item) + "\n" for item in self.proof)
        return f"{HEADER}\nindex {self.index}\n{hashes}\n{self.checkpoint}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The receipt of a text; extra data is passed over, because nothing vouches for it.

        Raises
        ------
        InvalidInput
            If it is none.
        """
        head, blank, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if lines[0] != HEADER or not blank:
            raise InvalidInput("receipt", f"must begin with {HEADER} and hold a checkpoint", text)
        rows = lines[2:] if len(lines) > 1 and lines[1].startswith("extra ") else lines[1:]
        match = _INDEX.match(rows[0]) if rows else None
        if match is None or len(rows) > MAX_PATH + 1:
            raise InvalidInput("receipt", "must name the index, then at most 64 hashes", rows[:1])
        return cls(int(match[1]), tuple(_hash(row) for row in rows[1:]), checkpoint)


def check_receipt(
    text: str,
    entry: bytes,
    log: VerifierKey,
    check: Check,
    *,
    witnesses: Sequence[VerifierKey] = (),
    quorum: int = 0,
) -> tuple[int, Checkpoint]:
    """Index of the entry and the checkpoint that vouches for it.

    Raises
    ------
    InvalidInput
        If the receipt is not one, its checkpoint is not signed, or the entry is not where it says.
    """
    receipt = Receipt.parse(text)
    head = verified_checkpoint(receipt.checkpoint, log, check, witnesses=witnesses, quorum=quorum)
    if not verify_inclusion(receipt.index, head.size, leaf_hash(entry), receipt.proof, head.root):
        rule = f"must prove that the entry is number {receipt.index} of {head.size}"
        raise InvalidInput("receipt", rule, "another root")
    return receipt.index, head


def _hash(row: str) -> bytes:
    value = base64_bytes(row, "receipt")
    if len(value) != HASH_BYTES:
        raise InvalidInput("receipt", f"must have hashes of {HASH_BYTES} bytes", row)
    return value
