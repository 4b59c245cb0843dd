"""Readers that check proofs while writers write, in the way of Tessera's hammer.

Each takes the newest signed head, checks its signature and that the head before is a beginning of it, and then, against
this one head, the inclusion of entries that clients were told of: those chosen at random, by their canonical bytes.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import httpx

from app.signatures import check_signature
from services.audit.canonical import base64_bytes
from services.audit.merkle import leaf_hash, verify_consistency, verify_inclusion
from services.audit.note import Checkpoint, VerifierKey, verified_checkpoint
from tests.support.history import History, Known

ENTRIES_OF_A_HEAD = 4


@dataclass(slots=True)
class Hammer:
    """Readers of one deployment.

    `url` answers; `history` tells of entries; `wrong` is what must stay empty.
    """

    url: str
    history: History
    over: bool = False
    heads: int = 0
    proofs: int = 0
    unavailable: int = 0
    wrong: list[str] = field(default_factory=list)

    async def run(self, readers: int = 1) -> None:
        """Check until `over`."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=20.0) as http:
            await asyncio.gather(*(self._reader(http, random.Random(number)) for number in range(readers)))

    async def _reader(self, http: httpx.AsyncClient, rng: random.Random) -> None:
        before: Checkpoint | None = None
        key: VerifierKey | None = None
        while not self.over:
            try:
                key = key or VerifierKey.parse((await http.get("/v1/log/key")).raise_for_status().text.strip())
                before = await self._check(http, key, rng, before)
            except (httpx.TransportError, httpx.HTTPStatusError):
                self.unavailable += 1
            await asyncio.sleep(0.2)

    async def _check(
        self, http: httpx.AsyncClient, key: VerifierKey, rng: random.Random, before: Checkpoint | None
    ) -> Checkpoint:
        told = self.history.of(Known.OK)
        note = (await http.get("/v1/log/checkpoint")).raise_for_status().text
        head = verified_checkpoint(note, key, check_signature)
        self.heads += 1
        if before is not None and before.size:
            proof = await self._hashes(http, "consistency", {"first": before.size, "second": head.size})
            if not verify_consistency(before.size, head.size, before.root, head.root, proof):
                self.wrong.append(f"the head of size {before.size} is no beginning of that of size {head.size}")
        # Told before the head was taken: each of them is in it.
        for one in rng.sample(told, min(ENTRIES_OF_A_HEAD, len(told))):
            if one.index >= head.size:
                self.wrong.append(f"entry {one.index} was answered, and a later head has size {head.size}")
                continue
            entry = await http.get(f"/v1/audit/entries/{one.evaluation_id}/entry")
            leaf = leaf_hash(entry.raise_for_status().content)
            proof = await self._hashes(http, "inclusion", {"index": one.index, "size": head.size})
            if not verify_inclusion(one.index, head.size, leaf, proof, head.root):
                self.wrong.append(f"entry {one.index} is not in the head of size {head.size}")
            self.proofs += 1
        return head

    @staticmethod
    async def _hashes(http: httpx.AsyncClient, kind: str, query: dict[str, int]) -> list[bytes]:
        answer = (await http.get(f"/v1/log/proof/{kind}", params=query)).raise_for_status()
        return [base64_bytes(item, "hash") for item in answer.json()["hashes"]]
