"""Shrinkage of covariance: golden vectors of volatility.json, and the one of sizing.json."""

from __future__ import annotations

from typing import Any

import numpy as np

from services.risk.shrinkage import ledoit_wolf, oracle_approximating


def shrunk(case: dict[str, Any]) -> dict[str, Any]:
    kernel = {"ledoit_wolf": ledoit_wolf, "oas": oracle_approximating}[case["estimator"]]
    covariance, intensity = kernel(np.array(case["inputs"]["X"]))
    known = {"cov": covariance.tolist(), "shrinkage": intensity}
    return {name: known[name] for name in case["expected"]}


def shrunk_prices(inputs: dict[str, Any]) -> dict[str, Any]:
    """Simple returns of prices around their mean, as scikit-learn takes them by default."""
    prices = np.array(inputs["prices"])
    returns = prices[1:] / prices[:-1] - 1.0
    covariance, intensity = ledoit_wolf(returns - returns.mean(axis=0))
    return {"shrinkage": intensity, "cov": covariance.tolist()}


COVERED = {"sklearn-": shrunk, "ledoit-wolf-formula": shrunk}
COVERED_SIZING = {"covariance-": shrunk_prices}
