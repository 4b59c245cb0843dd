"""Stored forms of policies: what comes back is what was stored, to the fingerprint, whatever the method."""

from __future__ import annotations

import dataclasses
from typing import Any

import orjson
import pytest

from app.catalog import catalog
from app.translate.policy import added_since, narrowed, policy_fields, policy_sha256, resolved_json, restored
from models.api.policy import PRESETS, HedgesPolicyIn, MarginPolicyIn, PolicyIn
from services.core.errors import InvalidInput
from services.engine.policy import OPTIONAL_BLOCKS, Policy

SIZING = {"method": "volatility_target", "target_volatility": 0.2}
ONE_OF: dict[str, dict[str, Any]] = {
    "risk_budget": {"budget_fraction": 0.01},
    "value_at_risk": {"value_at_risk": 0.02},
    "volatility_rebalancing": {"account_volatility": 0.2},
}
"""Methods without a required parameter of which one of several must be given."""


def default_methods() -> list[dict[str, Any]]:
    """A policy for each method of the catalogue whose parameters all have defaults."""
    found = []
    for block in catalog()["blocks"]:
        for method in block["methods"]:
            if method["method"] is None or any(parameter["required"] for parameter in method["parameters"]):
                continue
            value: Any = {"method": method["method"], **ONE_OF.get(method["method"], {})}
            found.append({"sizing": SIZING, block["block"]: [value] if block["block"] == "overlays" else value})
    return found


HEDGING = {"method": "threshold", "instrument": "BTC-PERP", "max_delta": 0.1}
CASES = [
    *({**policy, "sizing": policy.get("sizing", SIZING)} for policy in PRESETS.values()),
    *default_methods(),
    {"sizing": SIZING, "breakers": {}},
    {"sizing": SIZING, "breakers": {"enter": [0.4, 0.6, 0.7, 0.8], "leave": [0.3, 0.5, 0.6], "reduce_to": 0.5}},
    {"sizing": SIZING, "collateral": {}},
    {"sizing": SIZING, "collateral": {"method": "volatility_haircut", "other_floor": 0.2}, "contagion": {}},
    {"sizing": SIZING, "contagion": {"tightening": {"cap": 2.0}, "distress": {"peg_weight": 0.0}}},
    {"sizing": SIZING, "hedging": HEDGING},
    {"sizing": SIZING, "margin": {"model": {"method": "sigma_multiple"}}},
    {"sizing": SIZING, "hedging": HEDGING, "hedge_optimizer": {"instruments": ["BTC-PERP", "CALL"], "max_delta": 0.0}},
    {"sizing": SIZING, "hedging": HEDGING, "hedge_gate": {"poll_seconds": 5}},
    {
        "sizing": SIZING,
        "hedging": HEDGING,
        "hedge_execution": {
            "schedule": {"method": "scale_by_time", "spacing_seconds": 60, "fractions": [0.5, 0.5]},
            "reflexivity": {},
            "collar": {},
        },
    },
]


@pytest.mark.parametrize("sent", CASES, ids=lambda sent: "-".join(sent)[:60])
def test_a_stored_policy_comes_back_equal_with_the_same_fingerprint(sent: dict[str, Any]) -> None:
    policy = PolicyIn.model_validate(sent).resolved()
    again = restored(resolved_json(policy))
    assert again == policy
    assert policy_sha256(again) == policy_sha256(policy)
    assert added_since(resolved_json(policy)) == ()
    blocks = {field.name for field in dataclasses.fields(Policy)}
    assert set(policy_fields(again)) == blocks - {name for name in OPTIONAL_BLOCKS if getattr(policy, name) is None}


def test_there_is_a_case_of_most_methods() -> None:
    assert len(default_methods()) >= 15


def test_what_a_build_added_is_named_and_nothing_else() -> None:
    content = orjson.loads(resolved_json(PolicyIn.model_validate({"sizing": SIZING}).resolved()))
    del content["orders"]
    del content["limits"]["max_margin_use"]
    assert added_since(orjson.dumps(content)) == ("limits.max_margin_use", "orders")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"limits": {"largest_leverage": 2.0}}, "limits.largest_leverage"),
        ({"retired_block": {}}, "retired_block"),
        ({"estimator": {"method": "retired"}}, "estimator"),
        ({"sizing": {**SIZING, "target_volatility": 9.0}}, "target_volatility"),
    ],
)
def test_what_this_build_does_not_know_is_refused(change: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInput, match="does not read") as refused:
        restored(orjson.dumps({"sizing": SIZING, **change}))
    assert refused.value.parameter == "policy.version"
    assert place in refused.value.found


def test_the_narrow_doors_take_their_blocks_and_no_other() -> None:
    sent = {"limits": {"max_leverage": 1.0}, "margin": {"floor": 0.09}}
    hedging = {"method": "threshold", "instrument": "BTC-PERP", "max_delta": 0.1}
    policy = PolicyIn.model_validate({"sizing": SIZING, "hedging": hedging, **sent}).resolved()
    assert narrowed(policy, MarginPolicyIn) == MarginPolicyIn.model_validate(sent).resolved()
    expected = HedgesPolicyIn.model_validate({"limits": sent["limits"], "hedging": hedging}).resolved()
    assert narrowed(policy, HedgesPolicyIn) == expected


def test_the_fingerprint_holds_the_version_of_the_defaults() -> None:
    policy = PolicyIn.model_validate({"sizing": SIZING}).resolved()
    assert policy_sha256(policy, 1) != policy_sha256(policy)
