"""The threat model names tests; each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/threat-model.md").read_text()))
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text())
    }
    assert len(named) > 25 and named - there == set()


def test_every_row_says_what_holds_it_or_that_it_is_open() -> None:
    text = (ROOT / "docs/threat-model.md").read_text()
    rows = [line for line in text[text.index("## STRIDE") :].splitlines() if line.startswith("|")][2:]
    bare = [row for row in rows if "`test_" not in row and "**open**" not in row and "tests of the guards" not in row]
    assert len(rows) > 25 and bare == []
