"""Commands and answers of a page in Markdown, run as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parents[2]
WRITTEN_URL = "http://127.0.0.1:8000"
"""Where the documentation expects the service."""
_FENCE = re.compile(r"```(sh|json)\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Example:
    """A command, and the part of its answer that is printed below it; None where nothing is."""

    command: str
    answer: Any


def examples(text: str) -> list[Example]:
    """Commands of a page, in order."""
    return list(_examples([(kind, body) for kind, body in _FENCE.findall(text)]))


def _examples(fences: list[tuple[str, str]]) -> Iterator[Example]:
    for place, (kind, body) in enumerate(fences):
        following = fences[place + 1] if place + 1 < len(fences) else ("", "")
        if kind == "sh":
            yield Example(body, orjson.loads(following[1]) if following[0] == "json" else None)


def output(command: str, url: str) -> bytes:
    """What a command prints in the root of the repository, with the service at `url`."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "TRIMTAB_URL": url}
    done = subprocess.run(
        ["sh", "-ec", command.replace(WRITTEN_URL, url)],
        check=True,
        capture_output=True,
        timeout=60,
        cwd=ROOT,
        env=environment,
    )
    return done.stdout


def difference(whole: Any, part: Any, tolerance: float = 0.0, where: str = "") -> str | None:
    """Where `part` is not `whole` with some fields of objects left out and numbers rounded; None where it is."""
    if isinstance(part, dict) and isinstance(whole, dict):
        missing = [f"{where}/{key} is absent" for key in part if key not in whole]
        pairs = [(f"{where}/{key}", whole.get(key), value) for key, value in part.items()]
    elif isinstance(part, list) and isinstance(whole, list):
        missing = [] if len(part) == len(whole) else [f"{where} has {len(whole)} items, not {len(part)}"]
        pairs = [(f"{where}/{place}", *both) for place, both in enumerate(zip(whole, part, strict=False))]
    else:
        missing, pairs = [] if _same(whole, part, tolerance) else [f"{where} is {whole!r}, not {part!r}"], []
    found = [*missing, *(difference(inner, wanted, tolerance, place) for place, inner, wanted in pairs)]
    return next((text for text in found if text is not None), None)


def _same(whole: Any, part: Any, tolerance: float) -> bool:
    if isinstance(part, float) and isinstance(whole, float):
        return abs(whole - part) <= tolerance * abs(part)
    return isinstance(whole, bool) is isinstance(part, bool) and bool(whole == part)
