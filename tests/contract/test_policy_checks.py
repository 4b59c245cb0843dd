"""Checks and comparisons of policies over the wire: answers fit, mistakes are placed, stored policies are read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.examples import CHECK, COMPARE, VOLATILITY_TARGET
from app.lifespan import open_container
from app.settings import Settings
from models.api.verification import CheckPolicyAnswer, CheckPolicyRequest, ComparePoliciesAnswer
from services.verification import PROVES
from services.verification.properties import DEFAULT_PROPERTIES
from tests.support import requests
from tests.support.http import client_of

EAGER = {**VOLATILITY_TARGET, "limits": {"max_leverage": 5}, "capital": {"method": "fixed", "capital": 1000}}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with open_container(Settings(data_dir=tmp_path)) as container, client_of(container) as found:
        yield found


async def checked(http: httpx.AsyncClient, **changes: Any) -> CheckPolicyAnswer:
    answer = await http.post("/v1/policies:check", json={**CHECK, **changes})
    assert answer.status_code == 200, answer.text
    return CheckPolicyAnswer.model_validate_json(answer.content)


async def compared(http: httpx.AsyncClient, **changes: Any) -> ComparePoliciesAnswer:
    answer = await http.post("/v1/policies:compare", json={**COMPARE, **changes})
    assert answer.status_code == 200, answer.text
    return ComparePoliciesAnswer.model_validate_json(answer.content)


async def refused(http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> list[tuple[str, str]]:
    answer = await http.post(path, json=body)
    assert answer.status_code == 422, answer.text
    return [(rule["pointer"], rule["detail"]) for rule in answer.json()["errors"]]


async def test_the_example_is_proved(http: httpx.AsyncClient) -> None:
    found = await checked(http)
    assert found.verdict == "proved" and {item.verdict for item in found.findings} == {"proved"}
    assert [item.property.method for item in found.findings] == [item["method"] for item in CHECK["properties"]]
    assert found.proves == PROVES and found.ranges.volatility == (0.1, 2.0) and found.ranges.drawdown == (0.0, 0.0)
    assert found.policy is None and all(item.boxes > 0 and item.points > 0 for item in found.findings)


async def test_a_counterexample_says_where_and_how_much(http: httpx.AsyncClient) -> None:
    """Target 0.2 at 10 % volatility is twice the equity, cut to 1.8 by the no-trade band from flat."""
    cap = [{"method": "leverage_cap", "cap": 1.5}]
    bare = {**CHECK["policy"], "buffer": {"method": "none"}, "limits": {"max_leverage": 3}}
    point = {"volatility": [0.1, 0.1], "direction": [1, 1], "breaker_tiers": [0]}
    found = await checked(http, properties=cap, policy=bare, ranges=point)
    (finding,) = found.findings
    assert found.verdict == finding.verdict == "refuted" and finding.counterexample is not None
    (place,) = finding.counterexample.points
    assert (place.volatility, place.direction, place.breaker_tier) == (0.1, 1.0, 0)
    assert finding.counterexample.figure == "weight"
    assert finding.counterexample.values == [pytest.approx(2.0, rel=1e-6)]


async def test_one_refuted_statement_is_the_verdict_of_all(http: httpx.AsyncClient) -> None:
    several = [{"method": "leverage_cap", "cap": 0.5}, {"method": "tiers_shrink"}]
    found = await checked(http, properties=several)
    assert found.verdict == "refuted" and [item.verdict for item in found.findings] == ["refuted", "proved"]


async def test_without_properties_the_usual_ones_are_checked(http: httpx.AsyncClient) -> None:
    body = {"policy": VOLATILITY_TARGET}
    answer = (await http.post("/v1/policies:check", json=body)).json()
    assert [item["property"]["method"] for item in answer["findings"]] == [item.method for item in DEFAULT_PROPERTIES]
    last = answer["findings"][-1]
    assert last["verdict"] == "refuted", "no overlay listens to the tier"
    assert last["counterexample"]["points"][0]["breaker_tier"] >= 3


async def test_what_is_not_modelled_is_unknown(http: httpx.AsyncClient) -> None:
    policy = {**VOLATILITY_TARGET, "buffer": {"method": "tolerance"}}
    found = await checked(http, policy=policy, properties=[{"method": "leverage_cap"}])
    assert found.verdict == "unknown" and "buffer tolerance" in found.findings[0].detail


async def test_stored_policies_are_named_and_checked_as_stored(http: httpx.AsyncClient) -> None:
    for policy in (COMPARE["old"], COMPARE["new"]):
        stored = await http.post("/v1/policies", json={"policy_id": "desk", "policy": policy})
        assert stored.status_code == 200, stored.text
    found = await checked(http, policy={"id": "desk", "version": 1})
    assert found.policy is not None and (found.policy.id, found.policy.version) == ("desk", 1)
    assert found.assumptions == [] and found.policy_resolved_sha256 == found.policy.sha256
    evaluated = await http.post("/v1/evaluations", json={**requests.smallest(), "policy": {"id": "desk", "version": 1}})
    assert evaluated.json()["inputs"]["policy_resolved_sha256"] == found.policy_resolved_sha256

    both = await compared(http, new={"id": "desk"}, old={"id": "desk", "version": 1})
    assert both.verdict == "refines" and both.counterexample is None
    assert both.new.policy is not None and both.new.policy.version == 2
    assert [item.pointer for item in both.assumptions] == ["/new/version"]
    back = await compared(http, new={"id": "desk", "version": 1}, old={"id": "desk", "version": 2})
    assert back.verdict == "refuted" and back.counterexample is not None
    before, after = back.counterexample.values
    assert after > before


async def test_nothing_is_stored_or_recorded(http: httpx.AsyncClient) -> None:
    await checked(http)
    await compared(http)
    assert (await http.get("/v1/audit/entries")).json()["items"] == []
    assert (await http.get("/v1/policies")).json()["items"] == []


async def test_a_lower_margin_rate_is_told_as_one(http: httpx.AsyncClient) -> None:
    cheap = {**VOLATILITY_TARGET, "margin": {"floor": 0.01}}
    found = await compared(http, new=cheap, old=VOLATILITY_TARGET, ranges={"volatility": [0.01, 0.02]})
    assert found.verdict == "refuted" and found.counterexample is not None
    assert found.counterexample.figure == "initial_margin_rate"
    before, after = found.counterexample.values
    assert after < before


async def test_a_fixed_capital_is_refuted_along_a_drawdown(http: httpx.AsyncClient) -> None:
    falling = [{"method": "non_increasing", "variable": "drawdown"}]
    found = await checked(http, policy=EAGER, properties=falling, ranges={"drawdown": [0, 0.5], "volatility": [1, 1]})
    assert found.verdict == "refuted" and found.findings[0].counterexample is not None
    first, second = found.findings[0].counterexample.points
    assert first.drawdown < second.drawdown and first.volatility == second.volatility


@pytest.mark.parametrize(
    ("changes", "pointer", "text"),
    [
        ({"ranges": {"volatility": [2, 0.1]}}, "/ranges/volatility", "must be [lowest, highest]"),
        ({"ranges": {"volatility": [0, 1]}}, "/ranges/volatility/0", "must be > 0"),
        ({"ranges": {"volatility": [0.1]}}, "/ranges/volatility/1", ""),
        ({"ranges": {"volatility": ["0.1", 2]}}, "/ranges/volatility/0", "must be a JSON number"),
        ({"ranges": {"drawdown": [0, 1]}}, "/ranges/drawdown/1", "must be <= 0.99"),
        ({"ranges": {"breaker_tiers": [5]}}, "/ranges/breaker_tiers/0", "must be <= 4"),
        ({"ranges": {"breaker_tiers": [1, 1]}}, "/ranges/breaker_tiers", "at least one tier, each once"),
        ({"ranges": {"breaker_tiers": []}}, "/ranges/breaker_tiers", "at least one tier"),
        ({"ranges": {"vol": [0.1, 2]}}, "/ranges/vol", "volatility"),
        ({"properties": [{"method": "leverage_caps"}]}, "/properties/0/method", "leverage_cap"),
        ({"properties": [{"method": "leverage_cap", "cap": -1}]}, "/properties/0/cap", "must be > 0"),
        ({"properties": []}, "/properties", "at least 1"),
        ({"properties": [{"method": "leverage_cap"}] * 21}, "/properties", "at most 20"),
        ({"most_boxes": 4001}, "/most_boxes", "must be <= 4000"),
        ({"policy": {"id": "unknown"}}, "/policy/id", "there is no stored policy"),
        ({"policy": {"limits": {}}}, "/policy/sizing", ""),
    ],
)
async def test_wrong_requests_are_told_where(
    http: httpx.AsyncClient, changes: dict[str, Any], pointer: str, text: str
) -> None:
    rules = await refused(http, "/v1/policies:check", {**CHECK, **changes})
    assert [place for place, _ in rules] == [pointer] and text in rules[0][1]


async def test_each_policy_of_a_comparison_has_its_own_place(http: httpx.AsyncClient) -> None:
    wrong = {**COMPARE, "old": {"id": "none"}}
    ((pointer, _),) = await refused(http, "/v1/policies:compare", wrong)
    assert pointer == "/old/id"


def test_the_defaults_of_the_model_are_those_of_the_core() -> None:
    assert CheckPolicyRequest.model_validate({"policy": VOLATILITY_TARGET}).properties == list(DEFAULT_PROPERTIES)
