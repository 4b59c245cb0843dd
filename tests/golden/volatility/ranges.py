"""TTR's volatility() and ATR(), and the weights of Garman–Klass and Yang–Zhang."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from services.core.explain import Floats
from services.volatility import ranges
from services.volatility.estimators.average_true_range import average_true_range
from services.volatility.estimators.close_to_close import CloseToClose
from services.volatility.estimators.garman_klass import GarmanKlass
from services.volatility.estimators.interface import VarianceModel
from services.volatility.estimators.parkinson import Parkinson
from services.volatility.estimators.rogers_satchell import RogersSatchell
from services.volatility.estimators.yang_zhang import YangZhang
from services.volatility.moves import Moves

BARS = json.loads((Path(__file__).parent.parent / "volatility.json").read_text())["bars"]


def bars_of(case: dict[str, Any]) -> dict[str, Floats]:
    """Columns of the case, or of the bars that it names."""
    inputs = BARS[case["inputs"]] if isinstance(case["inputs"], str) else case["inputs"]
    return {name: np.array(values, dtype=float)[None, :] for name, values in inputs.items()}


def moves_of(bars: dict[str, Floats], skipped: int) -> Moves:
    """Moves from bar `skipped` on; bar 0, without a close before it, starts at its own open."""
    opened, high, low, close = (bars[name] for name in ("open", "high", "low", "close"))
    before = np.concatenate([opened[:, :1], close[:, :-1]], axis=-1)
    logs = (opened / before, high / opened, low / opened, close / opened)
    overnight, up, down, body = (np.log(ratio)[:, skipped:] for ratio in logs)
    returns, times = np.log(close / before)[:, skipped:], np.arange(close.shape[-1])[None, skipped:].astype(float)
    return Moves(returns, close[:, skipped:], times, overnight, up, down, body)


def series(path: Floats) -> dict[str, Any]:
    """TTR's NA is null."""
    return {"series": [None if math.isnan(value) else value for value in path.tolist()]}


def textbook(make: Callable[[int], VarianceModel], skipped: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Annual volatility by an estimator that looks at all but the first `skipped` bars."""

    def compute(case: dict[str, Any]) -> dict[str, Any]:
        model, moves = make(case["params"]["n"]), moves_of(bars_of(case), skipped)
        path = np.sqrt(model.variance_path(moves)[0] * case["params"]["N"])
        return series(np.concatenate([np.full(skipped, np.nan), path]))

    return compute


def close_to_close(case: dict[str, Any]) -> dict[str, Any]:
    """TTR's n counts prices, ours returns."""
    return textbook(lambda prices: CloseToClose(window=prices - 1, mean="sample"), 1)(case)


def true_range(case: dict[str, Any]) -> dict[str, Any]:
    bars = bars_of(case)
    return series(ranges.true_range(bars["high"], bars["low"], bars["close"])[0])


def wilder(case: dict[str, Any]) -> dict[str, Any]:
    bars = bars_of(case)
    return series(average_true_range(bars["high"], bars["low"], bars["close"], case["params"]["n"])[0])


def yang_zhang_weights(case: dict[str, Any]) -> dict[str, Any]:
    return {bars: ranges.yang_zhang_weight(int(bars)) for bars in case["expected"]}


def overnight_weights(case: dict[str, Any]) -> dict[str, Any]:
    del case
    efficiencies = {"a_gk": ranges.GARMAN_KLASS_EFFICIENCY, "a_parkinson": ranges.PARKINSON_EFFICIENCY}
    return {name: ranges.overnight_weight(efficiency) for name, efficiency in efficiencies.items()}


COVERED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "ttr-close-n10-N260": close_to_close,
    "ttr-garman.klass-n10-N260": textbook(
        lambda bars: GarmanKlass(window=bars, overnight=False, match_close_variance=False), 0
    ),
    "ttr-parkinson-n10-N260": textbook(
        lambda bars: Parkinson(window=bars, overnight=False, match_close_variance=False), 0
    ),
    "ttr-rogers.satchell-n10-N260": textbook(
        lambda bars: RogersSatchell(window=bars, overnight=False, match_close_variance=False), 0
    ),
    "ttr-gk.yz-n10-N260": textbook(lambda bars: GarmanKlass(window=bars, match_close_variance=False), 1),
    "ttr-yang.zhang-n10-N260": textbook(lambda bars: YangZhang(window=bars, match_close_variance=False), 1),
    "ttr-tr": true_range,
    "ttr-atr14": wilder,
    "yz-k": yang_zhang_weights,
    "gk-combination-weight": overnight_weights,
}
