"""What the program does not hold: slow patterns, doors to other hosts, ways to run what was sent.

S14, S24, S31 and S46 of the security checklist.
"""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import time
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import app
import models
import services
from app.redaction import redact

ROOT = Path(__file__).resolve().parents[2]
SERVED = ("app", "models", "services")
LOCAL = ("app/commands", "app/demo", "app/cli.py")
"""Run by a user on a terminal, never by a request."""
LENGTH = 50_000
SECONDS = 0.05
"""Processor time of one search in 50 kB; a pattern that is not linear takes seconds."""


@cache
def sources() -> dict[str, ast.Module]:
    """Every file of the service, parsed."""
    paths = [path for folder in SERVED for path in (ROOT / folder).rglob("*.py")]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in sorted(paths)}


def modules() -> Iterator[ModuleType]:
    """Every module of the service."""
    for package in (app, models, services):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.startswith("app.static"):
                yield importlib.import_module(found.name)


def patterns() -> dict[str, re.Pattern[Any]]:
    """Every regular expression of the service: compiled ones, those of fields, and those that stand in a call."""
    found: dict[str, re.Pattern[Any]] = {}
    for module in modules():
        for value in vars(module).values():
            if isinstance(value, re.Pattern):
                found.setdefault(str(value.pattern), value)
        tree = sources().get(module.__name__.replace(".", "/") + ".py")
        for text in literals(tree, module) if tree is not None else ():
            found.setdefault(text, re.compile(text, re.DOTALL))
    return found


def literals(tree: ast.Module, module: ModuleType) -> Iterator[str]:
    """Patterns that a file names in calls of `re` and in fields."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        given = [item.value for item in node.keywords if item.arg == "pattern"]
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "re":
            given += node.args[:1]
        for value in given:
            text = value.value if isinstance(value, ast.Constant) else getattr(module, getattr(value, "id", ""), None)
            if isinstance(text, str):
                yield text


def texts() -> list[str]:
    """Texts on which careless patterns walk back again and again: long runs, with an end that spoils the match."""
    units = ("a", "A", "0", "-", ".", " ", "/", ":", "_", '"', "\\", "@", "é", "\n", "{", "x123/", "a:", "a://b:", '"a')
    units += ("1.", "a b", "/ ", "[a", "0e", ", ", "a-", "A/", "P1")
    return [unit * (LENGTH // len(unit)) + end for unit in units for end in ("", "!", "\x00")]


def timed(pattern: re.Pattern[Any], text: str) -> float:
    """Processor time of a pattern on a text, as it is used: one that names its end is matched, others search."""
    subject: Any = text.encode() if isinstance(pattern.pattern, bytes) else text
    use = pattern.match if str(pattern.pattern).endswith(("\\Z", "\\Z'")) else pattern.search
    began = time.thread_time()
    use(subject)
    return time.thread_time() - began


def slow(pattern: re.Pattern[Any]) -> str | None:
    """Beginning of a text that takes too long; of three tries the best counts, because a busy machine only adds."""
    for text in texts():
        if timed(pattern, text) > SECONDS and min(timed(pattern, text) for _ in range(2)) > SECONDS:
            return text[:12]
    return None


def test_no_pattern_takes_longer_than_its_text() -> None:
    found = patterns()
    assert len(found) > 50
    assert {text: long for text, pattern in found.items() if (long := slow(pattern)) is not None} == {}


@pytest.mark.parametrize(("pattern", "text"), [(r"\s*x\s*$", " " * 20_000), (r"(\w+://[^\s:/@]*):\S*@", "a" * 20_000)])
def test_a_slow_pattern_is_noticed(pattern: str, text: str) -> None:
    assert timed(re.compile(pattern), text) > SECONDS


@pytest.mark.parametrize("text", texts()[:60:3])
def test_credentials_are_taken_out_of_long_texts_too(text: str) -> None:
    began = time.thread_time()
    assert "hunter2" not in redact(f"{text} postgresql://bot:hunter2@db.example/risk {text}")
    assert time.thread_time() - began < 4 * SECONDS


def imported(tree: ast.Module) -> set[str]:
    """Modules that a file imports."""
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return names | {node.module or "" for node in modules} | {f"{n.module}.{a.name}" for n in modules for a in n.names}


CLIENTS = ("httpx", "requests", "aiohttp", "urllib3", "urllib.request", "http.client", "ftplib", "smtplib", "telnetlib")
CLIENTS += ("websockets.client", "websockets.asyncio.client", "websockets.sync.client", "xmlrpc")


def test_the_service_has_no_client_for_other_hosts() -> None:
    """No address that a caller sends is ever fetched, because nothing that serves requests can fetch one."""
    found = {
        path: names
        for path, tree in sources().items()
        if not path.startswith(LOCAL)
        and (names := {name for name in imported(tree) if any((name + ".").startswith(f"{bad}.") for bad in CLIENTS)})
    }
    assert found == {}


def test_no_request_has_a_field_for_an_address() -> None:
    """Neither web hooks nor sources: nobody can name a host."""
    document = json.loads((ROOT / "tests/contract/openapi.json").read_text())
    text = json.dumps(document["components"]["schemas"])
    fields = set(re.findall(r'"((?:\w+_)?(?:url|uri|webhook|callback|endpoint)s?(?:_\w+)?)": \{', text))
    assert fields == {"max_url_bytes"}, "a limit of GET /v1/limits"
    assert re.findall(r'"format": "(?:uri|url|hostname|iri)[\w-]*"', text) == []


RUNNING = ("pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "jsonpickle", "code", "codeop")


def test_nothing_that_was_sent_can_be_run() -> None:
    """No pickles, no YAML, no evaluation of text."""
    wrong = []
    for path, tree in sources().items():
        wrong += [f"{path} imports {name}" for name in imported(tree) & set(RUNNING)]
        wrong += [
            f"{path}:{node.lineno} calls {node.func.id}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")
        ]
    assert wrong == []


def test_the_linter_bans_it_too() -> None:
    """Rules S301 to S307 and S506 are of this family; no file of the service is excused."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "S" in options["select"]
    assert [rule for rule in options["ignore"] if rule.startswith(("S3", "S5"))] == []
    excused = [
        path for path, rules in options["per-file-ignores"].items() if any(rule.startswith("S") for rule in rules)
    ]
    assert [path for path in excused if path.startswith(SERVED)] == []
    hushed = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in SERVED
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"noqa: .*\bS(30|506)", line)
    ]
    assert hushed == []
