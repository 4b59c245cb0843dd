"""Option chains of Deribit beside the repository, where there are any; prices are in coin."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.core.explain import Floats
from services.options.chain import Quotes
from tests.evaluation.series import DATA

FILES = {
    "BTC 2020-05-21": "options_btc_deribit_20200521_with_depth",
    "ETH 2024-01-08": "options_eth_deribit_20240108",
    "BTC 2026-05-21": "options_btc_deribit_20260521",
    "ETH 2026-05-21": "options_eth_deribit_20260521",
    "calm 2026-01-15": "options_btc_eth_deribit_20260115_calm",
    "crash 2026-02-03/06": "options_btc_deribit_seq_20260203_06_crash",
}
_WHOLE_FILE = "BTC 2020-05-21"
"""A book a row, taken over three minutes: one chain, with the forward that each row had."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordedChain:
    """Quotes of one underlying at one time [s since 1970]."""

    group: str
    underlying: str
    as_of: float
    quotes: Quotes


def recorded_chains() -> list[RecordedChain]:
    """Every chain there is, in order of time within its group; none without the files."""
    found = []
    for group, name in FILES.items():
        path = DATA / f"{name}.csv.gz"
        if path.exists():
            with gzip.open(path, "rt") as lines:
                found += _chains(group, list(csv.DictReader(lines)))
    return found


def _chains(group: str, rows: list[dict[str, str]]) -> list[RecordedChain]:
    parts: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        parts["" if group == _WHOLE_FILE else row["snapshot"], row["underlying"]].append(row)
    chains = [
        RecordedChain(group, underlying, max(_seconds(row["snapshot"]) for row in part), _quotes(part))
        for (_, underlying), part in parts.items()
    ]
    return sorted(chains, key=lambda chain: (chain.underlying, chain.as_of))


def _quotes(rows: list[dict[str, str]]) -> Quotes:
    def column(name: str) -> Floats:
        return np.array([float(row.get(name) or "nan") for row in rows])

    return Quotes(
        expiry=np.array([_seconds(row["expiry"]) for row in rows]),
        strike=column("strike"),
        right=np.array([1.0 if row["cp"] == "C" else -1.0 for row in rows]),
        forward=column("futures_price"),
        bid=column("bid"),
        ask=column("ask"),
        mark=np.full(len(rows), np.nan),
        volatility=np.full(len(rows), np.nan),
        age_seconds=np.full(len(rows), np.nan),
        in_base=True,
    )


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
