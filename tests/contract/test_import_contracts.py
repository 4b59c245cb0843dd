"""The import contracts hold, and they notice what they claim to notice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("app", "models", "services", "migrations")


COMMAND = """
import sys
sys.path.insert(0, ".")
from importlinter.cli import lint_imports
sys.exit(lint_imports(no_cache=True))
"""


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the source tree at `root`."""
    return subprocess.run([sys.executable, "-P", "-c", COMMAND], cwd=root, capture_output=True, text=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources that a test may spoil."""
    for package in PACKAGES:
        ignore = shutil.ignore_patterns("__pycache__", "static")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignore)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def test_all_contracts_are_kept() -> None:
    answer = lint(ROOT)
    assert answer.returncode == 0, answer.stdout
    assert " 0 broken." in answer.stdout


def test_a_package_without_a_place_among_the_layers_fails(tree: Path) -> None:
    (tree / "services" / "newcomer").mkdir()
    (tree / "services" / "newcomer" / "__init__.py").touch()
    answer = lint(tree)
    assert answer.returncode != 0
    assert "newcomer" in answer.stdout


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("services/core/decimals.py", "import models.api.base", "never back"),
        ("models/api/base.py", "import app.ports", "never back"),
        ("services/core/decimals.py", "import services.sizing.registry", "Layers of the functional core"),
        ("services/sizing/rounding.py", "import services.margin.registry", "Layers of the functional core"),
        ("services/core/decimals.py", "import pydantic", "is pure"),
        ("services/core/decimals.py", "import logging", "is pure"),
        ("services/core/decimals.py", "import time", "is pure"),
        ("models/api/base.py", "import models.db", "do not know each other"),
        ("models/api/base.py", "import fastapi", "no transport"),
        ("migrations/env.py", "import services.core", "know the tables only"),
        ("app/routes/__init__.py", "import numpy", "no numerics"),
        ("app/usecases/call.py", "import sqlalchemy", "Use cases see ports"),
        ("app/translate/__init__.py", "import app.adapters", "touch adapters"),
        (
            "services/sizing/methods/constant_leverage.py",
            "import services.sizing.methods.volatility_target",
            "never import one another",
        ),
    ],
)
def test_a_forbidden_import_is_noticed(tree: Path, module: str, statement: str, contract: str) -> None:
    path = tree / module
    path.write_text(path.read_text() + f"\n{statement}\n")
    answer = lint(tree)
    assert answer.returncode != 0
    broken = [line for line in answer.stdout.splitlines() if " BROKEN" in line]
    assert any(contract in line for line in broken), answer.stdout
