"""The examples in `examples/`, run as they are against the real service."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.test_client_service import feed, registration, taken
from tests.support.service import running
from trimtab_client import AsyncTrimtab

EXAMPLES = Path(__file__).parents[2] / "examples"
MOST_LINES = 60


def node() -> list[str]:
    """Node with the standard WebSocket: behind a flag before version 22."""
    binary = shutil.which("node")
    return [binary, "--experimental-websocket", "--no-warnings"] if binary else []


PROGRAMS = {"python_60_lines.py": [sys.executable], "javascript_60_lines.mjs": node()}


def test_they_are_as_short_as_they_say() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == {
        *PROGRAMS,
        "permit_gateway.py",
        "record_days.py",
    }
    for path in EXAMPLES.iterdir():
        assert len(path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("name", [name for name, command in PROGRAMS.items() if command])
async def test_it_prints_every_target_also_over_a_restart(tmp_path: Path, name: str) -> None:
    """The first comes as a snapshot, the second as a push, the third after the service was killed."""
    with running(tmp_path / "data") as process:
        async with AsyncTrimtab(process.url) as client, asyncio.timeout(150):
            await feed(client)
            await client.put_portfolio("desk", registration())
            await client.snapshot("desk", taken(1))
            command = [*PROGRAMS[name], str(EXAMPLES / name), process.url, "desk"]
            program = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            assert program.stdout is not None
            try:
                sizes = [await size(program.stdout)]
                await client.snapshot("desk", taken(2, "50000"))
                sizes.append(await size(program.stdout))
                process.kill()
                await asyncio.to_thread(process.start)
                await client.snapshot("desk", taken(3, "25000"))
                while sizes[-1] >= sizes[1]:  # a takeover evaluates the portfolio once more
                    sizes.append(await size(program.stdout))
            finally:
                program.kill()
                await program.wait()
    assert sizes[0] > sizes[1] > sizes[-1] > 0


async def size(output: asyncio.StreamReader) -> float:
    """Target of the next printed row."""
    symbol, status, quantity, *_ = (await output.readline()).decode().split()
    assert symbol == "BTC-USDC-PERP"
    assert status in ("ok", "limited")
    return float(quantity)
