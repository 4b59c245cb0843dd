"""Golden vectors of volatility.json, by topic, and of the `vol-` group of sizing.json: every case is computed."""

from __future__ import annotations

import math
import pkgutil
from typing import Any

import numpy as np
import pytest
from arch.data import sp500

from services.core.annualization import Calendar
from services.volatility.bars import MIN_PRICE_CHANGES
from services.volatility.estimators.ewma import Ewma
from services.volatility.moves import Move, Moves
from tests.golden import harness
from tests.golden import volatility as topics
from tests.golden.volatility import adaptive, covariance, garch, implied, labels, ranges, windows

SIZING = [case for case in harness.load("sizing") if case["id"].startswith("vol-")]
CASES = harness.load("volatility")
FILLED = 1e9
"""Bars after which 1 − λ^n is 1."""


def half_life(decay: float) -> float:
    return -math.log(2.0) / math.log(decay)


def closes_only(returns: list[float]) -> Moves:
    row = np.array(returns, dtype=float)[None, :]
    return Moves(row, np.exp(np.cumsum(row, axis=-1)), np.arange(row.size, dtype=float)[None, :])


def bias_corrected(inputs: dict[str, Any]) -> dict[str, float]:
    returns = [value for value in inputs["returns"] if value is not None]
    return {"variance": float(Ewma(half_life=inputs["half_life"]).variance_path(closes_only(returns))[0, -1])}


def first_eligible(inputs: dict[str, Any]) -> dict[str, int]:
    """The rule of `refusal_of` with the case's own minimum; ours is 10."""
    changes = np.cumsum([bool(value) for value in inputs["returns"]])
    return {"first_eligible_index": int(np.argmax(changes >= inputs["min_nonzero_price_changes"]))}


def weighted_mean(case: dict[str, Any]) -> dict[str, Any]:
    path = Ewma(half_life=case["params"]["halflife"]).average_path(np.array([case["inputs"]["x"]]))
    return {"ewma": path[0].tolist()}


def step(variance: float, log_return: float, decay: float) -> float:
    """``λ h + (1 − λ) r²``: `Ewma.advance` where the weights of the past have filled up."""
    model = Ewma(half_life=half_life(decay))
    memory = model.advance((FILLED, variance), Move(log_return, 1.0, 0.0))
    return model.variance(memory)


def hull(case: dict[str, Any]) -> dict[str, Any]:
    inputs = case["inputs"]
    variance = step(inputs["sigma_prev"] ** 2, inputs["u"], case["params"]["lam"])
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
    variance = [case["params"]["init"]]
    for value in returns.tolist():
        variance.append(step(variance[-1], value, case["params"]["lam"]))
    return {"vol_at_index": {index: math.sqrt(variance[int(index)]) for index in case["expected"]["vol_at_index"]}}


OWN: dict[str, harness.Compute] = {
    "cvxcovariance-ewma-mean": weighted_mean,
    "hull-ewma": hull,
    "riskmetrics-td-nobs": weight_left,
    "annualisation": annualised,
    "ewma-094-arch": arch_recursion,
}
TOPICS = (adaptive, covariance, garch, implied, labels, ranges, windows)
COVERED: dict[str, harness.Compute] = {**OWN, **{key: work for topic in TOPICS for key, work in topic.COVERED.items()}}


def test_every_case_is_computed_once() -> None:
    assert harness.unlisted(CASES, COVERED, {}) == []
    assert len(COVERED) == len(OWN) + sum(len(topic.COVERED) for topic in TOPICS)
    modules = {module.name for module in pkgutil.iter_modules(topics.__path__)}
    assert modules == {topic.__name__.rpartition(".")[2] for topic in TOPICS}
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
