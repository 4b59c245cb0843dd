"""The README of the client, its Python run as written against a fresh service."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.service import running

CLIENT = Path(__file__).parents[2] / "clients" / "python"
BLOCKS = re.findall(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(), re.S)


def test_every_block_runs_in_turn(tmp_path: Path) -> None:
    with running(tmp_path / "data") as service:
        program = "\n".join(BLOCKS).replace("http://127.0.0.1:8000", service.url)
        found = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            env={**os.environ, "PYTHONPATH": str(CLIENT / "src")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert found.returncode == 0, found.stderr
    one, refused, live = found.stdout.splitlines()
    assert one.startswith("BTC-PERP ok ")
    assert refused.startswith("invalid_request /account/equity must be a plain decimal")
    assert live.startswith("[('BTC-PERP', Decimal(")


def test_the_wheel_holds_the_package_and_says_that_it_is_typed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=CLIENT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(wheel)], check=True, capture_output=True, text=True
    )
    held = {line.split()[0] for line in listed.stdout.splitlines()[1:]}
    package = CLIENT / "src" / "trimtab_client"
    source = {str(path.relative_to(package.parent)) for path in package.rglob("*") if path.suffix in (".py", ".typed")}
    assert source <= held
    assert "trimtab_client/py.typed" in held
