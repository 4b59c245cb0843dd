"""Errors of pydantic and of the core as broken rules: the place, the rule, what was found, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from app.body import pointer_of
from app.problems import BrokenRule
from app.shapes import Place, locate
from app.teaching import SCALES, close_match, example_of, found, interval_hint, pattern_rule, percent_hint, suggestion
from models.api.problem import MAX_ERRORS
from services.core.errors import InvalidInput

MAX_DETAIL = 320
MAX_POINTER = 160
Context = Mapping[str, Any]
_BOUNDS = {
    "greater_than": ("gt", ">"),
    "greater_than_equal": ("ge", ">="),
    "less_than": ("lt", "<"),
    "less_than_equal": ("le", "<="),
}
_LENGTHS = {"too_short": ("min_length", "at least"), "too_long": ("max_length", "at most")}
_KINDS = {
    "float": "a JSON number without quotes",
    "int": "a whole JSON number",
    "bool": "true or false",
    "string": "a string",
    "list": "a list",
    "model": "an object",
    "model_attributes": "an object",
    "dataclass": "an object",
    "dict": "an object",
}
_CODES = {
    "finite_number": "not_finite",
    "decimal": "bad_decimal",
    "decimal_precision": "bad_decimal",
    "decimal_range": "bad_decimal",
    "timezone_aware": "bad_time",
    "price": "bad_prices",
    "ohlcv": "bad_prices",
    "too_many_points": "too_many_points",
    "duplicate_row": "duplicate_row",
    "unknown_preset": "unknown_preset",
    "switch_scope": "bad_format",
    "market_name": "bad_format",
    "too_long": "too_long",
    "too_short": "too_short",
    "string_too_long": "too_long",
    "string_too_short": "too_short",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "value_error": "rule",
    "assertion_error": "rule",
}
"""Codes of errors whose own text is good enough."""
_AT_FIELD = frozenset({"duplicate_row", "inconsistent"})
"""Codes of errors of an object that name the field where the trouble lies."""


def broken_rules(error: ValidationError, root: type | None) -> tuple[list[BrokenRule], int]:
    """At most 20 broken rules of a request, and how many were found.

    Parameters
    ----------
    error : ValidationError
        Of validating a request.
    root : type, optional
        Model that was validated.
    """
    located = [(item, locate(root, item["loc"])) for item in _first(error)]
    wanted = _without_other_branches(located)
    rules = [_rule(item, place, root) for item, place in wanted[:MAX_ERRORS]]
    return rules, max(error.error_count() - len(located) + len(wanted), len(rules))


def _first(error: ValidationError) -> list[Any]:
    return list(error.errors(include_url=False))[: 4 * MAX_ERRORS]


def _without_other_branches(located: list[tuple[Any, Place]]) -> list[tuple[Any, Place]]:
    # A value that fits no member of a union is reported once for each member: keep the member that it resembles.
    kept = []
    for item, place in located:
        if place.branch is None:
            kept.append((item, place))
            continue
        rivals = [
            other
            for other, there in located
            if there.branch and there.branch[0] == place.branch[0] and there.branch != place.branch
        ]
        is_object_branch = item["type"] in ("model_type", "model_attributes_type", "dataclass_type")
        wrong_shape = is_object_branch or (item["type"] == "literal_error" and isinstance(item["input"], dict))
        if not (wrong_shape and rivals):
            kept.append((item, place))
    return kept


def _rule(item: Any, place: Place, root: type | None) -> BrokenRule:
    name = str(place.parts[-1]) if place.parts else ""
    translate = _TRANSLATIONS.get(item["type"])
    parts = place.parts
    if translate is None:
        code, detail = _other(item, name)
        parts = (*parts, item["ctx"]["field"]) if code in _AT_FIELD and "field" in item.get("ctx", {}) else parts
    else:
        code, detail = translate(item, name, place, root)
        parts = (*parts, "method") if code in ("unknown_method", "method_required") and name != "method" else parts
    return BrokenRule(pointer_of([_short(part) for part in parts])[:MAX_POINTER], code, detail[:MAX_DETAIL])


def _short(part: str | int) -> str | int:
    return part if isinstance(part, int) or (len(part) <= 64 and part.isprintable()) else ascii(part)[1:60] + "…"


def _other(item: Any, name: str) -> tuple[str, str]:
    kind, _, what = item["type"].rpartition("_")
    context = item.get("ctx") or {}
    if item["type"] in _BOUNDS and (key := _BOUNDS[item["type"]][0]) in context:
        return _bound(item["input"], name, _BOUNDS[item["type"]][1], float(context[key]))
    if item["type"] in _LENGTHS and "actual_length" in context:
        key, words = _LENGTHS[item["type"]]
        return item["type"], f"must hold {words} {context[key]}, found {found(item['input'])}"
    if item["type"] == "int_from_float":
        return "wrong_type", f"must be a whole JSON number, found {found(item['input'])}"
    if what in ("type", "parsing") and kind in _KINDS:
        scale = f": {SCALES[name]}" if name in SCALES else ""
        return "wrong_type", f"{_own_text(item) or 'must be ' + _KINDS[kind]}, found {found(item['input'])}{scale}"
    if item["type"].startswith("datetime"):
        text = _own_text(item) or "must be an RFC 3339 time with a zone, such as '2026-11-20T00:00:05Z'"
        return "bad_time", f"{text}, found {found(item['input'])}"
    code = _CODES.get(item["type"], "inconsistent" if not context.get("error") else "rule")
    shown = (
        ""
        if code in ("inconsistent", "duplicate_row", "too_many_points", "unknown_preset")
        else f", found {found(item['input'])}"
    )
    return code, f"{_lowered(item['msg'])}{shown}"


def _own_text(item: Any) -> str:
    return item["msg"] if item["msg"].startswith(("must", "needs")) else ""


def _lowered(text: str) -> str:
    text = (
        text.removeprefix("Value error, ")
        .removeprefix("Assertion failed, ")
        .replace("Input should", "must")
        .replace("Value should", "must")
    )
    return text if text.isupper() else text[:1].lower() + text[1:]


def _bound(value: Any, name: str, sign: str, bound: float) -> tuple[str, str]:
    hint = (percent_hint(name, value, bound) if sign in ("<", "<=") else "") or SCALES.get(name, "")
    return "out_of_range", f"must be {sign} {bound:.15g}, found {found(value)}" + (f": {hint}" if hint else "")


def _missing(item: Any, name: str, place: Place, root: type | None) -> tuple[str, str]:
    return "required", f"is required{example_of(name)}"


def _unknown(item: Any, name: str, place: Place, root: type | None) -> tuple[str, str]:
    hint = suggestion(name, place.siblings, root, pointer_of(place.parts[:-1]))
    return "unknown_field", f"unknown field {name[:40]!a}" + (f": {hint}" if hint else "")


def _untagged(item: Any, name: str, place: Place, root: type | None) -> tuple[str, str]:
    return "method_required", f"is required: {_choice(list(place.tags))}" if place.tags else "is required"


FEW_METHODS = 8


def _unknown_tag(item: Any, name: str, place: Place, root: type | None) -> tuple[str, str]:
    tags, tag = _tags(item), item["ctx"].get("tag", "")
    hint = close_match(tag, tags)
    seen = f"found {found(tag)}" + (f": {hint}" if hint else "")
    # A long list is cut at its end: what was found and meant comes before it.
    many = len(tags) > FEW_METHODS
    return "unknown_method", f"{seen}; must be {_choice(tags)}" if many else f"must be {_choice(tags)}, {seen}"


def _tags(item: Any) -> list[str]:
    return [tag.strip(" '") for tag in (item.get("ctx") or {}).get("expected_tags", "").split(",") if tag.strip(" '")]


def _choice(values: list[str]) -> str:
    *most, last = [repr(value) for value in values]
    return f"{', '.join(most)} or {last}" if most else last


def _literal(item: Any, name: str, place: Place, root: type | None) -> tuple[str, str]:
    expected = item["ctx"]["expected"]
    hint = close_match(item["input"], [text.strip(" '") for text in expected.replace(" or ", ",").split(",")])
    code = "unknown_method" if name == "method" else "not_allowed"
    return code, f"must be {expected}, found {found(item['input'])}" + (f": {hint}" if hint else "")


def _pattern(item: Any, name: str, place: Place, root: type | None) -> tuple[str, str]:
    rule = pattern_rule(item["ctx"]["pattern"])
    hint = interval_hint(item["input"]) if "8601" in rule else ""
    return "bad_format", f"{rule}, found {found(item['input'])}" + (f": {hint}" if hint else "")


_TRANSLATIONS: dict[str, Callable[[Any, str, Place, type | None], tuple[str, str]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "unexpected_keyword_argument": _unknown,
    "union_tag_not_found": _untagged,
    "union_tag_invalid": _unknown_tag,
    "literal_error": _literal,
    "string_pattern_mismatch": _pattern,
}


def core_rule(error: InvalidInput) -> BrokenRule:
    """Broken rule of the functional core.

    Examples
    --------
    >>> core_rule(InvalidInput("series.0.end", "must not lie after as_of", "2027")).pointer
    '/series/0/end'
    """
    detail = f"{error.rule}, found {error.found}" + (f": {error.remedy}" if error.remedy else "")
    return BrokenRule(pointer_of(error.parameter.split("."))[:MAX_POINTER], "rule", detail[:MAX_DETAIL])
