"""RiskMetrics 2006 as arch starts it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from arch.data import sp500

from services.core.explain import Floats
from services.volatility.estimators.riskmetrics2006 import RiskMetrics2006, mixture_path


def arch_backcast(squares: Floats, decays: list[float]) -> Floats:
    """arch's start of each average: weights μ^i over the first returns, down to a weight of 1 %. It looks ahead."""
    starts = []
    for place, decay in enumerate(decays):
        end = int(max(min(math.floor(math.log(0.01) / math.log(decay)), squares.size), place))
        weights = decay ** np.arange(end)
        starts.append(float(weights @ squares[:end] / weights.sum()))
    return np.array(starts)


def riskmetrics2006(case: dict[str, Any]) -> dict[str, Any]:
    params = case["params"]
    model = RiskMetrics2006(shortest=params["tau1"], cutoff=params["tau0"], components=params["kmax"])
    returns = 100.0 * sp500.load()["Adj Close"].pct_change().dropna().to_numpy()[:1000]
    decays = np.exp(-1.0 / model.scales).tolist()
    start = arch_backcast(returns**2, decays)
    path = mixture_path(returns[None, :] ** 2, model.scales, model.weights, start)[0]
    volatility = np.sqrt(np.concatenate([[model.weights @ start], path]))
    return {
        "weights": model.weights.tolist(),
        "decay": decays,
        "vol_at_index": {index: volatility[int(index)] for index in case["expected"]["vol_at_index"]},
    }


COVERED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"riskmetrics2006": riskmetrics2006}
