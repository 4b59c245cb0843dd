"""Cost of one evaluation in the process, states cached, for books of 20, 200 and 2,000 markets.

Hypothesis: everything but the covariance is arrays over the rows, so 20 markets cost what numpy's calls cost, some
millisecond; orders and decimal quantities are made row by row, some 20 µs each; at 2,000 markets the n² covariance
takes about half of the time (choosing, copying and clipping the correlations rather than reading them once: the time
of one pass, `w'Σw` by numpy in the same run, stands beside). The full view adds the figures of reasons, linear in the
rows. Medians; nothing is asserted about time, only that nothing was refused.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import pytest

from services.core.outcome import Status
from services.engine import EvaluationInputs, evaluate
from services.engine.inputs import RecordedCorrelation
from tests.support.books import inputs, row

pytestmark = pytest.mark.benchmark
SIZES = (20, 200, 2_000)


def book(size: int, figures: bool) -> EvaluationInputs:
    """Long half in every market, all correlated by one half."""
    symbols = tuple(f"S{place}" for place in range(size))
    matrix = np.full((size, size), 0.5)
    np.fill_diagonal(matrix, 1.0)
    return inputs(
        *(row(symbol, "10", direction=0.5) for symbol in symbols),
        correlation=RecordedCorrelation(symbols, matrix, "given"),
        figures=figures,
        equity=1e6,
    )


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    """Median time of a call after one that warms up."""
    call()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return 1e3 * statistics.median(taken)


def test_evaluate() -> None:
    print("\nmarkets  compact ms  full ms  one pass over the covariance ms")
    for size in SIZES:
        repeats = max(5, 2_000 // size)
        compact, full = (book(size, figures) for figures in (False, True))
        matrix, weights = np.full((size, size), 0.5), np.ones(size)
        passed = milliseconds(lambda matrix=matrix, weights=weights: weights @ matrix @ weights, repeats)
        assert all(target.status is not Status.REFUSED for target in evaluate(compact).targets)
        times = [milliseconds(lambda asked=asked: evaluate(asked), repeats) for asked in (compact, full)]
        print(f"{size:7d}  {times[0]:10.2f}  {times[1]:7.2f}  {passed:8.3f}")
