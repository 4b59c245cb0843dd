"""Cost of a fit beside `arch`, cold and warm, on the same returns in the same run.

Hypothesis: a step costs two linear filters and a dozen array passes, so that a fit grows linearly with the returns and
the fixed cost of the optimiser shows below 1,000; a warm start takes a few steps instead of ten. EGARCH has no linear
filter: its loops cost ten times as much a step. Input: the last 1,000 and 5,000 daily returns of the S&P 500,
constant mean. Printed with the log-likelihoods, never asserted on time.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pytest
from arch import arch_model
from arch.data import sp500

from services.core.explain import Floats
from services.volatility.estimators.garch import Garch
from services.volatility.estimators.gjr_garch import GjrGarch
from services.volatility.fitting import Fit, FitChoice, FittedModel, fit
from services.volatility.moves import Moves
from tests.benchmark.comparison import table

pytestmark = pytest.mark.benchmark
ROUNDS = 15
CHOICES = (
    FitChoice(model="garch", distribution="normal", mean="constant"),
    FitChoice(model="garch", distribution="normal", mean="constant", procedure="variance_targeted"),
    FitChoice(model="gjr_garch", mean="constant"),
    FitChoice(model="gjr_garch", mean="constant", procedure="variance_targeted"),
    FitChoice(model="egarch", mean="constant"),
)


def milliseconds(work: Callable[[], object]) -> float:
    """Median of the processor time, which a busy machine hardly changes."""
    work()
    spent = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return 1e3 * float(np.median(spent))


def peer(returns: Floats, choice: FitChoice) -> Any:
    model = arch_model(
        returns,
        mean="Constant",
        vol="EGARCH" if choice.model == "egarch" else "GARCH",
        o=0 if choice.model == "garch" else 1,
        dist="t" if choice.distribution == "student_t" else "normal",
        rescale=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(disp="off")


def row(returns: Floats, choice: FitChoice) -> list[str]:
    found, theirs = fit(returns, choice), peer(returns, choice)
    assert isinstance(found, Fit), found
    former = fit(returns[:-1], choice)
    assert isinstance(former, Fit), former
    following: FittedModel = former.model
    figures = (
        milliseconds(lambda: fit(returns, choice)),
        milliseconds(lambda: fit(returns, choice, following)),
        milliseconds(lambda: peer(returns, choice)),
    )
    name = f"{choice.model} {choice.distribution} {choice.procedure}"
    return [
        name,
        f"{returns.size:,}",
        *(f"{value:.2f}" for value in figures),
        str(found.iterations),
        f"{found.log_likelihood:.2f}",
        f"{theirs.loglikelihood:.2f}",
    ]


def test_fits() -> None:
    returns = np.asarray(100.0 * sp500.load()["Adj Close"].pct_change().dropna(), dtype=float)
    rows = [row(returns[-bars:], choice) for bars in (1_000, 5_000) for choice in CHOICES]
    header = ["fit", "returns", "cold ms", "warm ms", "arch ms", "steps", "log-likelihood", "of arch"]
    print("\n" + table("Maximum-likelihood fits, median processor time", header, rows))


def test_filters() -> None:
    """A filter over 10⁶ returns, and one bar of a stream."""
    values = np.random.default_rng(1).standard_normal((1, 1_000_000)) * 0.01
    moves = Moves(values, values, values)
    print()
    for model in (Garch(omega=2e-6, alpha=0.08, beta=0.9), GjrGarch(omega=2e-6, alpha=0.03, gamma=0.1, beta=0.9)):
        whole = milliseconds(lambda model=model: model.variance_path(moves))
        bars = list(Moves(*[values[:, :1_000]] * 3).row(0))
        steps = milliseconds(lambda model=model, bars=bars: reduce(model.advance, bars, model.start()))
        print(f"{model.method:<10} 10⁶ returns {whole:6.1f} ms   one bar {steps:6.2f} µs")
