"""docs/guards.md: its tables are written from the code, the measured one and the picture from data (`make docs`).

Where the data is not there, what was measured stays as it is.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from app.catalog import docstring_sections, parameter_texts
from scripts.oracle_replay import DATA, HEADING, minutes, replay, row, score
from scripts.volatility_page import IMAGES, ROOT, markdown, rewritten
from services.guards.outcome import (
    ORACLE_REASON_TEXT,
    SOURCE_REASON_TEXT,
    STATUS_TEXT,
)
from services.guards.policy import OraclePolicy
from services.guards.staleness import PriceUse, Validity, permitted

PAGE = ROOT / "docs" / "guards.md"
PICTURE = IMAGES / "oracle_depeg.png"


def tables() -> dict[str, str]:
    """Name to text of every part that the code alone decides."""
    return {
        "statuses": codes("status", STATUS_TEXT),
        "reasons": codes("reason of a symbol", ORACLE_REASON_TEXT),
        "sources": codes("reason of a source", SOURCE_REASON_TEXT),
        "uses": uses(),
        "policy": policy(),
    }


def codes(heading: str, texts: Mapping[Any, str]) -> str:
    """Codes with their meaning."""
    return markdown((heading, "meaning"), [(f"`{code}`", text) for code, text in texts.items()])


def uses() -> str:
    """What a price of each validity is good for."""
    rows = [
        (use.value, *("yes" if permitted(use, frozenset({kind})) else "–" for kind in Validity)) for use in PriceUse
    ]
    return markdown(("use", *(kind.value for kind in Validity)), rows)


def policy() -> str:
    """Parameters with their defaults."""
    texts = parameter_texts(docstring_sections(inspect.getdoc(OraclePolicy) or "")["Parameters"])
    rows = [
        (f"`{field.name}`", _default(field.default), texts[field.name]) for field in dataclasses.fields(OraclePolicy)
    ]
    return markdown(("parameter", "default", "meaning"), rows)


def _default(value: object) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, int | float) else str(value)


def kept(text: str, name: str) -> str:
    """What stands in a place of the page now.

    Examples
    --------
    >>> kept("<!-- begin a -->\\nold\\n<!-- end a -->", "a")
    'old\\n'
    """
    found = re.search(rf"<!-- begin {name} -->\n(.*?)<!-- end {name} -->", text, re.DOTALL)
    return found[1] if found else ""


def main(arguments: Sequence[str]) -> int:
    """Write the tables; where the data is there and without `--tables`, the measured one and the picture too."""
    text = PAGE.read_text()
    measured = kept(text, "measured")
    if "--tables" not in arguments and DATA.exists():
        from scripts.oracle_plot import draw

        found = list(minutes())
        answers = replay(found)
        measured = markdown(HEADING, [row(name, score(found, priced)) for name, priced in answers.items()])
        draw(found, answers, PICTURE)
    PAGE.write_text(rewritten(text, {**tables(), "measured": measured}))
    print(f"{PAGE.relative_to(ROOT)} is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
