"""A process that appends until it is told to stop: `python -m tests.support.audit_writer URL WRITERS COUNT PREFIX`.

It prints ``ready``, waits for a line on standard input, and begins. Each acknowledged append is a line
``event_id index`` on standard output, written only after the log has answered. `COUNT` is appends per writer; 0 goes on
until the process is killed.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys

from app.adapters.database import open_database
from tests.support.audit import event_id, record


async def run(url: str, writers: int, count: int, prefix: int) -> None:
    """Append from concurrent tasks."""
    async with open_database(url) as database:
        os.write(1, b"ready\n")
        await asyncio.to_thread(sys.stdin.readline)

        async def write(number: int) -> None:
            for turn in range(count) if count else itertools.count():
                name = event_id((prefix << 96) + (number << 64) + turn)
                appended = await database.audit.append(record(event_id=name), timeout=20)
                os.write(1, f"{name} {appended.index}\n".encode())

        await asyncio.gather(*(write(number) for number in range(writers)))


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
