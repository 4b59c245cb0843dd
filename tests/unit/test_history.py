"""The checker of the fault tests sees what it is there to see."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.history import Attempt, History, Known, disagreements


def ok(key: str, began: float, ended: float, index: int) -> Attempt:
    return Attempt(key, began, ended, Known.OK, 200, "", f"ev_{key}", index)


def entry(key: str, index: int) -> dict[str, Any]:
    return {"client_reference": key, "evaluation_id": f"ev_{key}", "index": index}


SOUND = [
    ok("a", 0.0, 1.0, 0),
    ok("b", 0.5, 3.0, 2),
    ok("c", 0.6, 2.0, 1),
    Attempt("d", 1.0, 2.0, Known.UNKNOWN),
    Attempt("e", 1.0, 2.0, Known.FAIL, 503),
    Attempt("f", 1.0, 2.0, Known.UNKNOWN),
    Attempt("f", 3.0, 4.0, Known.FAIL, 503),
]
LOG = [entry("a", 0), entry("c", 1), entry("b", 2), entry("d", 3)]


def test_a_sound_history_has_no_disagreement() -> None:
    assert disagreements(History(SOUND), LOG) == []
    assert History(SOUND).unsettled == ["d", "f"]


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (LOG[1:], "indices have a hole"),
        ([*LOG[:2], entry("d", 2)], "b was answered and is not in the log"),
        ([*LOG, entry("e", 4)], "e was refused and is in the log"),
        ([*LOG, entry("d", 4)], "d is stored 2 times"),
        ([*LOG, entry("z", 4)], "z is stored, and nobody sent it"),
        ([entry("a", 0), entry("b", 1), entry("c", 2)], "c was answered as entry 1 and is entry 2"),
        ([*LOG, entry("f", 4)], None),
    ],
)
def test_each_disagreement_is_told(log: list[dict[str, Any]], said: str | None) -> None:
    found = disagreements(History(SOUND), log)
    assert found == [] if said is None else said in found


def test_an_answer_that_is_overtaken_by_a_later_call_is_told() -> None:
    swapped = [ok("a", 0.0, 1.0, 1), ok("b", 2.0, 3.0, 0)]
    log = [entry("b", 0), entry("a", 1)]
    assert disagreements(History(swapped), log) == ["b is entry 0, and entry 1 was answered before it was sent"]
    overlapping = [ok("a", 0.0, 2.5, 1), ok("b", 2.0, 3.0, 0)]
    assert disagreements(History(overlapping), log) == []
    late = [ok("a", 0.0, 1.0, 1), Attempt("b", 2.0, 3.0, Known.UNKNOWN)]
    assert len(disagreements(History(late), log)) == 1, "also of a call whose end nobody knows"
