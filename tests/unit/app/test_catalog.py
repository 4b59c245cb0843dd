"""The catalogue is read from the parameter objects, so it can be wrong in one way only: by leaving something out."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from app.catalog import catalog
from app.shapes import elements_of, fields_of, members_of, tag_of
from models.api.discovery import CatalogAnswer
from models.api.policy import PolicyIn


def test_every_method_of_a_tool_is_there() -> None:
    tools = {block["block"]: [method["method"] for method in block["methods"]] for block in catalog()["tools"]}
    assert tools == {
        "spacing": ["linear", "geometric", "volatility"],
        "schedule": ["twap", "participation", "almgren_chriss", "scale_by_time", "scale_by_price"],
        "vault": ["covered_call", "cash_secured_put", "protective_put", "collar", "put_spread"],
        "surface": ["svi", "essvi", "flat"],
    }


def methods() -> list[tuple[str, dict[str, Any]]]:
    """(block, method) of the catalogue, nested ones too."""
    found, blocks = [], [*catalog()["blocks"], *catalog()["tools"]]
    queue = [(block["block"], method) for block in blocks for method in block["methods"]]
    for name, method in queue:
        found.append((name, method))
        queue += [(name, inner) for parameter in method["parameters"] for inner in parameter.get("methods", ())]
    return found


def kinds(annotation: Any) -> list[Any]:
    """Members of a block's union; of a list of overlays, those of its elements."""
    return [kind for member in members_of(annotation) for kind in elements_of(member) or [member]]


def test_every_block_of_a_policy_and_every_member_of_its_union_is_there() -> None:
    blocks = {block["block"]: {method["method"] for method in block["methods"]} for block in catalog()["blocks"]}
    expected = {
        name: {tag_of(member) for member in kinds(info.annotation)}
        for name, info in PolicyIn.model_fields.items()
        if name not in ("preset", "version")
    }
    assert blocks == expected


def test_every_field_is_a_parameter() -> None:
    for name, info in PolicyIn.model_fields.items():
        for kind in kinds(info.annotation) if fields_of(kinds(info.annotation)[0]) else ():
            listed = next(method for block, method in methods() if block == name and method["method"] == tag_of(kind))
            wanted = {field.name for field in dataclasses.fields(kind)} - {"method"}
            assert {parameter["name"] for parameter in listed["parameters"]} == wanted


@pytest.mark.parametrize(
    ("block", "method"), methods(), ids=lambda item: item if isinstance(item, str) else item["method"]
)
def test_every_method_explains_itself(block: str, method: dict[str, Any]) -> None:
    assert method["summary"].endswith((".", ".`", "]"))
    for parameter in method["parameters"]:
        assert parameter["description"], f"{block}.{method['method']}.{parameter['name']} has no description"
        assert parameter["required"] or "default" in parameter


def test_bounds_and_units_are_told() -> None:
    target = next(method for _, method in methods() if method["method"] == "volatility_target")["parameters"][0]
    assert (target["name"], target["exclusive_minimum"], target["maximum"], target["required"]) == (
        "target_volatility",
        0.0,
        3.0,
        True,
    )
    half_life = next(method for _, method in methods() if method["method"] == "ewma")["parameters"][0]
    assert (half_life["unit"], half_life["default"]) == ("bars", 20.0)


def test_the_answer_fits_its_model() -> None:
    CatalogAnswer.model_validate(catalog())
