"""Golden cases of the labels: the Hamilton filter and Lee–Mykland's critical value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from arch.data import sp500

from services.volatility import jumps, regime


def hamilton(case: dict[str, Any]) -> dict[str, Any]:
    """statsmodels' filter at statsmodels' estimates; its returns are simple ones, in percent."""
    fitted = case["params"]
    returns = 100.0 * sp500.load()["Adj Close"].pct_change().dropna().to_numpy()[-1500:]
    model = regime.TwoStates(
        calm=math.sqrt(fitted["sigma2.0"]),
        stress=math.sqrt(fitted["sigma2.1"]),
        stay_calm=fitted["p[0->0]"],
        stay_stress=1.0 - fitted["p[1->0]"],
    ).plain
    probabilities = regime.stress_probabilities(regime.path(returns[None], model))[0]
    wanted = case["expected"]["filtered_prob_state1_at"]
    return {
        "loglik": regime.log_likelihood(np.asarray(returns), model),
        "filtered_prob_state1_at": {index: float(probabilities[int(index)]) for index in wanted},
    }


def lee_mykland(case: dict[str, Any]) -> dict[str, Any]:
    observations, significance, mean = case["inputs"]["n"], case["params"]["alpha"], case["params"]["c"]
    location, scale = jumps.gumbel_scale(observations, mean)
    return {
        "C_n": location,
        "S_n": scale,
        "beta": jumps.gumbel_quantile(significance),
        "threshold_on_absL": jumps.critical_value(observations, significance, mean),
    }


COVERED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "markov-switching-2state": hamilton,
    "lee-mykland-critical": lee_mykland,
}
