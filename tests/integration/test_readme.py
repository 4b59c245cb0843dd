"""The README's examples, run as written against a fresh embedded service."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.documents import difference, output
from tests.support.service import ServiceProcess, running

README = (Path(__file__).parents[2] / "README.md").read_text()
SHELL = re.findall(r"```sh\n(.*?)```", README, re.S)
JSON = [orjson.loads(block) for block in re.findall(r"```json\n(.*?)```", README, re.S)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(tmp_path_factory.mktemp("readme")) as process:
        yield process


def curls() -> list[list[str]]:
    """Arguments of every curl command, in order."""
    commands = [
        command for block in SHELL for command in re.split(r"\n(?=curl )", block) if command.startswith("curl ")
    ]
    return [shlex.split(command) for command in commands]


def run(service: ServiceProcess, command: list[str]) -> dict[str, Any]:
    return dict(orjson.loads(output(shlex.join(command), service.url)))


def test_the_first_curl_gives_the_answer_that_is_printed(service: ServiceProcess) -> None:
    answer = run(service, curls()[0])
    assert difference(answer["targets"][0], JSON[0]) is None
    assert (answer["mode"], answer["orders"], answer["assumptions"]) == ("historical", [], [])
    assert answer["audit"]["durable"] is True


def test_the_arithmetic_of_the_explanation(service: ServiceProcess) -> None:
    """The prose: 100,000 / 7993.5, times 0.20 / 0.6013, times 0.9, in lots of 0.001."""
    target = JSON[0]
    annual = run(service, curls()[0])["targets"][0]["volatility"]["annual"]
    assert annual == pytest.approx(0.6013, abs=5e-5)
    assert 0.2 / annual == pytest.approx(target["scalar"], rel=1e-6)
    assert float(f"{100_000 / 7993.5 * 0.2 / annual * 0.9:.4f}") == pytest.approx(3.7447, abs=1e-4)
    assert float(target["target_quantity"]) - float(target["current_quantity"]) == pytest.approx(
        float(target["order_quantity"])
    )


def test_observations_and_the_scalar_behave_as_told(service: ServiceProcess) -> None:
    fed = run(service, curls()[1])
    assert fed["outcomes"] == ["accepted", "accepted"]
    scalar = run(service, curls()[2])
    assert (scalar["status"], scalar["reason"], scalar["scalar"]) == ("refused", "insufficient_history", None)


def test_every_path_that_is_named_exists(service: ServiceProcess) -> None:
    root = Path(__file__).parents[2]
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README) + re.findall(r"`(tests/[\w/.]+|app/demo/data/)`", README)
    assert links
    assert [link for link in links if not (root / link).exists()] == []
    named = set(re.findall(r"`(?:GET|POST|PUT|GET/PUT) (/[\w/.:{}]+)`", README))
    spelled = run(service, ["curl", "-s", f"{service.url}/openapi.json"])["paths"]
    paths = {re.sub(r"\{\w+\}", "{id}", path) for path in spelled}
    assert {re.sub(r"\{\w+\}", "{id}", path) for path in named if path.startswith("/v1")} <= paths
