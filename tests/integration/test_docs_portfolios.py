"""docs/portfolios.md says what the service does: every command, every field of a registration."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from models.api.portfolio import RegisterPortfolioRequest
from tests.support.documents import ROOT, difference, examples, output
from tests.support.service import ServiceProcess, running

TEXT = (ROOT / "docs" / "portfolios.md").read_text()
EXAMPLES = examples(TEXT)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(tmp_path_factory.mktemp("docs")) as process:
        yield process


def test_every_command_gives_what_is_printed_below_it(service: ServiceProcess) -> None:
    """In order: the later ones read what the former stored, and what the live engine made of it.

    A reader takes a moment from one to the next. Without it the engine may see the registration of a portfolio when its
    snapshot is there already, and decide twice; the second decision acts on nothing, and is the newer one.
    """
    assert len(EXAMPLES) == 10
    for example in EXAMPLES:
        assert example.answer is not None
        assert difference(json.loads(output(example.command, service.url)), example.answer) is None
        time.sleep(1.0 if "-X PUT" in example.command else 0.0)


def test_every_field_of_a_registration_is_explained_and_no_other() -> None:
    (table,) = re.findall(r"\| field \| says \|\n(.*?)\n\n", TEXT, re.DOTALL)
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(RegisterPortfolioRequest.model_fields)
