"""docs/vaults.md: its tables are written from the catalogue and the reasons of candidates (`make docs`)."""

from __future__ import annotations

import sys

from app.catalog import catalog
from scripts.execution_page import row
from scripts.volatility_page import ROOT, markdown, rewritten
from services.core.outcome import REASON_TEXT, Reason
from services.hedging.vault_plan import VERDICT_TEXT

PAGE = ROOT / "docs" / "vaults.md"
REASONS = (
    Reason.NO_EDGE,
    Reason.NO_CANDIDATE,
    Reason.BELOW_LOT,
    Reason.LIMIT,
    Reason.EXPIRED,
    Reason.VOLATILITY_UNAVAILABLE,
    Reason.STALE_PRICE,
)


def tables() -> dict[str, str]:
    """Name to text of every generated part."""
    blocks = {block["block"]: block["methods"] for block in catalog()["tools"]}
    candidates = [(f"`{verdict}`", text) for verdict, text in VERDICT_TEXT.items()]
    return {
        "vault": markdown(("method", "what it is", "needs", "parameters"), map(row, blocks["vault"])),
        "candidates": markdown(("reason", "meaning"), candidates),
        "reasons": markdown(("reason", "meaning"), [(f"`{code}`", REASON_TEXT[code]) for code in REASONS]),
    }


def main() -> int:
    """Write the tables."""
    PAGE.write_text(rewritten(PAGE.read_text(), tables()))
    print(f"{PAGE.relative_to(ROOT)} is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
