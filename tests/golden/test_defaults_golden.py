"""What a program of older defaults answered, recomputed by this one from its record: the same bytes."""

from __future__ import annotations

import base64
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.ports import EventKind, StoredEntry
from app.translate.policy import policy_fields
from app.usecases.read_evaluations import differences, recompute
from models.api.policy import RECORDED_DEFAULTS, HedgesPolicyIn, MarginPolicyIn, PolicyIn
from services.engine.policy import DEFAULTS_VERSION, default_policy

CASES: list[dict[str, Any]] = orjson.loads(Path(__file__).with_name("defaults_2.json").read_bytes())["cases"]


def entry(case: dict[str, Any]) -> StoredEntry:
    known: dict[str, Any] = dict.fromkeys((field.name for field in fields(StoredEntry)), None)
    known |= {
        "kind": EventKind(case["kind"]),
        "event_id": orjson.loads(case["response"])["evaluation_id"],
        "request": orjson.dumps(case["request"]),
        "response": case["response"].encode(),
        "state": base64.b64decode(case["state"]),
        "versions": b'{"defaults":2}',
        "recorded_at": datetime(2026, 11, 20, 0, 0, 6, tzinfo=UTC),
    }
    return StoredEntry(**known)


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_answers_of_defaults_version_2_are_recomputed_to_the_byte(case: dict[str, Any]) -> None:
    stored = entry(case)
    again = recompute(stored)
    assert differences(orjson.loads(stored.response), orjson.loads(again)) == []
    assert again == stored.response


def test_the_cases_tell_the_defaults_apart() -> None:
    """Under the defaults of now their margins would be others: else the test above says nothing."""
    stored = entry(CASES[0])
    newest = b'"defaults_version":%d' % DEFAULTS_VERSION
    again = recompute(replace(stored, response=stored.response.replace(b'"defaults_version":2', newest)))
    pointers = {item["pointer"] for item in differences(orjson.loads(stored.response), orjson.loads(again))}
    assert "/margin/current/method_used/0" in pointers
    assert "/inputs/policy_resolved_sha256" in pointers


@pytest.mark.parametrize(("version", "method"), [(1, "ewma"), (2, "adaptive"), (3, "adaptive")])
def test_a_policy_of_no_fields_is_the_default_of_its_version(version: int, method: str) -> None:
    sent = {"sizing": {"method": "volatility_target", "target_volatility": 0.2}}
    context = {RECORDED_DEFAULTS: version}
    policy = PolicyIn.model_validate(sent, context=context).resolved()
    preset = PolicyIn.model_validate({**sent, "preset": "default", "version": version}).resolved()
    assert policy_fields(policy) == policy_fields(preset)
    assert policy.estimator.method == method
    assert policy.margin == default_policy(version).margin
    assert MarginPolicyIn.model_validate({}, context=context).resolved() == default_policy(version)
    hedging = {"hedging": {"instrument": "A", "max_delta": 0.1}}
    assert HedgesPolicyIn.model_validate(hedging, context=context).resolved().margin == policy.margin


def test_what_was_sent_wins_over_the_defaults_of_its_time() -> None:
    sent = {"margin": {"floor": 0.02, "model": {"method": "lognormal_expected_shortfall"}}}
    found = MarginPolicyIn.model_validate(sent, context={RECORDED_DEFAULTS: 2}).resolved().margin
    assert (found.floor, found.model.method) == (0.02, "lognormal_expected_shortfall")
    floor = MarginPolicyIn.model_validate({"margin": {"floor": 0.02}}, context={RECORDED_DEFAULTS: 2}).resolved().margin
    assert (floor.floor, floor.model.method) == (0.02, "sigma_multiple")
