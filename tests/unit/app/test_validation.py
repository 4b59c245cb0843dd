"""Broken rules: each points into the document that the client sent, names the rule and teaches."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from app.examples import SMALLEST
from app.problems import RULES
from app.shapes import homes_of, locate
from app.teaching import INSTEAD, SYNONYMS
from app.validation import MAX_DETAIL, broken_rules
from models.api.evaluation import EvaluationRequest
from models.api.grid import GridRequest
from models.api.schedule import ScheduleRequest

SERIES = {"symbol": "A", "interval": "P1D", "end": "2019-10-17T00:00:00Z", "close": [1.0, 2.0]}


def rules_of(changes: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(pointer, code, detail) of the smallest request with values put at pointers."""
    body: dict[str, Any] = copy.deepcopy(SMALLEST)
    for pointer, value in changes.items():
        *parents, last = pointer.strip("/").split("/")
        here: Any = body
        for part in parents:
            here = here[int(part)] if isinstance(here, list) else here[part]
        here[int(last) if isinstance(here, list) else last] = value
    with pytest.raises(ValidationError) as caught:
        EvaluationRequest.model_validate(body)
    rules, count = broken_rules(caught.value, EvaluationRequest)
    assert count >= len(rules) >= 1
    return [(rule.pointer, rule.code, rule.detail) for rule in rules]


TARGET = "/policy/sizing/target_volatility"


@pytest.mark.parametrize(
    ("changes", "pointer", "code", "words"),
    [
        ({TARGET: 20}, TARGET, "out_of_range", ["<= 3", "20", "0.20 is 20 %"]),
        ({TARGET: 350.5}, TARGET, "out_of_range", ["<= 3"]),
        ({TARGET: "0.2"}, TARGET, "wrong_type", ["number without quotes", "'0.2'"]),
        ({TARGET: True}, TARGET, "wrong_type", ["true"]),
        (
            {"/policy/sizing/tgt_volatility": 1},
            "/policy/sizing/tgt_volatility",
            "unknown_field",
            ["target_volatility?"],
        ),
        ({"/policy/sizing": {}}, "/policy/sizing/method", "method_required", ["'volatility_target'"]),
        ({"/policy/sizing/method": "vol-target"}, "/policy/sizing/method", "unknown_method", ["volatility_target?"]),
        (
            {"/policy/estimator": {"method": "figarch"}},
            "/policy/estimator/method",
            "unknown_method",
            ["'ewma'", "'figarch'"],
        ),
        ({"/policy/margin": {"model": {"method": "x"}}}, "/policy/margin/model/method", "unknown_method", ["'sigma_"]),
        ({"/policy/margin": {"model": 5}}, "/policy/margin/model", "wrong_type", ["object", "5"]),
        ({"/policy/max_leverage": 2}, "/policy/max_leverage", "unknown_field", ["/policy/limits"]),
        ({"/equity": "1"}, "/equity", "unknown_field", ["belongs in /account"]),
        ({"/positions/0/side": "buy"}, "/positions/0/side", "unknown_field", ["signed"]),
        ({"/positions/0/markPrice": "1"}, "/positions/0/markPrice", "unknown_field", ["mark_price?"]),
        ({"/positions/0/px": "1"}, "/positions/0/px", "unknown_field", ["mark_price?"]),
        ({"/positions": [{"symbol": "A"}]}, "/positions/0/quantity", "required", ['such as "0.85"']),
        ({"/signals/0/direction": 2}, "/signals/0/direction", "out_of_range", ["-1 (short)", "forecast"]),
        ({"/signals/0/half_life": "5 days"}, "/signals/0/half_life", "bad_format", ["ISO 8601", "P5D?"]),
        ({"/series/0/interval": "15m"}, "/series/0/interval", "bad_format", ["PT15M?"]),
        ({"/series/0/interval": "1M"}, "/series/0/interval", "bad_format", ["ISO 8601"]),
        ({"/series/0/calendar": "NYSE"}, "/series/0/calendar", "not_allowed", ["'XNYS'", "XNYS?"]),
        (
            {"/series/0/calendar": {"periods_per_year": 0}},
            "/series/0/calendar/periods_per_year",
            "out_of_range",
            ["> 0"],
        ),
        ({"/series/0/calendar": {"days": 252}}, "/series/0/calendar/days", "unknown_field", ["periods_per_year"]),
        ({"/as_of": 1571270405}, "/as_of", "bad_time", ["RFC 3339", "1571270405"]),
        ({"/as_of": "2019-10-17"}, "/as_of", "bad_time", ["RFC 3339|time zone|input is too short"]),
        ({"/as_of": "yesterday"}, "/as_of", "bad_time", ["RFC 3339"]),
        ({"/account/equity": "1e5"}, "/account/equity", "bad_decimal", ["plain decimal", "'1e5'"]),
        ({"/account/equity": []}, "/account/equity", "bad_decimal", ["a list of 0"]),
        ({"/account/currency": "US Dollar"}, "/account/currency", "bad_format", ["letters, digits or dots"]),
        ({"/positions/0/symbol": "BTC PERP"}, "/positions/0/symbol", "bad_format", ["without spaces"]),
        ({"/portfolio_id": "a b"}, "/portfolio_id", "bad_format", ["underscore"]),
        ({"/series": [SERIES, SERIES]}, "/series", "duplicate_row", ["more than once"]),
        ({"/series/0/close": []}, "/series/0/close", "too_long", ["1 to 20000"]),
        ({"/options": {"explain": 1}}, "/options/explain", "wrong_type", ["true or false"]),
        ({"/policy": {"id": "desk", "sizing": {}}}, "/policy/sizing", "inconsistent", ["beside no id", "version with"]),
        ({"/policy": {"id": "desk", "preset": "default"}}, "/policy/preset", "inconsistent", ["beside no id"]),
        ({"/policy": {"id": "a b"}}, "/policy/id", "bad_format", ["letters"]),
        ({"/policy": {"id": 7}}, "/policy/id", "wrong_type", ["string", "7"]),
        ({"/policy": {"id": "desk", "version": 0}}, "/policy/version", "out_of_range", [">= 1"]),
        ({"/policy": {"id": "desk", "version": True}}, "/policy/version", "wrong_type", ["whole"]),
        ({"/policy": {"version": 2}}, "/policy", "inconsistent", ["name the preset", "send id"]),
        ({"/policy": {}}, "/policy/sizing", "required", ["volatility_target"]),
        ({"/policy": 5}, "/policy", "wrong_type", ["object", "5"]),
        ({"/policy": None}, "/policy", "wrong_type", ["object", "null"]),
        ({"/policy": {"policy_id": "desk"}}, "/policy/policy_id", "unknown_field", ['"id"']),
        ({"/policy/preset": "bold"}, "/policy", "unknown_preset", ["crypto_perp_conservative"]),
        ({"/positions/0/position_side": "short"}, "/positions/0", "inconsistent", ["signed"]),
    ],
)
def test_each_mistake_is_named_at_its_place(changes: dict[str, Any], pointer: str, code: str, words: list[str]) -> None:
    rules = rules_of(changes)
    found = {place: (rule, detail) for place, rule, detail in rules}
    assert pointer in found, rules
    assert found[pointer][0] == code, rules
    for word in words:
        assert any(part in found[pointer][1] for part in word.split("|")), rules


def test_a_value_that_fits_no_branch_of_a_union_is_reported_once() -> None:
    assert len(rules_of({"/series/0/calendar": "NYSE"})) == 1
    assert len(rules_of({"/series/0/calendar": {"days": 252, "periods_per_year": 252}})) == 1


def test_at_most_twenty_rules_are_listed_and_all_are_counted() -> None:
    body = {**SMALLEST, **{f"x{index}": 1 for index in range(50)}}
    with pytest.raises(ValidationError) as caught:
        EvaluationRequest.model_validate(body)
    rules, count = broken_rules(caught.value, EvaluationRequest)
    assert (len(rules), count) == (20, 50)


def test_hostile_names_and_values_stay_short() -> None:
    for name in ("a" * 5000, "\u202e\n\x00", "é" * 300):
        ((pointer, _, detail),) = rules_of({f"/{name.replace('/', '')}": "x" * 10_000})
        assert len(pointer) <= 170
        assert pointer.isprintable()
        assert len(detail) <= MAX_DETAIL
    ((_, _, detail),) = rules_of({"/client_reference": "secret " * 1000})
    assert "secret" not in detail


def test_every_code_is_in_the_catalogue() -> None:
    seen = set()
    for changes in (
        {TARGET: 20},
        {TARGET: "x"},
        {"/zzz": 1},
        {"/as_of": 1},
        {"/series/0/close": [True]},
        {"/positions": 1},
    ):
        seen |= {code for _, code, _ in rules_of(changes)}
    assert seen <= set(RULES)


def test_tables_of_names_lead_to_fields_that_exist() -> None:
    known = set(homes_of(EvaluationRequest)) | {"close_time", "method", "max_leverage"}
    tools = set(homes_of(GridRequest)) | set(homes_of(ScheduleRequest))
    for name, meant in SYNONYMS.items():
        assert set(meant) <= known | tools, f"{name} leads nowhere: {set(meant) - known - tools}"
    assert not set(INSTEAD) & (known - {"periods_per_year", "leverage"})


def test_locations_lose_the_labels_of_unions() -> None:
    place = locate(EvaluationRequest, ("policy", "PolicyIn", "sizing", "volatility_target", "target_volatility"))
    assert place.parts == ("policy", "sizing", "target_volatility")
    assert "derisk_only" in place.siblings
    labelled = locate(EvaluationRequest, ("series", 3, "calendar", "CalendarIn", "periods_per_year"))
    assert labelled.parts == ("series", 3, "calendar", "periods_per_year")
