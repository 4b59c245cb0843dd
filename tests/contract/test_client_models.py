"""The client's models are what the contract gives, and read every documented answer."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from app.operations import OPERATIONS
from scripts import client_models
from trimtab_client import models
from trimtab_client.calls import encode

EXAMPLES = [
    pytest.param(operation.body, body, id=f"{operation.operation_id}-{name}")
    for operation in OPERATIONS
    if operation.body is not None
    for name, (_, body) in operation.examples.items()
]


def test_they_are_current() -> None:
    """After a change of the contract: `python -m scripts.client_models`."""
    assert client_models.formatted(client_models.generate()) == client_models.MODELS.read_text()


@pytest.mark.parametrize(("model", "body"), EXAMPLES)
def test_the_service_reads_every_documented_body_the_same_through_the_client(
    model: type[BaseModel], body: dict[str, object]
) -> None:
    through = encode(getattr(models, model.__name__).model_validate(body))
    assert model.model_validate(json.loads(through)) == model.model_validate(body)
