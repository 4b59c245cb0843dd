"""Dashboard and alerts name metrics and labels that exist, and every alert has its place in the runbook."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.problems import PROBLEMS
from app.telemetry import IN_DOUBT, Telemetry

ROOT = Path(__file__).parents[3]
ALERTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text())["groups"][0]["rules"]
PANELS: list[dict[str, Any]] = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text())["panels"]
EXPRESSIONS = [rule["expr"] for rule in ALERTS] + [target["expr"] for panel in PANELS for target in panel["targets"]]
FUNCTIONS = {"rate", "increase", "histogram_quantile"}
TELEMETRY = Telemetry()
COLLECTORS: dict[str, Any] = TELEMETRY.registry._names_to_collectors  # there is no public list
RENDERED = set(re.findall(r"^([a-z_]+)", TELEMETRY.render().decode(), re.MULTILINE))
"""Also those of the process, which have no entry before they are read."""


def is_sample(name: str) -> bool:
    """Whether the registry gives samples of this name: a counter's end in _total, a histogram's in _bucket."""
    return name in RENDERED or (name in COLLECTORS and not {f"{name}_total", f"{name}_bucket"} & COLLECTORS.keys())


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_and_label_is_in_the_registry(expression: str) -> None:
    bare = re.sub(r'"[^"]*"', '""', expression)
    groups = re.findall(r"by \(([^)]*)\)", bare)
    plain = re.sub(r"by \([^)]*\)", "", bare)
    named = [item for item in re.findall(r"\b([a-z_]{4,})\b(?!\s*[=!])(\{[^}]*\})?", plain) if item[0] not in FUNCTIONS]
    named = [(name, labels) for name, labels in named if name not in re.findall(r"(\w+)\s*(?:=|!=|=~)\"", plain)]
    assert named and all(is_sample(name) for name, _ in named), named
    for name, labels in named:
        have = {*getattr(COLLECTORS.get(name), "_labelnames", ()), "instance", "le"}
        assert set(re.findall(r"(\w+)\s*[=!]", labels)) <= have
        assert len(named) > 1 or set(re.findall(r"\w+", " ".join(groups))) <= have


def test_a_metric_that_is_not_there_is_noticed() -> None:
    assert (
        is_sample("audit_queue_depth") and is_sample("http_requests_total") and is_sample("audit_commit_seconds_bucket")
    )
    assert not any(map(is_sample, ("audit_queue", "http_requests", "audit_commit_seconds", "log_bytes")))


def test_codes_of_expressions_and_of_counters_are_problem_codes() -> None:
    codes = {code for expression in EXPRESSIONS for code in re.findall(r'code="([^"]+)"', expression)}
    assert {*codes, IN_DOUBT} <= PROBLEMS.keys() and PROBLEMS[IN_DOUBT].outcome == "unknown"


def test_every_alert_is_in_the_runbook_and_nothing_else_is() -> None:
    text = (ROOT / "docs/runbook.md").read_text()
    assert set(re.findall(r"^### (Trimtab\w+)$", text, re.MULTILINE)) == {rule["alert"] for rule in ALERTS}
    assert all(rule["labels"]["severity"] in ("page", "ticket") and rule["annotations"]["summary"] for rule in ALERTS)


def test_panels_do_not_share_a_number_or_a_place() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in PANELS}) == len(PANELS)
