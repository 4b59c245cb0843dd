"""Tables of benchmarks in docs/measurements/audit.md: with ``WRITE=1`` a run replaces the block that it names."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "measurements" / "audit.md"


def conditions() -> str:
    """Date, machine and load."""
    now = datetime.now(UTC)
    return (
        f"{now.day} {now:%B %Y}, {os.cpu_count()} shared virtual cores of an {platform.machine()} server, Python "
        f"{platform.python_version()}, load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores before the run."
    )


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table: the first column left, the others right.

    Examples
    --------
    >>> print(markdown(["", "n"], [["a", "1"]]))
    |  | n |
    | --- | ---: |
    | a | 1 |
    """
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(block: str, text: str) -> None:
    """Replace what stands between the marks of a block, if ``WRITE=1`` is set."""
    if os.environ.get("WRITE") != "1":
        return
    found = DOCUMENT.read_text()
    start, end = f"<!-- {block} -->\n", f"<!-- end of {block} -->"
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    assert pattern.search(found), f"{DOCUMENT} has no block {block}"
    DOCUMENT.write_text(pattern.sub(lambda _: f"{start}{text}\n{end}", found))
