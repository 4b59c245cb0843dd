"""The adaptive pool on 59 bars of TTR's `ttrc`, against the reference implementation of its specification."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from services.volatility.candles import UNGUARDED, candle_of, guarded
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.moves import Move
from services.volatility.pool import LAYOUTS

BARS = json.loads((Path(__file__).parent.parent / "volatility.json").read_text())["bars"]
EXPERTS = ("r4", "r16", "r64", "r256", "LR", "a4", "a16", "v1", "v4", "v16", "v64", "va1", "va4", "lh")


def moves_of(bars: dict[str, list[float]]) -> list[Move]:
    """Moves with their wicks capped; the first bar gives nothing but a close."""
    opens, highs, lows, closes = (bars[name] for name in ("open", "high", "low", "close"))
    wicks, moves = UNGUARDED, []
    for place in range(1, len(closes)):
        prices = (opens[place], highs[place], lows[place], closes[place], closes[place - 1])
        candle = candle_of(*prices)
        assert candle is not None, prices
        wicks, candle, _ = guarded(wicks, candle)
        moves.append(Move(float(np.log(closes[place] / closes[place - 1])), closes[place], float(place), *candle))
    return moves


def trace(model: Adaptive) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Forecast after each bar, and what the pool has learnt at the end."""

    def compute(case: dict[str, Any]) -> dict[str, Any]:
        memory, path = model.start(), []
        for move in moves_of(BARS[case["inputs"]]):
            memory = model.advance(memory, move)
            path.append(model.variance(memory))
        regression = memory[LAYOUTS[int(memory[1])].regression]
        found = {
            "h_next_after_bar": path,
            "final_weights": dict(zip(EXPERTS, model.weights(memory), strict=False)),
            "effective_halflife": model.effective_half_life(memory),
            "lh_coefs": list(regression[:5]),
        }
        return {name: found[name] for name in case["expected"]}

    return compute


COVERED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "adaptive-trace-ttrc": trace(Adaptive(log_har=False)),
    "adaptive-lh-trace-ttrc": trace(Adaptive()),
    "adaptive-close-trace-ttrc": trace(Adaptive(use_range=False)),
}
