"""Plays conformance scripts against a server: `python -m tests.contract.stream_conformance.runner URL [NAME …]`.

With an API key in `TRIMTAB_API_KEY`, those for a service that asks for keys.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

SCRIPTS = Path(__file__).with_name("scripts")
SUBPROTOCOL = "trimtab.v1.json"
WITHIN_S = 10.0
UNASKED = ("hb", "notice")
"""Types of frames that may come at any time."""
_MISSING = object()


class Nonconformity(AssertionError):
    """The server did something else."""


def names(*, keyed: bool = False) -> list[str]:
    """Every script for a service without keys, or those for one that asks for them."""
    return sorted(path.stem for path in SCRIPTS.glob("*.json") if path.stem.startswith("keyed_") is keyed)


@dataclass(slots=True)
class Player:
    """One run of one script."""

    url: str
    key: str = ""
    unique: str = field(default_factory=lambda: secrets.token_hex(4))
    bound: dict[str, Any] = field(default_factory=dict)

    async def play(self, name: str) -> None:
        """Play a script.

        Raises
        ------
        Nonconformity
            If the server does something else.
        """
        text = (SCRIPTS / f"{name}.json").read_text().replace("$unique", self.unique).replace("$key", self.key)
        script = json.loads(text)
        how = script.get("connect", {})
        url = self.url + (f"?{how['query']}" if "query" in how else "")
        options = {
            "subprotocols": how.get("subprotocols", [SUBPROTOCOL]),
            "origin": how.get("origin"),
            "additional_headers": how.get("headers"),
            "max_size": None,
        }
        try:
            async with connect(url, compression=None, **options) as socket:
                if "expect_http" in script:
                    raise Nonconformity("the handshake was not refused")
                for place, step in enumerate(script["steps"]):
                    try:
                        await self._step(socket, step)
                    except (Nonconformity, TimeoutError, ConnectionClosed) as error:
                        raise Nonconformity(f"{name}, step {place}: {error!r} at {json.dumps(step)[:300]}") from error
        except InvalidStatus as refused:
            if refused.response.status_code != script.get("expect_http"):
                raise Nonconformity(f"{name}: HTTP {refused.response.status_code}") from refused

    async def _step(self, socket: ClientConnection, step: dict[str, Any]) -> None:
        within = step.get("within_s", WITHIN_S)
        if "expect" in step:
            self._check(step["expect"], await self._next(socket, [step["expect"]], within))
        elif "expect_all" in step:
            await self._all(socket, list(step["expect_all"]), within)
        elif "expect_none" in step:
            await self._none(socket, step["expect_none"], within)
        elif "expect_close" in step:
            await self._closed(socket, step, within)
        elif "until" in step:
            await self._until(socket, step, within)
        else:
            for _ in range(step.get("repeat", 1)):
                try:
                    await socket.send(self._frame(step))
                except ConnectionClosed:
                    return  # closed for what was sent before: the next step looks at the code

    def _frame(self, step: dict[str, Any]) -> str | bytes:
        if "send" in step:
            return json.dumps(self._filled(step["send"]))
        if "send_hex" in step:
            return bytes.fromhex(step["send_hex"])
        return "x" * step["send_text_of_bytes"] if "send_text_of_bytes" in step else str(step["send_text"])

    def _filled(self, node: Any) -> Any:
        if isinstance(node, dict):
            return {key: self._filled(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self._filled(value) for value in node]
        if isinstance(node, str) and node.startswith("${"):
            return self.bound[node[2:-1]]
        return node

    async def _next(self, socket: ClientConnection, wanted: list[Any], within: float) -> Any:
        asked = {pattern.get("type") for pattern in wanted}
        async with asyncio.timeout(within):
            while True:
                frame = json.loads(await socket.recv())
                if frame["type"] not in UNASKED or frame["type"] in asked:
                    return frame

    async def _all(self, socket: ClientConnection, wanted: list[Any], within: float) -> None:
        while wanted:
            frame = await self._next(socket, wanted, within)
            fitting = next(
                (pattern for pattern in wanted if not list(self._faults(pattern, frame, "", dry=True))), None
            )
            if fitting is None:
                raise Nonconformity(f"got {json.dumps(frame)[:300]}")
            self._check(fitting, frame)
            wanted.remove(fitting)

    async def _none(self, socket: ClientConnection, pattern: Any, within: float) -> None:
        try:
            while True:
                frame = await self._next(socket, [pattern], within)
                if not list(self._faults(pattern, frame, "", dry=True)):
                    raise Nonconformity(f"got {json.dumps(frame)[:300]}")
        except TimeoutError:
            return

    async def _closed(self, socket: ClientConnection, step: dict[str, Any], within: float) -> None:
        try:
            async with asyncio.timeout(within):
                while True:
                    await socket.recv()
        except ConnectionClosed:
            code, reason = socket.close_code, socket.close_reason or ""
        if code != step["expect_close"] or not reason.startswith(step.get("reason", "")):
            raise Nonconformity(f"closed with {code} {reason!r}")

    async def _until(self, socket: ClientConnection, step: dict[str, Any], within: float) -> None:
        probe = {**step["send"], "id": "until"}
        async with asyncio.timeout(within):
            while True:
                await socket.send(json.dumps(self._filled(probe)))
                frame = await self._next(socket, [{"type": "reply"}], within)
                if not list(self._faults(step["until"], frame, "", dry=True)):
                    break
                await asyncio.sleep(0.25)
        await socket.send(self._frame(step))

    def _check(self, pattern: Any, frame: Any) -> None:
        faults = list(self._faults(pattern, frame, ""))
        if faults:
            raise Nonconformity(f"{'; '.join(faults)} in {json.dumps(frame)[:300]}")

    def _faults(self, pattern: Any, found: Any, place: str, *, dry: bool = False) -> Iterator[str]:
        if isinstance(pattern, dict):
            if not isinstance(found, dict):
                yield f"{place or '/'} is no object"
                return
            for key, inner in pattern.items():
                value = found.get(key, _MISSING)
                if (value is _MISSING) != (inner == "$absent"):
                    yield f"{place}/{key} is {'absent' if value is _MISSING else 'there'}"
                elif value is not _MISSING:
                    yield from self._faults(inner, value, f"{place}/{key}", dry=dry)
        elif isinstance(pattern, list):
            if not isinstance(found, list) or len(found) != len(pattern):
                yield f"{place} is no list of {len(pattern)}"
                return
            for index, inner in enumerate(pattern):
                yield from self._faults(inner, found[index], f"{place}/{index}", dry=dry)
        elif isinstance(pattern, str) and pattern.startswith("$"):
            if not self._is(pattern, found, dry=dry):
                yield f"{place} is no {pattern}: {found!r:.60}"
        elif type(found) is not type(pattern) or found != pattern:
            yield f"{place} is {found!r:.60}, not {pattern!r}"

    def _is(self, kind: str, found: Any, *, dry: bool) -> bool:
        if kind.startswith("$bind:"):
            name = kind.removeprefix("$bind:")
            if dry:
                return bool(self.bound.get(name, found) == found)
            return bool(self.bound.setdefault(name, found) == found)
        if kind == "$time":
            return isinstance(found, str) and found.endswith("Z") and datetime.fromisoformat(found).tzinfo is not None
        kinds: dict[str, Any] = {"$string": str, "$integer": int, "$list": list, "$any": object}
        return isinstance(found, kinds[kind]) and not (kind == "$integer" and isinstance(found, bool))


async def main(url: str, chosen: list[str]) -> int:
    """Play scripts; the number of those that fail."""
    failed, key = 0, os.environ.get("TRIMTAB_API_KEY", "")
    for name in chosen or names(keyed=bool(key)):
        try:
            await Player(url, key).play(name)
            print(f"ok    {name}")
        except Nonconformity as error:
            failed += 1
            print(f"FAIL  {error}")
    return failed


if __name__ == "__main__":
    sys.exit(min(asyncio.run(main(sys.argv[1], sys.argv[2:])), 1))
