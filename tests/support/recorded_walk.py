"""Days of decisions on record: a market that is known, walked through with the real service."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np

START = datetime(2026, 1, 10, tzinfo=UTC)
HISTORY = 130


@dataclass(frozen=True)
class Market:
    """Daily bars of one market; day 0 is the last one before the first decision."""

    symbol: str
    closes: np.ndarray
    highs: np.ndarray
    lows: np.ndarray

    @classmethod
    def simulated(cls, symbol: str, seed: int, days: int, price: float = 100.0, volatility: float = 0.03) -> Market:
        """Four steps a day of a walk with constant volatility."""
        steps = np.random.default_rng(seed).normal(0.0, volatility / 2.0, (HISTORY + days, 4))
        path = price * np.exp(np.cumsum(steps).reshape(steps.shape))
        opens = np.concatenate(([price], path[:-1, -1]))
        around = np.column_stack((opens, path))
        return cls(
            symbol, np.round(path[:, -1], 6), np.round(around.max(1) * 1.001, 6), np.round(around.min(1) * 0.999, 6)
        )

    def close(self, day: int) -> float:
        return float(self.closes[HISTORY + day - 1])

    def log_return(self, day: int) -> float:
        """Of the bar that closes on a day."""
        return float(np.log(self.close(day) / self.close(day - 1)))

    def series(self, day: int) -> dict[str, Any]:
        """The last bars up to a day, with their ranges."""
        cut = slice(day, HISTORY + day)
        closes = self.closes[cut].tolist()
        return {
            "symbol": self.symbol,
            "interval": "P1D",
            "calendar": "24/7",
            "end": moment(day),
            "close": closes,
            "open": [closes[0], *closes[:-1]],
            "high": self.highs[cut].tolist(),
            "low": self.lows[cut].tolist(),
        }


def moment(day: int, **later: float) -> str:
    """Close of a day."""
    return (START + timedelta(days=day, **later)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Walk:
    """A portfolio of markets that decides once a day, five seconds after the close."""

    markets: list[Market]
    portfolio_id: str = "desk"
    held: float = 4_500.0
    target_volatility: float = 0.2
    answers: list[dict[str, Any]] = field(default_factory=list)

    def request(self, day: int) -> dict[str, Any]:
        """What the desk sends on a day: it always holds the same notional."""
        rows = [
            {
                "symbol": market.symbol,
                "quantity": f"{self.held / market.close(day):.6f}",
                "mark_price": f"{market.close(day):.6f}",
            }
            for market in self.markets
        ]
        return {
            "portfolio_id": self.portfolio_id,
            "as_of": moment(day, seconds=5),
            "account": {"equity": "1000", "currency": "USD"},
            "positions": rows,
            "series": [market.series(day) for market in self.markets],
            "signals": [{"symbol": market.symbol, "direction": 1} for market in self.markets],
            "policy": {
                "sizing": {"method": "volatility_target", "target_volatility": self.target_volatility},
                "buffer": {"method": "none"},
                "limits": {"max_margin_use": 1.0, "min_liquidation_distance": 0.0},
            },
        }

    async def record(self, http: httpx.AsyncClient, days: range) -> None:
        """Ask the service once for each day."""
        for day in days:
            answer = await http.post("/v1/evaluations", json=self.request(day))
            assert answer.status_code == 200, answer.text
            self.answers.append(answer.json())
