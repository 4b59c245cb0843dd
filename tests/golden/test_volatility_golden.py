"""Golden vectors of volatility.json and of the `vol-` group of sizing.json: each is computed or waits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from arch.data import sp500

from services.core.annualization import Calendar
from services.volatility.bars import MIN_PRICE_CHANGES
from services.volatility.estimators.ewma import Ewma
from tests.golden import harness

SIZING = [case for case in harness.load("sizing") if case["id"].startswith("vol-")]
CASES = harness.load("volatility")


def half_life(decay: float) -> float:
    return -math.log(2.0) / math.log(decay)


def bias_corrected(inputs: dict[str, Any]) -> dict[str, float]:
    returns = np.array([value for value in inputs["returns"] if value is not None])
    return {"variance": float(Ewma(half_life=inputs["half_life"]).variance_path(returns[None, :] ** 2)[0, -1])}


def first_eligible(inputs: dict[str, Any]) -> dict[str, int]:
    """The rule of `refusal_of` with the case's own minimum; ours is 10."""
    changes = np.cumsum([bool(value) for value in inputs["returns"]])
    return {"first_eligible_index": int(np.argmax(changes >= inputs["min_nonzero_price_changes"]))}


def weighted_mean(case: dict[str, Any]) -> dict[str, Any]:
    path = Ewma(half_life=case["params"]["halflife"]).variance_path(np.array([case["inputs"]["x"]]))
    return {"ewma": path[0].tolist()}


def hull(case: dict[str, Any]) -> dict[str, Any]:
    inputs, model = case["inputs"], Ewma(half_life=half_life(case["params"]["lam"]))
    (variance,) = model.advance((inputs["sigma_prev"] ** 2,), inputs["u"] ** 2, 1)
    return {"variance": variance, "sigma": math.sqrt(variance)}


def weight_left(case: dict[str, Any]) -> dict[str, Any]:
    """Bars after which λ^K of the weight is left: solved from `Ewma.weight`."""
    del case

    def bars(decay: float, left: float) -> float:
        model = Ewma(half_life=half_life(decay))
        return math.log(left) / math.log(1.0 - float(model.weight(1.0)))

    return {
        "k_094_tol1pct": bars(0.94, 0.01),
        "k_097_tol1pct": bars(0.97, 0.01),
        "k_094_tol01pct": bars(0.94, 0.001),
    }


def annualised(case: dict[str, Any]) -> dict[str, Any]:
    inputs = case["inputs"]
    return {
        "daily_365": inputs["sigma_daily"] * math.sqrt(Calendar().periods(86_400)),
        "daily_252": inputs["sigma_daily"] * math.sqrt(Calendar("XNYS").periods(86_400)),
        "hourly_8760": math.sqrt(inputs["var_hourly"] * Calendar().periods(3_600)),
        "min5_105120": math.sqrt(inputs["var_5min"] * Calendar().periods(300)),
    }


def arch_recursion(case: dict[str, Any]) -> dict[str, Any]:
    """Our one-bar step from arch's start value (which looks ahead, and is therefore no start of ours)."""
    returns = 100.0 * sp500.load()["Adj Close"].pct_change().dropna().to_numpy()[:1000]
    model, memory = Ewma(half_life=half_life(case["params"]["lam"])), (case["params"]["init"],)
    volatility = [math.sqrt(memory[0])]
    for value in returns:
        memory = model.advance(memory, value * value, 1)
        volatility.append(math.sqrt(memory[0]))
    return {"vol_at_index": {index: volatility[int(index)] for index in case["expected"]["vol_at_index"]}}


COVERED = {
    "cvxcovariance-ewma-mean": weighted_mean,
    "hull-ewma": hull,
    "riskmetrics-td-nobs": weight_left,
    "annualisation": annualised,
    "ewma-094-arch": arch_recursion,
}
WAITING = {
    "ttr-": "estimators over ranges and windows",
    "arch-sp500-": "GARCH estimators",
    "garch-": "GARCH estimators",
    "quantlib-garch-": "GARCH estimators",
    "riskmetrics2006": "RiskMetrics 2006 estimator",
    "derman-varswap": "implied volatility",
    "heston-alan-lewis": "implied volatility",
    "sklearn-": "covariance with shrinkage",
    "ledoit-wolf-formula": "covariance with shrinkage",
    "markov-switching-2state": "regimes",
    "lee-mykland-critical": "jumps",
    "yz-k": "estimators over ranges and windows",
    "gk-combination-weight": "estimators over ranges and windows",
    "adaptive-": "the adaptive forecaster",
}


def test_every_case_is_computed_or_waits() -> None:
    assert harness.unlisted(CASES, COVERED, WAITING) == []
    assert [case["id"] for case in SIZING] == ["vol-001", "vol-004"]


@pytest.mark.parametrize("case", harness.covered_cases(CASES, COVERED), ids=lambda case: case["id"])
def test_golden(case: dict[str, Any]) -> None:
    computed = harness.find(case["id"], COVERED)(case)
    assert computed == harness.approximately(case["expected"], 0.0, case["rtol"])


def test_ewma_equals_skfolio() -> None:
    harness.check(SIZING[0], {"vol-001": bias_corrected})


def test_eligibility_equals_pysystemtrade() -> None:
    harness.check(SIZING[1], {"vol-004": first_eligible})
    assert MIN_PRICE_CHANGES == 10
