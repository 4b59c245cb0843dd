"""docs/overlays.md says what the code does."""

from __future__ import annotations

import json
import re
from typing import get_args

import pytest

from app.catalog import catalog
from app.shapes import tag_of
from models.api.policy import PolicyIn
from scripts.overlays_page import PAGE, SENT_IN, tables
from scripts.volatility_page import rewritten
from services.sizing.overlays.data_age import DataAge
from services.sizing.registry import Overlay
from tests.support.overlays import effect, view

TEXT = PAGE.read_text()


def test_the_table_is_that_of_the_code() -> None:
    assert rewritten(TEXT, tables()) == TEXT, "run make docs"


def test_every_requirement_is_known_and_used() -> None:
    required = {name for member in get_args(Overlay) for name in member.requires}
    assert required == set(SENT_IN)


def test_every_overlay_that_is_named_exists() -> None:
    methods = {tag_of(member) for member in get_args(Overlay)}
    answer = {"data_missing", "increase_blocked", "overlay_contagion", "target_volatility", "volatility_target"}
    fields = {
        item["name"] for block in catalog()["blocks"] for method in block["methods"] for item in method["parameters"]
    }
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", TEXT)) - answer - fields
    assert named - methods - {"as_of", "implied_volatility"} == set()


def test_the_example_is_a_policy() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    policy = PolicyIn.model_validate(json.loads("{" + example + "}")["policy"])
    assert len(policy.overlays) == 4


def test_half_a_bar_takes_eighteen_per_cent() -> None:
    (found,) = effect(DataAge(), view([1.0], bar_seconds=[2.0], data_age_seconds=[1.0]))
    assert 1.0 - found == pytest.approx(0.18, abs=0.005)
