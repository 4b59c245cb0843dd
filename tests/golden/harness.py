"""Golden vectors {inputs, expected, tolerance, source}: every case is covered, or listed with what it waits for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Compute = Callable[[dict[str, Any]], Any]


def load(name: str) -> list[dict[str, Any]]:
    """Cases of `tests/golden/<name>.json`."""
    cases: list[dict[str, Any]] = json.loads((Path(__file__).parent / f"{name}.json").read_text())["cases"]
    return cases


def find(case_id: str, table: Mapping[str, Any]) -> Any:
    """Entry whose key is the case's id, or else its longest prefix; only a key that ends in ``- _ .`` is a prefix."""
    keys = [key for key in table if case_id == key or (key[-1] in "-_." and case_id.startswith(key))]
    return table[max(keys, key=len)] if keys else None


def covered_cases(cases: list[dict[str, Any]], covered: Mapping[str, Compute]) -> list[dict[str, Any]]:
    """Cases that this suite computes."""
    return [case for case in cases if find(case["id"], covered) is not None]


def unlisted(cases: list[dict[str, Any]], covered: Mapping[str, Compute], waiting: Mapping[str, str]) -> list[str]:
    """Ids that are neither computed nor listed as waiting."""
    return [case["id"] for case in cases if find(case["id"], covered) is None and find(case["id"], waiting) is None]


def check(case: dict[str, Any], covered: Mapping[str, Compute]) -> None:
    """Compare a case with its expectation, within its own tolerance."""
    compute = find(case["id"], covered)
    assert compute(case["inputs"]) == approximately(case["expected"], *tolerances(case))


def tolerances(case: dict[str, Any]) -> tuple[float, float]:
    """(absolute, relative) tolerance of a case."""
    if "tol" in case:
        return (0.0, case["tol"]) if case.get("tol_kind") == "relative" else (case["tol"], 0.0)
    return case.get("abs_tol") or 0.0, case.get("rel_tol") or 0.0


def approximately(expected: Any, absolute: float, relative: float) -> Any:
    """Nested expectation with tolerances on its numbers."""
    if isinstance(expected, dict):
        return {key: approximately(value, absolute, relative) for key, value in expected.items()}
    if isinstance(expected, list):
        return [approximately(value, absolute, relative) for value in expected]
    if isinstance(expected, bool) or not isinstance(expected, int | float):
        return expected
    return pytest.approx(expected, abs=absolute or 1e-12, rel=relative or 1e-12)
