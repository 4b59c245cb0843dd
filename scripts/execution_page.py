"""docs/execution.md: its tables are written from the catalogue, its picture from its examples (`make docs`)."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from app.catalog import catalog
from scripts.volatility_page import IMAGES, ROOT, markdown, parameters, rewritten
from services.core.outcome import REASON_TEXT, Reason

PAGE = ROOT / "docs" / "execution.md"
REASONS = (
    Reason.BUDGET_TOO_SMALL,
    Reason.LIMIT,
    Reason.REFLEXIVE_HEDGE,
    Reason.NO_LEVEL,
    Reason.BELOW_LOT,
    Reason.BELOW_MINIMUM,
    Reason.INSTRUMENT_REQUIRED,
    Reason.VOLATILITY_UNAVAILABLE,
    Reason.STALE_PRICE,
)


def tables() -> dict[str, str]:
    """Name to text of every generated part."""
    blocks = {block["block"]: block["methods"] for block in catalog()["tools"]}
    heading = ("method", "what it is", "needs", "parameters")
    found = {name: markdown(heading, map(row, blocks[name])) for name in ("spacing", "schedule")}
    reasons = [(f"`{code}`", REASON_TEXT[code]) for code in REASONS]
    return {**found, "reasons": markdown(("reason", "meaning"), reasons)}


def row(item: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """A method as the catalogue has it."""
    return f"`{item['method']}`", item["summary"], ", ".join(item["requires"]) or "–", parameters(item)


def main(arguments: Sequence[str]) -> int:
    """Write the tables; without `--tables`, the picture too."""
    PAGE.write_text(rewritten(PAGE.read_text(), tables()))
    if "--tables" not in arguments:
        from scripts.execution_plots import draw

        draw(IMAGES)
    print(f"{PAGE.relative_to(ROOT)} is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
