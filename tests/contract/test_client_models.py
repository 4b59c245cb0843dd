"""The client's models are what the contract gives, and read every documented answer."""

from __future__ import annotations

import json

import pytest
from pydantic import AwareDatetime, TypeAdapter

from app.operations import OPERATIONS
from scripts import client_models
from trimtab_client import models
from trimtab_client.calls import encode

EXAMPLES = [
    (operation.operation_id, name, operation.body.__name__, body)
    for operation in OPERATIONS
    if operation.body is not None
    for name, (_, body) in operation.examples.items()
]


def test_they_are_current() -> None:
    """After a change of the contract: `python -m scripts.client_models`."""
    assert client_models.formatted(client_models.generate()) == client_models.MODELS.read_text()


@pytest.mark.parametrize(("operation", "name", "model", "body"), EXAMPLES, ids=lambda value: str(value)[:40])
def test_every_documented_body_goes_through_the_client_unchanged(
    operation: str, name: str, model: str, body: dict[str, object]
) -> None:
    made = getattr(models, model).model_validate(body)
    again = json.loads(encode(made))
    assert plain(again) == plain(body)


def plain(value: object) -> object:
    """1 and 1.0 are one number, "0.5" and 0.5 one decimal, two spellings of a moment one moment."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return _moment(value)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _moment(text: str) -> object:
    try:
        return TypeAdapter(AwareDatetime).validate_python(text)
    except ValueError:
        return text
