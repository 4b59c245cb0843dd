"""docs/overlays.md: its table is written from the code (`make docs`); the rest of the page is written by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

from app.catalog import catalog
from app.shapes import tag_of
from scripts.volatility_page import markdown, parameters, rewritten
from services.sizing.registry import Overlay

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "overlays.md"
SENT_IN = {
    "books": "`books[]` or `pools[]`",
    "chains": "`chains[]`",
    "events": "`events[]`",
    "flow": "`flow[]`",
    "greeks": "`positions[].greeks`, or `implied_volatility` with a forward",
    "implied_volatility": "`volatilities[].implied_volatility_change`, or `series[].implied_volatility`",
    "oracles": "`oracles[]`",
    "previous": "`previous`",
    "price": "a price",
    "protocols": "`protocols[]`",
    "signals": "`signals[]` with `as_of`",
    "venues": "`venues[]`",
    "volatility": "a volatility of each row",
    "volatility_path": "a posted series of 100 bars (for a shock, or `volatilities[].shock_volatility`)",
}
"""Requirement of an overlay to where a request says it."""


def tables() -> dict[str, str]:
    """Name to text of every generated part."""
    (methods,) = [block["methods"] for block in catalog()["blocks"] if block["block"] == "overlays"]
    acts_on = {tag_of(member): member.acts_on for member in get_args(Overlay)}
    rows = [
        (
            f"`{item['method']}`",
            item["summary"],
            acts_on[item["method"]],
            ", ".join(SENT_IN[name] for name in item["requires"]) or "–",
            parameters(item),
        )
        for item in methods
    ]
    return {"overlays": markdown(("overlay", "multiplier", "acts on", "needs", "parameters"), rows)}


def main() -> int:
    """Write the table."""
    PAGE.write_text(rewritten(PAGE.read_text(), tables()))
    print(f"{PAGE.relative_to(ROOT)} is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
