"""GARCH family: filters with given parameters, and full maximum-likelihood fits against the figures of `arch`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from arch.data import sp500

from services.core.explain import Floats
from services.volatility.estimators.garch import Garch
from services.volatility.estimators.gjr_garch import GjrGarch
from services.volatility.fitting import Fit, FitChoice, fit
from services.volatility.moves import Moves


def percent_returns() -> Floats:
    return np.asarray(100.0 * sp500.load()["Adj Close"].pct_change().dropna(), dtype=float)


def path(model: Garch | GjrGarch, returns: Floats) -> Floats:
    """Variance of every return and of the one to come, (n + 1,)."""
    row = returns[None, :]
    return np.concatenate([[model.start()[0]], model.variance_path(Moves(row, row, row))[0]])


def quantlib_filter(case: dict[str, Any]) -> dict[str, Any]:
    """Garch11(α, β, V): the figure beside a return is the one after it, and the start is the first return squared."""
    given, returns = case["params"], np.array(case["inputs"]["returns"])
    model = Garch(omega=given["omega"], alpha=given["alpha"], beta=given["beta"], start_variance=float(returns[0] ** 2))
    return {"vol": np.sqrt(path(model, returns)[1:]).tolist()}


def arch_filter(case: dict[str, Any]) -> dict[str, Any]:
    given, returns = case["params"], percent_returns()[:1000]
    omega, alpha, beta = given["omega"], given["alpha"], given["beta"]
    first = omega + (alpha + beta) * given["backcast"]
    variance = path(Garch(omega=omega, alpha=alpha, beta=beta, start_variance=first), returns)[:-1]
    likelihood = -0.5 * np.sum(np.log(2.0 * math.pi * variance) + returns**2 / variance)
    volatility = {index: math.sqrt(variance[int(index)]) for index in case["expected"]["vol_at_index"]}
    return {"vol_at_index": volatility, "loglik": float(likelihood)}


def full_fit(choice: FitChoice) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def compute(case: dict[str, Any]) -> dict[str, Any]:
        del case
        returns = percent_returns()
        found = fit(returns, choice)
        assert isinstance(found, Fit), found
        model = found.model.estimator
        assert isinstance(model, Garch | GjrGarch)
        shock = float(returns[-1]) - found.model.mean
        reaction = model.alpha + (model.gamma if isinstance(model, GjrGarch) and shock < 0.0 else 0.0)
        following = model.omega + reaction * shock**2 + model.beta * found.last_variance
        return {
            "params": parameters(found),
            "loglik": found.log_likelihood,
            "last_conditional_vol": math.sqrt(found.last_variance),
            "variance_forecast_h1_to_h10": model.multi_step((following, 0.0), 10).tolist(),
        }

    return compute


def parameters(found: Fit) -> dict[str, float]:
    """Under the names of `arch`."""
    model = found.model.estimator
    named = {"mu": found.model.mean, "omega": model.omega, "alpha[1]": model.alpha, "beta[1]": model.beta}
    if isinstance(model, GjrGarch):
        named["gamma[1]"] = model.gamma
    if found.model.degrees_of_freedom is not None:
        named["nu"] = found.model.degrees_of_freedom
    return named


COVERED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "quantlib-garch-filter": quantlib_filter,
    "garch-filter-fixed": arch_filter,
    "arch-sp500-garch11_n": full_fit(FitChoice(model="garch", distribution="normal", mean="constant")),
    "arch-sp500-gjr_t": full_fit(FitChoice(model="gjr_garch", mean="constant")),
}
