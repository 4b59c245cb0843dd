"""docs/sizing.md: its tables are written from the catalogue and from back-tests, its picture drawn (`make docs`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.progress import track

from app.catalog import catalog
from scripts.sizing_gallery import HEADING, NOT_HERE, Walked, book, line, policies, walked
from scripts.volatility_page import markdown, parameters, rewritten

ROOT = Path(__file__).resolve().parents[1]
PAGE, PICTURE = ROOT / "docs" / "sizing.md", ROOT / "docs" / "images" / "sizing_gallery.png"
BLOCKS = ("capital", "scaling", "split", "damping", "buffer", "rounding", "costs")
"""Blocks of a policy around its method, beside overlays and limits."""


def methods(block: str) -> list[Mapping[str, Any]]:
    """Methods of a block, as the catalogue has them."""
    found: list[Mapping[str, Any]] = next(item["methods"] for item in catalog()["blocks"] if item["block"] == block)
    return found


def method_table() -> str:
    """Every sizing method: what it does, what it needs, its parameters."""
    rows = [(f"`{item['method']}`", item["summary"], needs(item), parameters(item)) for item in methods("sizing")]
    return markdown(("method", "what it is", "needs besides price and volatility", "parameters"), rows)


def needs(item: Mapping[str, Any]) -> str:
    """Figures that each row must have besides its price and volatility."""
    return ", ".join(f"`{name}`" for name in item["requires"] if name not in ("price", "volatility")) or "–"


def block_table() -> str:
    """Every choice of the blocks around the method."""
    rows = [
        (f"`{block}`", f"`{item['method']}`" if item["method"] else "–", item["summary"], parameters(item))
        for block in BLOCKS
        for item in methods(block)
    ]
    return markdown(("block", "method", "what it is", "parameters"), rows)


def walks() -> Iterator[Walked]:
    """Every method of the gallery on its book."""
    markets = book()
    for name, policy in policies().items():
        yield walked(name, policy, markets)


def gallery_table(items: Sequence[Walked]) -> str:
    """Figures of every method."""
    return markdown(HEADING, [line(item) for item in items])


def main(arguments: Sequence[str]) -> int:
    """Write the tables; without `--tables`, the gallery and its picture too."""
    parts = {"methods": method_table(), "blocks": block_table(), "absent": absent_text()}
    text = PAGE.read_text()
    if "--tables" not in arguments:
        from scripts.sizing_plots import draw

        items = list(track(walks(), "walking", total=len(policies())))
        draw(items, PICTURE)
        parts["gallery"] = gallery_table(items)
    else:
        parts["gallery"] = part_of(text, "gallery")
    PAGE.write_text(rewritten(text, parts))
    print(f"{PAGE.relative_to(ROOT)} is up to date")
    return 0


def absent_text() -> str:
    """Methods that are not in the gallery."""
    here = {item["method"] for item in methods("sizing")}
    return "".join(f"- `{name}` {reason}.\n" for name, reason in NOT_HERE.items() if name in here)


def part_of(text: str, name: str) -> str:
    """What stands in a generated part of a page."""
    return text.partition(f"<!-- begin {name} -->\n")[2].partition(f"<!-- end {name} -->")[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
