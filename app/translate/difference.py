"""Two recorded answers compared: rows, inputs and limits side by side, and why each size is another.

This reads JSON as it was recorded, of whichever build, so it belongs to the translation of the wire; the arithmetic
that shares a change out is the core's (`services.core.attribution`). What a record does not hold is left out, never
computed anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.core.attribution import Attribution, ExplainedStage, StageShare, attribute

Json = Mapping[str, Any]
Identity = tuple[str, str | None, str | None, str | None]
OUTCOME = ("status", "action", "permission", "reason", "detail", "quantity_unit", "current_quantity")
VOLATILITY = (
    "annual",
    "forecast",
    "calibration",
    "floor",
    "event_volatility",
    "method",
    "source",
    "maturity",
)
PRICE = ("value", "source")
NAMES = ("symbol", "venue", "account_id", "position_side")
ALWAYS_DIFFER = frozenset({"request_sha256"})
ADDS = frozenset({"buffer", "rounding", "joint_rounding", "collateral"})
"""Stages that are no factors, even of what is not zero."""
MAX_POLICY_CHANGES = 100


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """One recorded decision: its request, its answer without `audit`, and the versions behind the numbers."""

    request: Json
    answer: Json
    versions: Json


def changed_values(before: Any, after: Any, pointer: str = "") -> Iterator[tuple[str, Any, Any]]:
    """JSON pointers at which two values differ, with both; lists of different lengths differ as a whole.

    Examples
    --------
    >>> list(changed_values({"a": [1, 2], "b": 3}, {"a": [1, 4], "c": 3}))
    [('/a/1', 2, 4), ('/b', 3, None), ('/c', None, 3)]
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            yield from changed_values(before.get(key), after.get(key), f"{pointer}/{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from changed_values(*pair, f"{pointer}/{index}")
    elif before != after:
        yield pointer, before, after


def difference(before: RecordedAnswer, after: RecordedAnswer) -> dict[str, Any]:
    """What changed from one recorded answer to another, and why.

    Parameters
    ----------
    before, after : RecordedAnswer
        Both with `targets`.
    """
    then, now = _rows(before.answer), _rows(after.answer)
    rows = [_row(key, before, then.get(key), after, now.get(key)) for key in dict.fromkeys([*then, *now])]
    changed = [row for row in rows if row is not None]
    return {
        "as_of": _pair(before.answer["as_of"], after.answer["as_of"]),
        "book": _book(before, after),
        "policy": _policy(before.answer, after.answer),
        "rows": changed,
        "rows_unchanged": len(rows) - len(changed),
    }


def _rows(answer: Json) -> dict[Identity, Json]:
    return {identity_of(row): row for row in answer["targets"]}


def identity_of(row: Json) -> Identity:
    """What makes a row of a request or an answer one of its own."""
    return row["symbol"], row.get("venue"), row.get("account_id"), row.get("position_side")


def _pair(before: Any, after: Any) -> dict[str, Any]:
    return {"before": before, "after": after}


def _book(before: RecordedAnswer, after: RecordedAnswer) -> list[dict[str, Any]]:
    pairs = [
        *((name, before.answer.get(name), after.answer.get(name)) for name in ("portfolio_id", "mode", "scope")),
        ("account", before.request.get("account", {}), after.request.get("account", {})),
        ("portfolio", before.answer.get("portfolio", {}), after.answer.get("portfolio", {})),
        ("policy", before.answer.get("policy", {}), after.answer.get("policy", {})),
        ("inputs", _fingerprints(before.answer), _fingerprints(after.answer)),
        ("versions", before.versions, after.versions),
    ]
    return [change for name, old, new in pairs for change in _changes(name, old, new)]


def _fingerprints(answer: Json) -> Json:
    return {name: value for name, value in answer["inputs"].items() if name not in ALWAYS_DIFFER}


def _changes(name: str, before: Any, after: Any) -> Iterator[dict[str, Any]]:
    for pointer, old, new in changed_values(before, after):
        yield {"name": name + pointer.replace("/", "."), **_pair(old, new)}


def _policy(before: Json, after: Json) -> list[dict[str, Any]] | None:
    old, new = before.get("policy_resolved"), after.get("policy_resolved")
    if old is None or new is None:
        return None
    found = [{"pointer": pointer, **_pair(one, other)} for pointer, one, other in changed_values(old, new)]
    return found[:MAX_POLICY_CHANGES]


def _row(
    key: Identity, before: RecordedAnswer, then: Json | None, after: RecordedAnswer, now: Json | None
) -> dict[str, Any] | None:
    """One row; None where nothing of it changed."""
    old, new = then or {}, now or {}
    changes = list(_row_changes(key, before.request, old, after.request, new))
    limits = limit_changes(old, new)
    target = _pair(old.get("target_quantity"), new.get("target_quantity"))
    order = _pair(old.get("order_quantity"), new.get("order_quantity"))
    same = old.get("steps") == new.get("steps") and all(pair["before"] == pair["after"] for pair in (target, order))
    if then is not None and now is not None and same and not changes:
        return None
    out: dict[str, Any] = {name: value for name, value in zip(NAMES, key, strict=True) if value is not None}
    out["presence"] = "both" if then and now else "vanished" if then else "appeared"
    out["target"], out["order"], out["changes"], out["limits"] = target, order, changes, limits
    out["attribution"], out["unexplained"] = None, _unexplained(then, now)
    if out["unexplained"] is None:
        out["attribution"] = attribution_block(attribute(stages_of(old["steps"]), stages_of(new["steps"])))
        out["attribution"]["unrounded"] = _pair(unrounded(old["steps"]), unrounded(new["steps"]))
    return out


def _row_changes(key: Identity, asked_then: Json, old: Json, asked_now: Json, new: Json) -> Iterator[dict[str, Any]]:
    for name in OUTCOME:
        yield from _changes(name, old.get(name), new.get(name))
    for block, names in (("volatility", VOLATILITY), ("price_used", PRICE)):
        one, other = old.get(block) or {}, new.get(block) or {}
        for name in names:
            yield from _changes(f"{block}.{name}", one.get(name), other.get(name))
    yield from _changes("signal", _signal(asked_then, key), _signal(asked_now, key))


def _signal(request: Json, key: Identity) -> Json:
    """Signal that speaks of a row, the closest one, without its names."""
    symbol, venue, account_id, _ = key
    matching = [
        item
        for item in request.get("signals") or ()
        if item["symbol"] == symbol
        and item.get("venue") in (None, venue)
        and item.get("account_id") in (None, account_id)
    ]
    chosen: Json = max(matching, key=lambda item: sum(item.get(name) is not None for name in NAMES), default={})
    return {name: value for name, value in chosen.items() if name not in NAMES}


def limit_changes(before: Json, after: Json) -> dict[str, Any] | None:
    """Limits that began and ceased to bind; None where an answer has no steps."""
    if "steps" not in before or "steps" not in after:
        return None
    old, new = _bound(before), _bound(after)
    began, ceased = [item for item in new if item not in old], [item for item in old if item not in new]
    return {"began": [_limit(item) for item in began], "ceased": [_limit(item) for item in ceased]}


def _bound(row: Json) -> list[tuple[str, str]]:
    return [(step["stage"], step["parameter"]) for step in row.get("steps") or () if "bound_by" in step]


def _limit(item: tuple[str, str]) -> dict[str, str]:
    return {"stage": item[0], "parameter": item[1]}


def _unexplained(then: Json | None, now: Json | None) -> str | None:
    if then is None or now is None:
        return "the row is in one of the two answers only"
    if "refused" in (then["status"], now["status"]):
        return "a refused row has no size"
    if "steps" not in then or "steps" not in now:
        return "an answer was given without steps: send options.view full and options.explain true"
    return None


def stages_of(steps: Sequence[Json]) -> list[ExplainedStage]:
    """Recorded steps as stages of the core."""
    return [_stage(step, first=place == 0) for place, step in enumerate(steps)]


def _stage(step: Json, *, first: bool) -> ExplainedStage:
    before, after = float(step["in"]), float(step["out"])
    sets = first and before == 0.0 and "bound_by" not in step
    is_factor = ("factor" in step or sets) and step["stage"] not in ADDS
    return ExplainedStage(step["stage"], step["parameter"], before, after, is_factor)


def unrounded(steps: Sequence[Json]) -> str | None:
    """Size before it was rounded [contracts]."""
    if not steps:
        return None
    size: str = steps[-1]["in"] if steps[-1]["stage"] == "rounding" else steps[-1]["out"]
    return size


def attribution_block(found: Attribution) -> dict[str, Any]:
    """Attribution as JSON; statistics keep every digit, so that they add up."""
    return {
        "change": found.after - found.before,
        "size": _pair(found.before, found.after),
        "stages": [_share(share) for share in found.shares],
        "unsplit": None if found.unsplit is None else {"reason": found.unsplit, "contribution": found.unsplit_change},
    }


def _share(share: StageShare) -> dict[str, Any]:
    return {
        "stage": share.key.stage,
        "parameter": share.key.parameter,
        "value": _pair(share.value_before, share.value_after),
        "factor": None if share.factor_before is None else _pair(share.factor_before, share.factor_after),
        "log_change": share.log_change,
        "contribution": share.contribution,
    }
