"""A process that wants the lease until it has it, and then keeps it: `python -m tests.support.lease_holder URL`.

It prints ``held`` once it holds the lease and ``lost`` as soon as it no longer does, each with the monotonic time.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from app.adapters.database import open_database


def say(word: str) -> None:
    os.write(1, f"{word} {time.monotonic():.6f}\n".encode())


async def run(url: str) -> None:
    """Acquire, then ask each 0.2 s."""
    async with open_database(url) as database:
        say("ready")
        while not await database.lease.acquire():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.05)
        say("held")
        while await database.lease.held():  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        say("lost")


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
