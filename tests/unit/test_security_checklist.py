"""The security checklist has every point once, and each names tests that exist, or says what is open."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
POINTS = 48


def rows() -> dict[str, str]:
    """Text of every point."""
    text = (ROOT / "docs/security-checklist.md").read_text()
    found = re.findall(r"^\| (S\d+) \| (.*) \|$", text, re.MULTILINE)
    assert len(found) == len(dict(found)), "a point is there twice"
    return dict(found)


def test_every_point_is_there() -> None:
    assert list(rows()) == [f"S{number}" for number in range(1, POINTS + 1)]


def test_every_test_that_it_names_exists() -> None:
    named = {name for text in rows().values() for name in re.findall(r"`(test_\w+)`", text)}
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text())
    }
    assert len(named) > 50 and named - there == set()


def test_every_point_is_held_or_said_to_be_open() -> None:
    marks = ("`test_", "**open**")
    assert {name for name, text in rows().items() if not any(mark in text for mark in marks)} == set()
