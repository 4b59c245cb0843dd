"""The picture of docs/scorecard.md, docs/images/scorecard.png; `python -m scripts.scorecard_page` draws it.

Three simulated markets whose volatility wanders, with the ranges of their days, walked through with the real service: a
desk that sizes to 20 % and holds a leveraged position in each.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from app.commands.scorecard_plot import draw
from app.lifespan import open_container
from app.main import create_app
from app.settings import Settings
from services.core.explain import Floats

IMAGE = Path(__file__).resolve().parent.parent / "docs" / "images" / "scorecard.png"
DAYS, WINDOW, STEPS = 400, 200, 96
START = datetime(2025, 1, 1, tzinfo=UTC)
MARKETS = (("AAA", 0.025, 120_000.0), ("BBB", 0.035, 80_000.0), ("CCC", 0.015, 200_000.0))
"""Symbol, long-run volatility of a day, and what is held [USD]."""


def simulated(seed: int, volatility: float) -> tuple[Floats, Floats, Floats]:
    """Close, low and high of each day: log volatility is an autoregression, a day has 96 steps."""
    rng = np.random.default_rng(seed)
    level, levels = 0.0, []
    for shock in rng.standard_normal(DAYS + WINDOW):
        level = 0.97 * level + 0.12 * shock
        levels.append(level)
    steps = rng.standard_normal((DAYS + WINDOW, STEPS)) * (volatility * np.exp(levels) / np.sqrt(STEPS))[:, None]
    path = 100.0 * np.exp(np.cumsum(steps).reshape(steps.shape))
    return path[:, -1], path.min(axis=1), path.max(axis=1)


def request(day: int, bars: dict[str, tuple[Floats, Floats, Floats]]) -> dict[str, Any]:
    """What the desk sends after the close of a day."""
    end, cut = START + timedelta(days=day), slice(day, day + WINDOW)
    series, positions = [], []
    for symbol, _, held in MARKETS:
        close, low, high = (np.round(column[cut], 6).tolist() for column in bars[symbol])
        opened = [close[0], *close[:-1]]
        ranges = {
            "low": [min(pair) for pair in zip(low, opened, strict=True)],
            "high": [max(pair) for pair in zip(high, opened, strict=True)],
        }
        fixed = {"symbol": symbol, "interval": "P1D", "calendar": "24/7", "end": end.isoformat()}
        series.append(fixed | {"open": opened, "close": close} | ranges)
        positions.append({"symbol": symbol, "quantity": f"{held / close[-1]:.6f}", "mark_price": f"{close[-1]:.6f}"})
    return {
        "portfolio_id": "desk",
        "as_of": (end + timedelta(seconds=5)).isoformat(),
        "account": {"equity": "36000", "currency": "USD"},
        "positions": positions,
        "series": series,
        "signals": [{"symbol": symbol, "direction": 1} for symbol, *_ in MARKETS],
        "policy": {"sizing": {"method": "volatility_target", "target_volatility": 0.2}, "buffer": {"method": "none"}},
    }


async def scorecard(folder: Path) -> dict[str, Any]:
    """Card of the walk."""
    bars = {symbol: simulated(seed, volatility) for seed, (symbol, volatility, _) in enumerate(MARKETS)}
    async with open_container(Settings(data_dir=folder)) as container:
        transport = httpx.ASGITransport(app=create_app(container.settings, container))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            for day in range(DAYS):
                (await http.post("/v1/evaluations", json=request(day, bars))).raise_for_status()
            return dict((await http.get("/v1/scorecard")).json())


def main() -> int:
    """Walk, and draw."""
    with tempfile.TemporaryDirectory() as folder:
        card = asyncio.run(scorecard(Path(folder)))
    draw(card, IMAGE)
    for part, name in (("forecasts", "qlike_gain"), ("tracking", "realized_to_target"), ("touches", "bias")):
        print(part, name, card[part][name]["value"], card[part][name]["standard_error"])
    print(card["tails"]["coverage"], card["touches"]["bins"], card["touches"]["excluded"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
